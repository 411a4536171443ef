"""Real CIFAKE files that no training has seen, straight from the shared zip."""

from __future__ import annotations

import hashlib
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from mlcore import data

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
ARCHIVE = SHARED / "data" / "cifake_train.zip"
MOST = 2600
YOLO = SHARED / "weights" / "yolov8n.pt"

needs_cifake = pytest.mark.skipif(not ARCHIVE.exists(), reason=f"{ARCHIVE} is not here")
needs_yolo = pytest.mark.skipif(not YOLO.exists(), reason=f"{YOLO} is not here")


def held_out(count: int) -> list[tuple[int, bytes]]:
    """(label, file) of the first ``count`` of the held-out split with seed 0; 1 is FAKE."""
    assert count <= MOST
    return _held_out()[:count]


@lru_cache
def _held_out() -> list[tuple[int, bytes]]:
    """As many as any test takes, read once: to find them, all of the zip is read.

    The split looks at bytes and labels only, so the files' numbers stand in for the pixels
    and nothing has to be decoded.
    """
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = [name for name in sorted(archive.namelist()) if data.label_of(name) is not None]
        names = [name for name in names if not name.endswith("/")]
        hashes = [hashlib.blake2b(archive.read(name), digest_size=16).digest() for name in names]
        labels = np.array([data.label_of(name) for name in names], np.uint8)
        whole = data.Dataset(np.arange(len(names)), labels, np.array(hashes, "S16"))
        _, part = data.split(whole, seed=0)
        return [
            (int(label), archive.read(names[number]))
            for number, label in zip(part.images[:MOST], part.labels[:MOST], strict=True)
        ]
