"""A JPEG's own settings: quantisation tables, sampling of colour, and which of its encoders' marks it has.

The quality of a table is that of libjpeg (its jcparam.c): the tables of ITU-T T.81, Annex K,
scaled to 1 to 100. Cameras and Photoshop have tables of their own; for those the nearest
quality is given, by the sum of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mlcore.provenance.blocks import NO_FRAME, segments

Table = tuple[int, ...]  # 64 steps in the file's zigzag order
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
SAMPLINGS = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
MOST_TABLES = 16

# Annex K, tables K.1 and K.2, row by row.
LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
COLOUR = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *([99] * 32),
)  # fmt: skip


@dataclass
class Settings:
    """``tables`` by their number; ``sampling`` in the usual notation, "" where there is no colour."""

    tables: dict[int, Table] = field(default_factory=dict)
    sampling: str = ""
    progressive: bool = False
    components: int = 0
    scans: int = 0
    adobe: bool = False
    jfif: bool = False
    web: bool = False  # Photoshop's "save for web"


def settings(data: bytes) -> Settings:
    """The settings of a JPEG's first picture; what is broken is left out."""
    found = Settings()
    for kind, start, end in segments(data):
        if kind == 0xDB:
            _tables(data[start : min(end, start + 2200)], found.tables)
        elif 0xC0 <= kind <= 0xCF and kind not in NO_FRAME and not found.components:
            _frame(kind, data[start : min(end, start + 64)], found)
        elif kind == 0xDA:
            found.scans += 1
        elif kind == 0xEE:
            found.adobe = found.adobe or data.startswith(b"Adobe", start)
        elif kind == 0xE0:
            found.jfif = found.jfif or data.startswith(b"JFIF\0", start)
        elif kind == 0xEC:
            found.web = found.web or data.startswith(b"Ducky", start)
    return found


def _tables(body: bytes, tables: dict[int, Table]) -> None:
    place = 0
    while place < len(body) and len(tables) < MOST_TABLES:
        wide, number = body[place] >> 4, body[place] & 15
        size = 128 if wide else 64
        raw = body[place + 1 : place + 1 + size]
        if len(raw) < size:
            return
        values = np.frombuffer(raw, ">u2" if wide else np.uint8)
        tables.setdefault(number, tuple(int(value) for value in values))
        place += 1 + size


def _frame(kind: int, body: bytes, found: Settings) -> None:
    if len(body) < 6:
        return
    found.progressive = kind in PROGRESSIVE
    found.components = body[5]
    parts = [body[at] for at in range(7, min(len(body), 6 + 3 * min(found.components, 4)), 3)]
    if len(parts) != 3 or not all(part & 15 and part >> 4 for part in parts):
        return
    across = max(part >> 4 for part in parts) // (parts[1] >> 4)
    down = max(part & 15 for part in parts) // (parts[1] & 15)
    found.sampling = SAMPLINGS.get((across, down), f"{across}×{down}")


def quality(table: Table, colour: bool = False) -> tuple[int, bool]:
    """(libjpeg's quality, whether the table is exactly libjpeg's at it)."""
    scaled = standard(colour)
    values = np.sort(np.array(table, np.int64))
    exact = np.flatnonzero((np.sort(scaled, axis=1) == values).all(axis=1))
    if len(exact) and _in_zigzag(table, scaled[exact[-1]]):
        return int(exact[-1]) + 1, True
    return int(np.abs(scaled.sum(axis=1) - values.sum()).argmin()) + 1, False


@lru_cache
def standard(colour: bool) -> NDArray[np.int64]:
    """(100, 64): libjpeg's table at each quality from 1 to 100, row by row."""
    base = np.array(COLOUR if colour else LUMINANCE, np.int64)
    steps = np.arange(1, 101)
    scale = np.where(steps < 50, 5000 // steps, 200 - 2 * steps)
    return np.asarray(np.clip((base[None, :] * scale[:, None] + 50) // 100, 1, 255))


@lru_cache
def zigzag() -> tuple[int, ...]:
    """Of each place in the file's order, the place row by row."""
    order = sorted(range(64), key=lambda at: (at // 8 + at % 8, _along(at)))
    return tuple(order)


def _along(at: int) -> int:
    row, column = divmod(at, 8)
    return row if (row + column) % 2 else column


def _in_zigzag(table: Table, plain: NDArray[np.int64]) -> bool:
    return tuple(int(plain[at]) for at in zigzag()) == table
