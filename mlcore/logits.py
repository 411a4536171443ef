"""What a network says, for many pictures: the compiled way to its logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore import graph
from mlcore.data import NATIVE_SIZE

if TYPE_CHECKING:
    import keras

BATCH = 256
Logits = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def logits_of(model: keras.Model) -> Logits:
    """A compiled function of (n, 32, 32, 3) uint8, any n, that gives (n,) logits for fake."""
    images, values = graph.pixels(NATIVE_SIZE, model.input_shape[1])
    run = graph.compiled([graph.logit(model, values)[0]], images)

    def logits(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        parts = [run(pixels[start : start + BATCH])[0] for start in range(0, len(pixels), BATCH)]
        return np.concatenate(parts)[:, 0].astype(np.float64) if parts else np.zeros(0)

    return logits
