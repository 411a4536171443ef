"""The pictures of a model card: reliability, risk and coverage, robustness, learning curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.calibration import Floats, risk_coverage
from mlcore.metrics import equal_mass_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlcore.robustness import Row

INK, SECOND, WARM = "#003f5c", "#7a5195", "#b45309"


def reliability(p_fake: Floats, labels: NDArray[np.integer], target: Path) -> None:
    """How often an answer was right, by how sure it was (15 bins of equal mass)."""
    confidence = np.maximum(p_fake, 1.0 - p_fake)
    right = (p_fake > 0.5) == (labels == 1)
    bins = equal_mass_bins(confidence)
    axes = _axes("how sure the model was", "how often it was right", "Reliability")
    axes.plot([0.5, 1], [0.5, 1], "--", color="grey", label="perfect")
    points = [(confidence[part].mean(), right[part].mean()) for part in bins]
    axes.plot(*zip(*points, strict=True), "o-", color=INK, label="measured")
    _save(axes, target)


def coverage(
    p_fake: Floats, labels: NDArray[np.integer], points: dict[str, dict[str, float]], target: Path
) -> None:
    """The share of wrong answers among those given, by the share of images that get one."""
    covered, risk = risk_coverage(p_fake, labels)
    axes = _axes("images that get an answer (%)", "wrong among those (%)", "Risk and coverage")
    shown = covered > 0.5
    axes.plot(100 * covered[shown], 100 * risk[shown], color=INK, label="all thresholds")
    for rate, point in points.items():
        axes.plot(
            100 * point["coverage"], 100 * point["decided_error"], "o", label=f"allowed: {float(rate):.1%}"
        )
    _save(axes, target)


DRAWN = ("jpeg", "webp", "blur", "up_down", "down_up", "crop", "noise", "brightness", "contrast")


def robustness(found: list[Row], target: Path) -> None:
    """Accuracy by strength, a line for each degradation in ``DRAWN``."""
    axes = _axes("strength, from none to the strongest", "accuracy (%)", "After what files go through")
    clean = 100 * found[0].accuracy
    rows = {name: [row for row in found if row.degradation == name] for name in DRAWN}
    for number, (name, mine) in enumerate((name, each) for name, each in rows.items() if each):
        values = [clean, *(100 * row.accuracy for row in mine)]
        strengths = ", ".join(f"{row.strength:g}" for row in mine)
        style = ("o-", "s--", "^:")[number % 3]
        label = f"{name.replace('_', ' ')} ({strengths})"
        axes.plot(np.linspace(0, 1, len(values)), values, style, label=label, alpha=0.85)
    axes.set_xticks([])
    _save(axes, target)


def curves(source: Path, target: Path) -> None:
    """Loss and accuracy by epoch, from a run's curves.csv."""
    from matplotlib.figure import Figure

    with source.open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    epochs = [row["epoch"] + 1 for row in rows]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [row[name] for row in rows], "--", color=SECOND, label="training (augmented)")
        axes.plot(epochs, [row[f"val_{name}"] for row in rows], "-", color=INK, label="not trained on")
        axes.set(xlabel="epoch", title=name.capitalize())
        axes.grid(alpha=0.25)
    axes.legend()
    figure.savefig(target, dpi=110)


def _axes(x: str, y: str, title: str) -> Axes:
    from matplotlib.figure import Figure

    axes = Figure(figsize=(6, 4.2), layout="constrained").subplots()
    axes.set(xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.25)
    return axes


def _save(axes: Axes, target: Path) -> None:
    axes.legend(fontsize="small")
    figure: Any = axes.figure
    figure.savefig(target, dpi=110)
