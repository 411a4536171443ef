"""What a model is worth after what files go through: its accuracy, and whether it keeps its word."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcore.data import Dataset
from mlcore.degrade import DEGRADATIONS
from mlcore.metrics import decisions, measure

CLEAN = "clean"


class Judge(Protocol):
    """What is measured: a calibrated score with its thresholds and its gate."""

    thresholds: dict[str, float]

    def p_fake(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(n, 32, 32, 3) to (n,) probabilities."""

    def known(self, images: NDArray[np.uint8], p_fake: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n, 32, 32, 3) with their (n,) numbers to (n,): which the gate lets pass."""


@dataclass(frozen=True)
class Row:
    """After one degradation: ``accuracy`` and ``auroc`` of all images, ``lost`` in points of accuracy.

    With the gate: ``coverage``, the share of images that got fake or real as the answer;
    ``decided_error``, the share of those that was wrong; ``real_error``, of real ones alone;
    ``refused``, the share that the gate refused.
    """

    degradation: str
    strength: float | None
    label: str
    accuracy: float
    auroc: float
    lost: float
    coverage: float = 0.0
    decided_error: float = 0.0
    real_error: float = 0.0
    refused: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(model: Judge, part: Dataset, progress: Callable[[str], None] | None = None) -> list[Row]:
    """The clean row, then one for each degradation at each strength."""
    found = [_row(model, part.images, part.labels, (CLEAN, None, "as they are"), None)]
    for name, each in DEGRADATIONS.items():
        for strength in each.strengths:
            label = each.label.format(strength)
            if progress:
                progress(label)
            images = degraded(part.images, name, strength)
            found.append(_row(model, images, part.labels, (name, strength, label), found[0].accuracy))
    return found


def _row(
    model: Judge,
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    what: tuple[str, float | None, str],
    clean: float | None,
) -> Row:
    p_fake = model.p_fake(images)
    known = model.known(images, p_fake)
    metrics = measure(p_fake, labels)
    made = decisions(p_fake, labels, model.thresholds, known)
    lost = 0.0 if clean is None else 100.0 * (clean - metrics.accuracy)
    of = labels == 0
    real = decisions(p_fake[of], labels[of], model.thresholds, known[of])
    return Row(
        *what, metrics.accuracy, metrics.auroc, lost,
        made.coverage, made.decided_error, real.decided_error, made.refused,
    )  # fmt: skip


def degraded(images: NDArray[np.uint8], name: str, strength: float) -> NDArray[np.uint8]:
    """(n, 32, 32, 3) after one operation."""
    apply = DEGRADATIONS[name].apply
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(lambda image: apply(image, strength), images, chunksize=64)))


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows, as dicts, as Markdown."""
    head = "| pictures | accuracy | AUROC | points lost | answered | wrong | wrong, real ones | refused |"
    return "\n".join([head, "|" + " --- |" * 8, *(_line(row) for row in found)])


def _line(row: Mapping[str, Any]) -> str:
    cells = [f"{row['accuracy']:.4f}", f"{row['auroc']:.4f}", f"{row['lost']:.1f}"]
    if "coverage" in row:  # not on cards from before it was measured
        answered = row["coverage"] > 0
        cells += [f"{row['coverage']:.1%}", *(f"{row[key]:.2%}" if answered else "–" for key in ERRORS)]
        cells += [f"{row['refused']:.1%}"]
    return f"| {' | '.join([row['label'], *cells])} |"


ERRORS = ("decided_error", "real_error")
