"""What a classifier's probabilities are worth. FAKE is the positive class throughout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Metrics:
    """Shares are in [0, 1]; ``confusion`` counts by truth, then answer."""

    n: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    auroc: float
    ece: float
    confusion: dict[str, dict[str, int]]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(p_fake: NDArray[np.floating], labels: NDArray[np.integer]) -> Metrics:
    """Metrics of (n,) probabilities against (n,) labels, 1 = FAKE; fake is announced above ½."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

    announced = (p_fake > 0.5).astype(int)
    (tn, fp), (fn, tp) = confusion_matrix(labels, announced, labels=[0, 1]).tolist()
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, announced, average="binary", zero_division=0.0
    )
    return Metrics(
        n=len(labels),
        accuracy=float((announced == labels).mean()),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        auroc=float(roc_auc_score(labels, p_fake)),
        ece=calibration_error(p_fake, labels),
        confusion={"REAL": {"real": tn, "fake": fp}, "FAKE": {"real": fn, "fake": tp}},
    )


def calibration_error(p_fake: NDArray[np.floating], labels: NDArray[np.integer], bins: int = 15) -> float:
    """Expected calibration error of the announced class's confidence, equal-mass bins.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2; with bins
    of equal mass as in Nixon et al. 2019, since a sure model leaves most of equal width empty.
    """
    confidence = np.maximum(p_fake, 1.0 - p_fake)
    right = (p_fake > 0.5) == (labels == 1)
    parts = equal_mass_bins(confidence, bins)
    gaps = (abs(confidence[part].mean() - right[part].mean()) * len(part) for part in parts)
    return float(sum(gaps) / len(confidence))


def equal_mass_bins(confidence: NDArray[np.floating], bins: int = 15) -> list[NDArray[np.int64]]:
    """Indices of the (n,) values, least first, in parts of equal size."""
    order = np.argsort(confidence, kind="stable")
    return np.array_split(order, min(bins, len(order)))


@dataclass(frozen=True)
class Decisions:
    """Shares in [0, 1]. ``coverage``: got fake or real as the answer; ``decided_error``: wrong among
    those; ``refused``: outside of what the model knows."""

    coverage: float
    decided_error: float
    refused: float


def decisions(
    p_fake: NDArray[np.floating],
    labels: NDArray[np.integer],
    thresholds: Mapping[str, float],
    in_domain: NDArray[np.bool_],
) -> Decisions:
    """What the three answers come to on (n,) images, of which the gate let ``in_domain`` pass."""
    decided = in_domain & ((p_fake >= thresholds["fake"]) | (p_fake < thresholds["real"]))
    wrong = (p_fake >= thresholds["fake"]) != (labels == 1)
    return Decisions(
        coverage=float(decided.mean()),
        decided_error=float(wrong[decided].mean()) if decided.any() else 0.0,
        refused=float(1.0 - in_domain.mean()),
    )


def interval(right: NDArray[np.bool_], seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of a share; resampling n yes-or-nos is one binomial draw."""
    draws = np.random.default_rng(seed).binomial(len(right), right.mean(), 2000) / len(right)
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)
