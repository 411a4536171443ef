"""A trained network as explanations need it: scores, features and gradients, each compiled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore import registry
from mlcore.augment import enlarge
from mlcore.calibration import Calibration
from mlcore.contracts import ModelRef
from mlcore.data import NATIVE_SIZE
from mlcore.logits import logits_of

if TYPE_CHECKING:
    import keras

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Both = Callable[[NDArray[np.generic]], tuple[Floats, Floats]]
LAYER = "final_conv"
BATCH = 64


@dataclass
class Network:
    """``ref`` names it in results; ``thresholds`` and ``calibration`` are its card's."""

    keras: keras.Model
    ref: ModelRef
    thresholds: dict[str, float]
    calibration: Calibration

    @classmethod
    def load(cls, name: str) -> Network:
        """From the registry.

        Raises:
            ModelUnavailable: see :func:`mlcore.registry.load`.
        """
        card = registry.card(name)
        found = Calibration.from_card(card)
        return cls(registry.load(name), registry.describe(name), card["thresholds"], found)

    def p_fake(self, pixels: Pixels) -> NDArray[np.float64]:
        """Calibrated P(fake) of (n, 32, 32, 3) uint8: (n,)."""
        return self.calibration.probabilities(self._logits(pixels))

    def announced_logits(self, pixels: Pixels, announced: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n,) logits of the classes that ``announced`` names: 1 fake, -1 real."""
        return self._logits(pixels) * announced

    def announced(self, pixels: Pixels) -> Floats:
        """(n,) 1 where the model would answer fake, -1 where real."""
        return np.where(self.p_fake(pixels) > 0.5, 1.0, -1.0).astype(np.float32)

    def features(self, pixels: Pixels) -> tuple[Floats, Floats]:
        """``final_conv`` of (n, 32, 32, 3) uint8, and the gradient of the logit for fake there.

        (n, h, w, c) each. Where the network looks at mirror images too, theirs, turned back, are
        further channels.
        """

        def call(part: NDArray[np.generic]) -> tuple[Floats, Floats]:
            found, gradient = self._features(part)
            return _beside(found, len(part)), _beside(gradient, len(part))

        return _by_parts(call, pixels)

    def gradients(self, values: Floats) -> Floats:
        """Of the logit for fake with respect to (n, 32, 32, 3) float32 pixels in [0, 1]."""
        return _by_parts(self._gradients, values)[1]

    @cached_property
    def _logits(self) -> Callable[[Pixels], NDArray[np.float64]]:
        return logits_of(self.keras)

    @cached_property
    def _features(self) -> Both:
        import keras

        observed, logit = self.keras.get_layer(LAYER).output, self.keras.get_layer("logit").output
        body, head = keras.Model(self.keras.input, observed), keras.Model(observed, logit)
        return self._compiled(body, lambda found: head(found, training=False), "uint8")

    @cached_property
    def _gradients(self) -> Both:
        import keras

        net = keras.Model(self.keras.input, self.keras.get_layer("logit").output)
        size = self.keras.input_shape[1]
        return self._compiled(None, lambda values: net(enlarge(values, size), training=False), "float32")

    def _compiled(self, body: Callable | None, head: Callable, kind: str) -> Both:
        import tensorflow as tf

        def both(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            watched = batch
            if body is not None:
                images = enlarge(tf.cast(batch, tf.float32) / 255.0, self.keras.input_shape[1])
                watched = body(images, training=False)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(watched)
                logit = head(watched)[:, 0]
            return watched, tape.gradient(logit, watched)

        shape = tf.TensorSpec((None, NATIVE_SIZE, NATIVE_SIZE, 3), tf.dtypes.as_dtype(kind))
        compiled = tf.function(both, autograph=False, input_signature=[shape])
        return lambda batch: tuple(each.numpy() for each in compiled(batch))


def _beside(found: Floats, count: int) -> Floats:
    if len(found) == count:
        return found
    return np.concatenate([found[:count], found[count:, :, ::-1]], axis=3)


def _by_parts(call: Both, batch: NDArray[np.generic]) -> tuple[Floats, Floats]:
    parts = [call(batch[start : start + BATCH]) for start in range(0, len(batch), BATCH)]
    first, second = zip(*parts, strict=True)
    return np.concatenate(first), np.concatenate(second)
