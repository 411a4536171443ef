"""A network's logits in batches: what evaluation, stability and explanations ask it for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore.augment import enlarge
from mlcore.data import NATIVE_SIZE
from mlcore.folding import folded

if TYPE_CHECKING:
    import keras

BATCH = 256
Logits = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def logits_of(model: keras.Model) -> Logits:
    """A compiled function of (n, 32, 32, 3) uint8, any n, that gives (n,) logits for fake."""
    import keras
    import tensorflow as tf

    size, fast = model.input_shape[1], folded(model)
    net = keras.Model(fast.input, fast.get_layer("logit").output)
    run = tf.function(
        lambda batch: net(enlarge(tf.cast(batch, tf.float32) / 255.0, size), training=False),
        autograph=False,
        input_signature=[tf.TensorSpec((None, NATIVE_SIZE, NATIVE_SIZE, 3), tf.uint8)],
    )

    def logits(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        parts = [run(images[start : start + BATCH]).numpy()[:, 0] for start in range(0, len(images), BATCH)]
        return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)

    return logits
