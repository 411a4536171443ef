"""Bars of a plot, drawn by the server: numbers in, rectangles out. The page gives them their colours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

WIDTH, HEIGHT = 900.0, 100.0  # of the viewBox; the page stretches it
GAP = 0.2  # of a bar's place


@dataclass(frozen=True)
class Piece:
    """One colour of a bar."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    label: str
    x: float
    width: float
    pieces: list[Piece]


@dataclass(frozen=True)
class Plot:
    """``top`` is the value of the upper edge; ``middle`` that of the line half-way, if it is whole."""

    bars: list[Bar]
    top: int
    middle: int | None


def plot(days: Sequence[date], series: Mapping[str, Sequence[int]], words: dict[str, str]) -> Plot:
    """A bar a day, of the series on top of each other in their order, the first at the bottom."""
    totals = [sum(amounts) for amounts in zip(*series.values(), strict=True)]
    top = ceiling(max(totals, default=0))
    step = WIDTH / max(1, len(days))
    bars = [
        Bar(
            label=_label(day, {words[name]: values[place] for name, values in series.items()}),
            x=round((place + GAP / 2) * step, 2),
            width=round((1 - GAP) * step, 2),
            pieces=_pieces({name: values[place] for name, values in series.items()}, top),
        )
        for place, day in enumerate(days)
    ]
    return Plot(bars, top, top // 2 if top % 2 == 0 else None)


def ceiling(value: int) -> int:
    """The next number that reads well: 1, 2, 4, 5, 6, 8 or 10 of a power of ten. At least 1."""
    if value <= 10:
        return max(1, value + value % 2 if value > 1 else 1)
    power = 10 ** int(math.log10(value))
    return next(steps * power for steps in (1, 2, 4, 5, 6, 8, 10) if steps * power >= value)


def _pieces(amounts: dict[str, int], top: int) -> list[Piece]:
    ends = accumulate(amounts.values())
    return [
        Piece(name, round(HEIGHT * (1 - end / top), 2), round(HEIGHT * amount / top, 2))
        for (name, amount), end in zip(amounts.items(), ends, strict=True)
        if amount
    ]


def _label(day: date, amounts: dict[str, int]) -> str:
    said = ", ".join(f"{amount:,} {words}" for words, amount in amounts.items())
    return f"{day.day} {day:%B}: {said}"
