"""Whether the small preview inside a file shows the same picture.

Cameras and programs turn previews, put bars around them, squeeze, crop, sharpen and grade them. So
what is compared is where edges lie and which way they run, not brightness: gradients on a coarse
grid, the strong ones held down, over eight ways to turn and flip, with and without bars, with either
of the two cut to the other's shape, and with small shifts. The best fit decides.

Where the best fit is good, one place that alone has other tones was painted over. The thresholds come
from a measurement (docs/provenance.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.float64]  # (height, width), 0 to 255
Field = NDArray[np.complex128]  # gradients: across + i · down

SIDE = 40  # cells of the grid of gradients
SHIFT = 4  # of these cells
WORKING = 320  # pixels of the longer side of what is cut and turned
SAME = 0.38  # agreement of edges; two different pictures stay below
SURE = 0.7  # no better fit is looked for
FLAT = 2.0  # grey levels of a gradient that noise and compression have too
BAR = 14.0  # grey levels that a bar's pixels lie from one another, compression's ringing left out
RINGING = 92  # percent of a bar's line that has to be even
MOST_BAR = 0.95  # of a side
PLACES = 12  # cells of the grid of tones
CELLS = 4  # of them that have to differ: a single one may be an edge that lies a little beside
LOCAL, ALONE = 70.0, 12.0  # grey levels there; times the difference that nine of ten places stay below


@dataclass(frozen=True)
class Likeness:
    """``edges``: agreement of edges, -1 to 1, of the best fit; None where one of the two has none.

    ``local``: the difference in grey levels that CELLS places of that fit reach, tones fitted; ``usual``: the
    one that nine of ten places stay below.
    """

    edges: float | None
    local: float = 0.0
    usual: float = 0.0

    @property
    def same(self) -> bool:
        """Whether nothing speaks for another picture; flat ones cannot be told apart."""
        painted_over = self.local > LOCAL and self.local > ALONE * self.usual
        return self.edges is None or (self.edges >= SAME and not painted_over)


def compare(preview: Image.Image, picture: Image.Image) -> Likeness:
    """How well a preview fits its picture; both as decoded, the picture upright."""
    best: tuple[float, Grey, Grey] | None = None
    for pairs in _pairs(_working(preview), _working(picture)):
        for one, other in pairs:
            edges = _agreement(one, other)
            if edges is not None and (best is None or edges > best[0]):
                best = edges, one, other
        if best is not None and best[0] > SURE:
            break
    if best is None:
        return Likeness(None)
    return Likeness(round(best[0], 3), *_differences(*best[1:]))


def _working(image: Image.Image) -> Grey:
    """Grey levels, the longer side at most WORKING pixels."""
    scale = min(1.0, WORKING / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.BOX, reducing_gap=2.0).convert("L"), np.float64)


# --- What may show the same -----------------------------------------------------------------------


def _pairs(small: Grey, large: Grey) -> Iterator[list[tuple[Grey, Grey]]]:
    """The likeliest first: with and without bars, turned, then cut."""
    for core, whole in product(_framed(small), _framed(large)):
        turns = _turned(core)
        yield [(turned, whole) for turned in turns]
        for turned in turns:
            middle, cut = _middle(turned), _cut_to(whole, turned.shape)
            to_whole = [(_cut_to(turned, whole.shape), whole), (middle, whole)]
            yield [(turned, cut), *to_whole, (turned, _middle(whole)), (middle, cut), (turned, _middle(cut))]


def _turned(grey: Grey) -> list[Grey]:
    """Eight ways: four quarter turns, each as it is and mirrored."""
    return [np.rot90(way, turns) for way in (grey, grey[:, ::-1]) for turns in range(4)]


def _cut_to(grey: Grey, shape: tuple[int, ...]) -> Grey:
    """The middle part in the shape of the other."""
    height, width = grey.shape
    ratio = shape[1] / shape[0]
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    top, left = (height - h) // 2, (width - w) // 2
    return grey[top : top + max(h, 1), left : left + max(w, 1)]


def _middle(grey: Grey) -> Grey:
    """Without a twenty-fifth at each edge: cameras correct the lens behind the preview."""
    top, left = grey.shape[0] // 25, grey.shape[1] // 25
    return grey[top : grey.shape[0] - top, left : grey.shape[1] - left]


def _framed(grey: Grey) -> list[Grey]:
    """Without its bars, without those of one direction, and as it is; each once."""
    rows, columns = _without_rows(grey), _without_rows(grey.T).T
    frames = (_without_rows(rows.T).T, rows, columns, grey)
    return list({frame.shape: frame for frame in frames if min(frame.shape) >= 8}.values())


def _without_rows(grey: Grey) -> Grey:
    return grey[_bar(grey) : grey.shape[0] - _bar(grey[::-1])]


def _bar(grey: Grey) -> int:
    """How many rows from the first one are one even bar, with the mixed row behind it; 0 for none."""
    away = np.abs(grey[: int(MOST_BAR * grey.shape[0])] - np.median(grey[:1]))
    if not away.size:
        return 0
    uneven = np.flatnonzero(np.percentile(away, RINGING, axis=1) > BAR)
    # Even all the way is no bar but a picture of little, and a first row that is uneven is none either.
    return int(uneven[0]) + 1 if len(uneven) and uneven[0] else 0


# --- How well two of them fit ---------------------------------------------------------------------


def _agreement(one: Grey, other: Grey) -> float | None:
    """Of two fields of gradients the largest agreement over small shifts; None where one is flat."""
    a, b = _field(one), _field(other)
    energy = np.sqrt((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum())
    if energy == 0:
        return None
    size = (SIDE + SHIFT, SIDE + SHIFT)
    shifted = np.fft.ifft2(np.fft.fft2(a, size) * np.conj(np.fft.fft2(b, size))).real
    near = np.r_[0 : SHIFT + 1, -SHIFT:0]
    return float(shifted[np.ix_(near, near)].max() / energy)


def _field(grey: Grey) -> Field:
    """(SIDE, SIDE) gradients on a coarse grid: the root of their length, and none where noise has as much."""
    coarse = _coarse(grey, SIDE + 2)
    across = coarse[1:-1, 2:] - coarse[1:-1, :-2]
    down = coarse[2:, 1:-1] - coarse[:-2, 1:-1]
    field = across + 1j * down
    length = np.abs(field)
    return np.where(length > FLAT, field / np.sqrt(np.maximum(length, FLAT)), 0)


def _coarse(grey: Grey, side: int) -> Grey:
    way = Image.Resampling.BOX if min(grey.shape) > side else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize((side, side), way), np.float64)


def _differences(one: Grey, other: Grey) -> tuple[float, float]:
    """(local, usual) difference in grey levels, whichever of the two explains the other worse."""
    a, b = _coarse(one, PLACES), _coarse(other, PLACES)
    gone = max(_unexplained(a, b), _unexplained(b, a), key=lambda levels: float(levels.max()))
    return round(float(np.sort(gone)[-CELLS]), 1), round(float(np.percentile(gone, 90)), 1)


def _unexplained(a: Grey, b: Grey) -> Grey:
    """What is left of ``b`` where a cubic curve of ``a``'s tones, fitted to most places, was taken off."""
    tones = (a.reshape(-1) - 128) / 128
    terms = np.stack([tones**power for power in range(4)], axis=1)
    weights = np.ones(len(tones))
    for _ in range(3):
        curve = np.linalg.lstsq(terms * weights[:, None], b.reshape(-1) * weights, rcond=None)[0]
        gone = np.abs(terms @ curve - b.reshape(-1))
        weights = np.sqrt(1 / np.maximum(gone, 4.0))
    return gone
