"""Large pictures that somebody made small: how many pass the gate, and what they are then told.

A CIFAKE picture is itself a reduction, saved as JPEG of quality 75. What was reduced and then saved
in that way cannot be told from it; how often the answer is wrong then is measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore import data, degrade, imaging
from mlcore.errors import DataError, ImageRefused
from mlcore.robustness import Judge

SIDE = 32
LARGE = 128  # pixels, the shorter side from which a picture is a large one
FILTERS = ("bilinear", "bicubic", "lanczos", "box", "nearest")
SAVED = (None, 90, 75)  # without loss, as JPEG of this quality
BATCH = 64
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """Of ``n`` large pictures of one class: shares that passed the gate, and that got each answer."""

    kind: str  # REAL or FAKE
    filter: str
    quality: int | None
    n: int
    passed: float
    said_real: float
    said_fake: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(model: Judge, source: Path, progress: Callable[[str], None] | None = None) -> list[Row]:
    """A row for each class, filter and way of saving.

    Args:
        source: a folder or zip that holds REAL and FAKE, pictures of at least 128 px a side.

    Raises:
        DataError: not such a folder.
    """
    small, labels = _reduced(source)
    found: list[Row] = []
    for number, name in enumerate(FILTERS):
        for quality in SAVED:
            if progress:
                progress(f"reduced, {name}{_as(quality)}")
            pixels = _saved(small[:, number], quality)
            found += _of_both(model, pixels, labels, (name, quality))
    return found


def _of_both(
    model: Judge, pixels: Pixels, labels: NDArray[np.int64], way: tuple[str, int | None]
) -> Iterator[Row]:
    p_fake = model.p_fake(pixels)
    known = model.known(pixels, p_fake)
    fake = known & (p_fake >= model.thresholds["fake"])
    real = known & (p_fake < model.thresholds["real"])
    for kind, label in data.LABELS.items():
        of = labels == label
        yield Row(kind, *way, int(of.sum()), *(float(each[of].mean()) for each in (known, real, fake)))


def _saved(pixels: Pixels, quality: int | None) -> Pixels:
    return pixels if quality is None else np.stack([degrade.jpeg(each, quality) for each in pixels])


def _reduced(source: Path) -> tuple[Pixels, NDArray[np.int64]]:
    """(n, filters, 32, 32, 3) and (n,): the middle square of each large picture."""
    files = ((name, content) for name, content in data.read_files(source) if data.label_of(name) is not None)
    with ThreadPoolExecutor(2) as pool:
        made = [each for part in _parts(files) for each in pool.map(_small, part) if each is not None]
    if len({label for _, label in made}) < 2:
        raise DataError(f"{source}: large pictures of both classes are needed, in folders REAL and FAKE.")
    return np.stack([pixels for pixels, _ in made]), np.array([label for _, label in made])


def _parts(files: Iterator[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    part: list[tuple[str, bytes]] = []
    for each in files:
        part.append(each)
        if len(part) == BATCH:
            yield part
            part = []
    yield part


def _small(file: tuple[str, bytes]) -> tuple[Pixels, int] | None:
    name, content = file
    try:
        image = imaging.examine(content, name).image
    except ImageRefused:
        return None
    side = min(image.size)
    if side < LARGE:
        return None
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    ways = [square.resize((SIDE, SIDE), Image.Resampling[name.upper()]) for name in FILTERS]
    return np.stack([np.asarray(each) for each in ways]), int(data.label_of(name) or 0)


def _as(quality: int | None) -> str:
    return f", then JPEG {quality}" if quality else ""


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows, as dicts, as Markdown."""
    head = "| large pictures made small | class | n | passed the gate | told real | told AI-generated |"
    lines = [
        f"| {row['filter']}{_as(row['quality'])} | {row['kind']} | {row['n']:,} | {row['passed']:.1%} | "
        f"{row['said_real']:.1%} | {row['said_fake']:.1%} |"
        for row in found
    ]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *lines])


def worst(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of AI-generated pictures, the way that got the answer “real” most often."""
    return max(
        (row for row in found if row["kind"] == "FAKE"), key=lambda row: row["said_real"], default=None
    )
