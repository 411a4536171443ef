"""From a network's logit to a probability that means what it says, and to three answers.

Platt, "Probabilistic Outputs for Support Vector Machines" (1999): a logistic regression on the
score, two numbers. With one of them it is temperature scaling (Guo et al., "On Calibration of
Modern Neural Networks", ICML 2017); the other corrects a lean to one class. Isotonic regression
was left out: with some thousand images it learns steps out of noise.

Thresholds follow the risk–coverage curve (El-Yaniv & Wiener, "On the Foundations of Noise-free
Selective Classification", JMLR 2010): an answer is given from the confidence on at which, among
the images that get this answer, no more than the allowed share is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ERROR_RATES = ("0.005", "0.01", "0.02")  # strict, usual, loose; keys of a card's operating points
USUAL = "0.01"


@dataclass(frozen=True)
class Calibration:
    """P(fake) = sigmoid(a · logit + b)."""

    a: float = 1.0
    b: float = 0.0

    def probabilities(self, logits: NDArray[np.floating]) -> Floats:
        """(n,) logits to (n,) probabilities."""
        return 1.0 / (1.0 + np.exp(-(self.a * logits.astype(np.float64) + self.b)))

    def as_dict(self) -> dict[str, Any]:
        return {"kind": "platt", **asdict(self)}

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibration:
        """The card's calibration; the identity for a card from before there was one."""
        found = card.get("calibration") or {}
        return cls(float(found.get("a", 1.0)), float(found.get("b", 0.0)))


def fit(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Calibration:
    """Calibration by maximum likelihood on (n,) logits and (n,) labels, 1 = FAKE."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=1e6).fit(logits.reshape(-1, 1).astype(np.float64), labels)
    return Calibration(float(found.coef_[0, 0]), float(found.intercept_[0]))


@dataclass(frozen=True)
class OperatingPoint:
    """Answer fake from ``fake`` up and real below ``real``; what that came to where it was chosen."""

    fake: float
    real: float
    coverage: float
    decided_error: float


def operating_points(p_fake: Floats, labels: NDArray[np.integer]) -> dict[str, dict[str, float]]:
    """An operating point for each allowed error rate, from calibrated probabilities."""
    return {rate: asdict(operating_point(p_fake, labels, float(rate))) for rate in ERROR_RATES}


def operating_point(p_fake: Floats, labels: NDArray[np.integer], rate: float) -> OperatingPoint:
    """The widest thresholds at which each of the two answers is wrong in at most ``rate`` of cases."""
    fake = _least_confidence(p_fake, labels == 1, rate)
    real = 1.0 - _least_confidence(1.0 - p_fake, labels == 0, rate)
    decided = (p_fake >= fake) | (p_fake < real)
    wrong = (p_fake[decided] >= fake) != (labels[decided] == 1)
    error = float(wrong.mean()) if decided.any() else 0.0
    return OperatingPoint(fake, real, float(decided.mean()), error)


def _least_confidence(p: Floats, right: NDArray[np.bool_], rate: float) -> float:
    """From which probability of a class on it may be announced; above ½, and 1 where never.

    Two estimates of the error must agree: the share that was wrong, and what the calibrated
    probabilities themselves expect, which a few lucky images cannot sway.
    """
    order = np.argsort(-p, kind="stable")
    order = order[p[order] > 0.5]
    if not len(order):
        return 1.0
    count = np.arange(1, len(order) + 1)
    risk = np.maximum(np.cumsum(~right[order]), np.cumsum(1.0 - p[order])) / count
    fine = np.flatnonzero(risk <= rate)
    return float(p[order[fine[-1]]]) if len(fine) else 1.0


def risk_coverage(p_fake: Floats, labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Coverage and error among the decided, from the surest image to all: (n,) each."""
    order = np.argsort(-np.maximum(p_fake, 1.0 - p_fake), kind="stable")
    wrong = (p_fake > 0.5) != (labels == 1)
    count = np.arange(1, len(order) + 1)
    return count / len(order), np.cumsum(wrong[order]) / count
