"""What a format's module gives, and what it raises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

# Of a picture that ends early so much may be missing: browsers show it, and what is left is judged.
MOST_MISSING = 0.05
BLOCK, SMOOTHED = 16, 2  # rows of pixels that codecs write at a time; of those, the last


class Incomplete(Exception):
    """More than MOST_MISSING of the picture is not there, or nobody can tell how much."""


class TooComplex(Exception):
    """The message says of what there is too much: “more than 100,000 chunks”."""


class TooManyPixels(Exception):
    """``pixels`` of ``what``."""

    def __init__(self, pixels: int, what: str = "") -> None:
        super().__init__(what)
        self.pixels, self.what = pixels, what


class Unsupported(Exception):
    """A variant of the format that is not examined. The message names it: “a camera raw file”."""


@dataclass(frozen=True)
class Prepared:
    """Bytes for the decoder.

    ``frames``: None where the decoder has to be asked. ``info`` replaces entries of Pillow's
    ``image.info``. ``other``: the same file with other bytes in the place of those that are missing at
    its end: what comes out differently is what is missing. ``again`` is for bytes that the decoder did
    not take: a second, costlier way. ``variant``: in words, what few decoders know.
    """

    data: bytes
    notes: tuple[str, ...] = ()
    frames: int | None = None
    info: dict[str, Any] = field(default_factory=dict)
    other: bytes | None = None
    cut: bool = True  # False: ``other`` is asked only where the end of the picture looks empty
    again: Callable[[], Prepared] | None = None
    variant: str = ""
    page: int = 0  # the one that is examined


def missing_share(first: Image.Image, second: Image.Image) -> float:
    """How much of a picture, 0 to 1, depends on bytes that are not there: what the two differ in.

    Codecs write in rows of blocks, from the top: all behind the first difference is missing. The last
    rows of a block do not count: colours are smoothed into them from the next one.
    """
    if first.mode != second.mode or first.size != second.size:
        return 1.0
    width, height = first.size
    for top in range(0, height, BLOCK):
        below = min(top + BLOCK, height)
        box = (0, top, width, below if below == height else below - SMOOTHED)
        differs = np.asarray(first.crop(box)) != np.asarray(second.crop(box))
        columns = differs.reshape(box[3] - top, width, -1).any(axis=(0, 2))
        if columns.any():
            return 1 - (top * width + int(columns.argmax()) * (below - top)) / (width * height)
    return 0.0


def missing_note(share: float) -> str:
    """Raises Incomplete where it is too much."""
    if share > MOST_MISSING:
        raise Incomplete
    percent = f"{share:.0%}" if share >= 0.01 else "less than 1%"
    return f"The end of the file is missing, and with it {percent.replace('%', ' %')} of the picture."


END_MISSING = "The mark at the end of the file is missing; the picture is whole."
