"""The global view of a model as one picture: mean maps, accuracy by category, worst mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.data import Dataset
from mlcore.global_view import CATEGORIES, WORST, worst

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

Floats = NDArray[np.floating]
INK = "#003f5c"


def draw(
    part: Dataset, kinds: NDArray[np.int64], p_fake: Floats, maps: Floats, found: dict[str, Any], target: Path
) -> None:
    """Write it as PNG. ``maps`` are the default explanation's, ``found`` is the summary's JSON."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 9.5), layout="constrained")
    parts: Any = figure.subfigures(3, 1, height_ratios=(3.6, 2.6, 3.2))
    top, between, below = parts
    _mean_maps(top, part.labels, kinds, maps)
    _accuracy(between, found["categories"])
    _mistakes(below, part, p_fake)
    figure.savefig(target, dpi=110)


def _mean_maps(
    figure: SubFigure, labels: NDArray[np.integer], kinds: NDArray[np.int64], maps: Floats
) -> None:
    figure.suptitle("Where the evidence lies on average (bright: most)")
    groups = [("real photos", labels == 0), ("AI-generated", labels == 1)]
    groups += [(name, kinds == kind) for kind, name in enumerate(CATEGORIES)]
    for axes, (name, mine) in zip(figure.subplots(2, 6).flat, groups, strict=True):
        axes.set_axis_off()
        axes.set_title(name, fontsize="small")
        if mine.any():
            axes.imshow(maps[mine].mean(axis=0), cmap="cividis", interpolation="bilinear", vmin=0)


def _accuracy(figure: SubFigure, rows: list[dict[str, Any]]) -> None:
    axes, known = figure.subplots(), [row for row in rows if row["images"]]
    axes.set(ylabel="right answers (%)", title="By what the picture shows (line: 95 % interval)")
    names, shares = [row["category"] for row in known], [100 * row["accuracy"] for row in known]
    axes.bar(names, shares, color=INK)
    for name, row in zip(names, known, strict=True):
        axes.plot([name, name], [100 * edge for edge in row["interval"]], color="#b45309")
    if known:
        axes.set_ylim(max(0, min(100 * row["interval"][0] for row in known) - 3), 100)


def _mistakes(figure: SubFigure, part: Dataset, p_fake: Floats) -> None:
    figure.suptitle("The surest wrong answers")
    places = worst(part.labels, p_fake)
    for number, axes in enumerate(figure.subplots(2, WORST // 2).flat):
        axes.set_axis_off()
        if number < len(places):
            place = places[number]
            truth, sure = ("AI", 1 - p_fake[place]) if part.labels[place] else ("real", p_fake[place])
            axes.imshow(part.images[place], interpolation="nearest")
            axes.set_title(f"is {truth}; sure: {100 * sure:.0f} %", fontsize="x-small")
