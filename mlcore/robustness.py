"""How much of a model's accuracy survives what files go through: nine ways, three strengths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore.data import Dataset
from mlcore.degrade import DEGRADATIONS
from mlcore.metrics import measure

Score = Callable[[NDArray[np.uint8]], NDArray[np.float64]]  # (n, 32, 32, 3) to (n,) P(fake)
CLEAN = "clean"


@dataclass(frozen=True)
class Row:
    """``accuracy`` and ``auroc`` of all images after one degradation; ``lost`` in points of accuracy."""

    degradation: str
    strength: float | None
    label: str
    accuracy: float
    auroc: float
    lost: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(score: Score, part: Dataset, progress: Callable[[str], None] | None = None) -> list[Row]:
    """The clean row, then one for each degradation at each strength."""
    clean = measure(score(part.images), part.labels)
    found = [Row(CLEAN, None, "as they are", clean.accuracy, clean.auroc, 0.0)]
    for name, each in DEGRADATIONS.items():
        for strength in each.strengths:
            label = each.label.format(strength)
            if progress:
                progress(label)
            metrics = measure(score(_degraded(part.images, name, strength)), part.labels)
            lost = 100.0 * (clean.accuracy - metrics.accuracy)
            found.append(Row(name, strength, label, metrics.accuracy, metrics.auroc, lost))
    return found


def _degraded(images: NDArray[np.uint8], name: str, strength: float) -> NDArray[np.uint8]:
    apply = DEGRADATIONS[name].apply
    with ThreadPoolExecutor(2) as pool:
        return np.stack(list(pool.map(lambda image: apply(image, strength), images, chunksize=64)))


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Rows, as dicts, as Markdown."""
    lines = [
        f"| {row['label']} | {row['accuracy']:.4f} | {row['auroc']:.4f} | {row['lost']:.1f} |"
        for row in found
    ]
    return "\n".join(["| pictures | accuracy | AUROC | points lost |", "| --- | --- | --- | --- |", *lines])
