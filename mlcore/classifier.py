"""Pictures to verdicts with their heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore import registry
from mlcore.contracts import Classification, Picture, Verdict
from mlcore.data import NATIVE_SIZE
from mlcore.gradcam import fused

BATCH = 32


class Classifier:
    """A trained model by name, loaded and compiled once, then called with batches."""

    def __init__(self, name: str = "paper_cnn") -> None:
        """Load the weights.

        Raises:
            ModelUnavailable: see :func:`mlcore.registry.load`.
        """
        card = registry.card(name)
        self.model = registry.describe(name)
        self.thresholds: dict[str, float] = card["thresholds"]
        net = registry.load(name)
        self._size: int = net.input_shape[1]
        self._explain = fused(net)

    def classify(self, pictures: Sequence[Picture]) -> list[Classification]:
        """One result per picture, in order. The heat map covers the whole picture."""
        results: list[Classification] = []
        for start in range(0, len(pictures), BATCH):
            batch = np.stack([prepare(each.image, self._size) for each in pictures[start : start + BATCH]])
            p_fake, maps = self._explain(batch)
            results += map(self._result, p_fake.tolist(), maps)
        return results

    def warm_up(self) -> None:
        """Pay for tracing and for the first call of the usual batch sizes now."""
        for n in (1, 2, 4, 8, 16, BATCH):
            self._explain(np.zeros((n, self._size, self._size, 3), np.float32))

    def _result(self, p_fake: float, heatmap: NDArray[np.float32]) -> Classification:
        return Classification(
            verdict=verdict_of(p_fake, self.thresholds),
            p_fake=p_fake,
            confidence=max(p_fake, 1.0 - p_fake),
            heatmap=heatmap,
            model=self.model,
        )


def verdict_of(p_fake: float, thresholds: Mapping[str, float]) -> Verdict:
    """Fake from ``thresholds["fake"]`` up, real below ``thresholds["real"]``, else uncertain."""
    if p_fake >= thresholds["fake"]:
        return Verdict.FAKE
    return Verdict.REAL if p_fake < thresholds["real"] else Verdict.UNCERTAIN


def prepare(image: Image.Image, size: int) -> NDArray[np.float32]:
    """An RGB image as the network takes it: (size, size, 3) float32 in [0, 1].

    By way of 32 × 32 pixels, the size that the training data has, and from there up without
    rounding, exactly as in training. CIFAKE's fakes were rendered at 512 px and reduced to
    32, so a larger picture goes the same way. Handed over at 128 px it shows detail that
    training never did: Ultralytics' sample photos were then all "fake" with p = 1.0.
    """
    small = (NATIVE_SIZE, NATIVE_SIZE)
    # BILINEAR widens with the reduction in Pillow, so it averages and does not alias.
    pixels = np.asarray(image if image.size == small else image.resize(small, Image.Resampling.BILINEAR))
    weights = _enlarging(NATIVE_SIZE, size)
    rows = weights @ (pixels.astype(np.float32) / np.float32(255)).reshape(NATIVE_SIZE, -1)
    return weights @ rows.reshape(size, NATIVE_SIZE, 3)


@lru_cache
def _enlarging(native: int, size: int) -> NDArray[np.float32]:
    """(size, native) bilinear weights with half-pixel centres, as ``tf.image.resize`` has them."""
    place = ((np.arange(size) + 0.5) * native / size - 0.5).clip(0, native - 1)
    distance = np.abs(place[:, None] - np.arange(native)[None, :])
    return (1.0 - distance).clip(0.0, None).astype(np.float32)
