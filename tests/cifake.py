"""Real CIFAKE files that no training has seen, from a sample that lies beside the tests.

``cifake_sample.tar.xz`` holds the first 2,600 files of the held-out split with seed 0, byte for byte and in
its order. Their JPEG headers are all alike, so they take 0.8 MB. CIFAKE: Bird & Lotfi, IEEE Access 2024, MIT
licence; the REAL ones are CIFAR-10's (Krizhevsky & Hinton 2009). ``python -m tests.cifake train.zip`` makes
the sample anew from the published zip.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import sys
import tarfile
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from mlcore import data

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"  # of those who develop here: not part of the project, and never needed
ARCHIVE = SHARED / "data" / "cifake_train.zip"  # for measurements
SAMPLE = Path(__file__).with_name("cifake_sample.tar.xz")
MOST = 2600
WEIGHTS = (
    os.environ.get("YOLO_WEIGHTS", ""),
    ROOT / "data/weights/yolov8n.pt",
    SHARED / "weights/yolov8n.pt",
)
YOLO = next((path for path in map(Path, filter(None, WEIGHTS)) if path.is_file()), ROOT / "yolov8n.pt")

# The only tests that may be skipped: these weights are Ultralytics' to give (AGPL-3.0, 6 MB).
needs_yolo = pytest.mark.yolo


def held_out(count: int) -> list[tuple[int, bytes]]:
    """(label, file) of the first ``count`` of the held-out split with seed 0; 1 is FAKE."""
    assert count <= MOST
    return _sample()[:count]


@lru_cache
def _sample() -> list[tuple[int, bytes]]:
    with tarfile.open(SAMPLE) as archive:
        members = [(member.name, archive.extractfile(member)) for member in archive]
        return [(data.label_of(name) or 0, file.read()) for name, file in members if file is not None]


def write_sample(source: Path) -> None:
    """Makes the sample anew from CIFAKE's published training zip.

    The split looks at bytes and labels only, so the files' numbers stand in for the pixels and nothing
    has to be decoded.
    """
    with zipfile.ZipFile(source) as archive:
        names = [name for name in sorted(archive.namelist()) if data.label_of(name) is not None]
        names = [name for name in names if not name.endswith("/")]
        hashes = [hashlib.blake2b(archive.read(name), digest_size=16).digest() for name in names]
        labels = np.array([data.label_of(name) for name in names], np.uint8)
        whole = data.Dataset(np.arange(len(names)), labels, np.array(hashes, "S16"))
        _, part = data.split(whole, seed=0)
        files = [archive.read(names[number]) for number in part.images[:MOST]]
    preset = 9 | lzma.PRESET_EXTREME
    with tarfile.open(SAMPLE, "w:xz", preset=preset) as sample:
        for number, (label, file) in enumerate(zip(part.labels, files, strict=False)):
            member = tarfile.TarInfo(f"{('REAL', 'FAKE')[label]}/{number:04}.jpg")
            member.size = len(file)
            sample.addfile(member, io.BytesIO(file))


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
