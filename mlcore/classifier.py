"""Pictures to verdicts with their heat maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore import gradcam, gradient_detail, registry, stability
from mlcore.calibration import Calibration
from mlcore.contracts import Classification, Gate, Picture
from mlcore.data import NATIVE_SIZE
from mlcore.gate import GateKeeper, seen
from mlcore.logits import logits_of
from mlcore.stability import Scores, verdict_of

if TYPE_CHECKING:
    import keras

BATCH = 32


class Classifier:
    """A trained model by name, loaded and compiled once, then called with batches."""

    def __init__(self, name: str = registry.DEFAULT) -> None:
        """Load the weights.

        Raises:
            ModelUnavailable: see :func:`mlcore.registry.load`.
        """
        card = registry.card(name)
        self.model = registry.describe(name)
        self.thresholds: dict[str, float] = card["thresholds"]
        self.gate = gatekeeper(card)
        net, calibration = registry.load(name), Calibration.from_card(card)
        self._explain = explaining(net, calibration)
        self._logits, self._calibration = logits_of(net), calibration

    def classify(self, pictures: Sequence[Picture]) -> list[Classification]:
        """One result per picture, in order. The heat map covers the whole picture."""
        results: list[Classification] = []
        for start in range(0, len(pictures), BATCH):
            part = pictures[start : start + BATCH]
            p_fake, maps = self._explain(np.stack([seen(each.image) for each in part]))
            results += map(self._result, part, p_fake.tolist(), maps)
        return results

    def on_variants(self, picture: Picture) -> Scores:
        """P(fake) of the picture's changed copies (:mod:`mlcore.stability`), without maps."""
        return stability.measure(self._p_fake, seen(picture.image))

    def _p_fake(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        return self._calibration.probabilities(self._logits(pixels))

    def warm_up(self) -> None:
        """Pay for tracing and for the first call of the usual batch sizes now."""
        for n in (1, 2, 4, 8, 16, BATCH):
            self._explain(np.zeros((n, NATIVE_SIZE, NATIVE_SIZE, 3), np.uint8))
        stability.measure(self._p_fake, np.zeros((NATIVE_SIZE, NATIVE_SIZE, 3), np.uint8))

    def _result(self, picture: Picture, p_fake: float, heatmap: NDArray[np.float32]) -> Classification:
        return Classification(
            verdict=verdict_of(p_fake, self.thresholds),
            p_fake=p_fake,
            confidence=max(p_fake, 1.0 - p_fake),
            heatmap=heatmap,
            model=self.model,
            gate=judged(self.gate, picture, p_fake),
        )


def explaining(
    net: keras.Model, calibration: Calibration
) -> Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The compiled pass that gives (n, 32, 32, 3) uint8 their (n,) P(fake) and (n, h, w) maps.

    At native size gradient × detail, whose maps stand the test against chance that Grad-CAM's do
    not (docs/explanations.md). A network that enlarges keeps Grad-CAM: all the way back to the
    pixels it would take several times as long.
    """
    if net.input_shape[1] == NATIVE_SIZE:
        return gradient_detail.fused(net, calibration)
    return gradcam.fused(net, native=NATIVE_SIZE, calibration=calibration)


def gatekeeper(card: Mapping[str, Any]) -> GateKeeper | None:
    """The gate that came with a model; None for a card without one, which lets everything pass."""
    return GateKeeper(card["gate"]) if card.get("gate") else None


def judged(gate: GateKeeper | None, picture: Picture, p_fake: float | None = None) -> Gate:
    """What a gate says of a picture, its file and the model's number; all is well where there is none."""
    return gate.judge(picture.image, saved=picture.saved, p_fake=p_fake) if gate else Gate(in_domain=True)
