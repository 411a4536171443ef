"""CIFAKE as arrays: reading a folder or a zip, and the split that lets no twin leak.

Bird & Lotfi, "CIFAKE: Image Classification and Explainable Identification of
AI-Generated Synthetic Images", IEEE Access 2024. The published layout is
``train/REAL/*.jpg`` and ``train/FAKE/*.jpg``; any folder above REAL and FAKE is accepted.
File names differ by class, so they end here: nothing below this module sees one.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore.errors import DataError

LABELS = {"REAL": 0, "FAKE": 1}
NATIVE_SIZE = 32
PARTS = "75-5-20"  # what a card calls this division
CALIBRATION_SHARE = 1 / 16  # of what is not the report's
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass(frozen=True)
class Dataset:
    """Images (n, 32, 32, 3) uint8, labels (n,) uint8 (1 = FAKE), content hashes (n,) S16."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    hashes: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64] | slice) -> Dataset:
        return Dataset(self.images[index], self.labels[index], self.hashes[index])


def label_of(path: str) -> int | None:
    """The class of a path by its nearest REAL or FAKE folder; None outside of both."""
    for part in reversed(PurePosixPath(path).parts[:-1]):
        if part.upper() in LABELS:
            return LABELS[part.upper()]
    return None


def read_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (relative name, bytes) of the image files in a folder or a zip, sorted by name.

    Raises:
        DataError: ``source`` is neither a folder nor a zip.
    """
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.suffix.lower() in SUFFIXES:
                yield path.relative_to(source).as_posix(), path.read_bytes()
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for name in sorted(archive.namelist()):
                if PurePosixPath(name).suffix.lower() in SUFFIXES:
                    yield name, archive.read(name)
    else:
        raise DataError(f"{source}: give a folder or a zip that holds REAL and FAKE.")


def load(source: Path | str) -> Dataset:
    """Read a CIFAKE folder or zip into memory (100,000 images take 307 MB).

    Raises:
        DataError: no such data, a class is missing, or an image has another size or is broken.
    """
    images, labels, hashes = [], [], []
    for name, data in read_files(Path(source)):
        label = label_of(name)
        if label is None:
            continue
        images.append(_decode(name, data))
        labels.append(label)
        hashes.append(hashlib.blake2b(data, digest_size=16).digest())
    if len(set(labels)) < 2:
        raise DataError(f"{source}: images of both classes are needed, in folders REAL and FAKE.")
    return Dataset(np.stack(images), np.array(labels, np.uint8), np.array(hashes, "S16"))


def _decode(name: str, data: bytes) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{name}: not readable as an image ({error}).") from error
    if pixels.shape != (NATIVE_SIZE, NATIVE_SIZE, 3):
        raise DataError(f"{name}: {pixels.shape[1]}×{pixels.shape[0]} px; CIFAKE is 32×32.")
    return pixels


def split(data: Dataset, *, share: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Stratified split by content: (training, held out), twins always on one side.

    An image's side is decided by ranking a keyed hash of its own bytes within its class, so
    the split depends on neither names nor order, and byte-identical twins (920 pairs in
    CIFAKE's training part) cannot straddle it. The held-out part is ``share`` of each class,
    give or take a twin.
    """
    held_out = np.zeros(len(data), bool)
    for label in LABELS.values():
        index = np.flatnonzero(data.labels == label)
        keys, inverse = np.unique(_keyed(data.hashes[index], seed), return_inverse=True)
        held_out[index] = inverse < round(share * len(keys))
    return data.take(_shuffled(~held_out, seed)), data.take(_shuffled(held_out, seed))


class Parts(NamedTuple):
    """``report`` is what accuracy claims rest on: neither gradients, nor the choice of
    anything, nor calibration may see it. ``calibration`` is for the last two."""

    training: Dataset
    calibration: Dataset
    report: Dataset


def parts(data: Dataset, *, seed: int = 0) -> Parts:
    """75, 5 and 20 % of each class, by content: no twin crosses; see :func:`split`."""
    rest, report = split(data, share=0.2, seed=seed)
    training, calibration = split(rest, share=CALIBRATION_SHARE, seed=seed + 1)
    return Parts(training, calibration, report)


def sample(data: Dataset, count: int, *, seed: int = 0) -> Dataset:
    """At most ``count`` images at random."""
    return data.take(np.random.default_rng(seed).permutation(len(data))[:count])


def _keyed(hashes: NDArray[np.bytes_], seed: int) -> NDArray[np.bytes_]:
    key = seed.to_bytes(8, "little", signed=True)
    # S16 drops trailing zero bytes; padding makes the hash whole again.
    rows = (hashlib.blake2b(h.ljust(16, b"\0"), digest_size=8, key=key).hexdigest() for h in hashes)
    return np.array(list(rows), "S16")


def _shuffled(mask: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    index = np.flatnonzero(mask)
    return np.random.default_rng(seed).permutation(index)
