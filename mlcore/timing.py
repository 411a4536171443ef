"""How fast the classifier is, always as a ratio of two things timed in turn in one process."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.calibration import Calibration
from mlcore.data import NATIVE_SIZE

if TYPE_CHECKING:
    import keras


def alternate(
    first: Callable[[], Any], second: Callable[[], Any], rounds: int, block: int = 5
) -> tuple[float, float]:
    """Median milliseconds of a call of each.

    They take turns, so that a noisy neighbour slows both alike, and in blocks, so that neither
    is measured on the caches and threads that the other has just left behind.
    """
    first(), second()  # tracing and allocation are not what is measured
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for run, row in zip((first, second), times, strict=True):
            run()
            row += [_milliseconds(run) for _ in range(block)]
    return median(times[0]), median(times[1])


def _milliseconds(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def one_image(name: str, rounds: int = 12) -> dict[str, float]:
    """Prediction and heat map of one image: the product's pass against ``predict()`` plus an eager tape."""
    from mlcore.classifier import explaining

    model, calibration = _loaded(name)
    run, naive = explaining(model, calibration), _naive(model)
    pixels, size = _pixels(1), model.input_shape[1]
    batch = np.random.default_rng(0).random((1, size, size, 3), np.float32)
    fast, slow = alternate(lambda: run(pixels), lambda: naive(batch), rounds)
    return {"fused_ms": fast, "naive_ms": slow, "ratio_vs_naive": slow / fast}


def _loaded(name: str) -> tuple[keras.Model, Calibration]:
    from mlcore import registry

    return registry.load(name), Calibration.from_card(registry.card(name))


def _pixels(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, NATIVE_SIZE, NATIVE_SIZE, 3), np.uint8)


def _naive(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Grad-CAM as the paper and Keras' own example write it: predict, then an eager tape."""
    import keras
    import tensorflow as tf

    both = keras.Model(model.input, [model.get_layer("final_conv").output, model.output])

    def run(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        model.predict(batch, verbose=0)
        with tf.GradientTape() as tape:
            activations, p_fake = both(batch)
            score = p_fake[:, 0]
        weights = tf.reduce_mean(tape.gradient(score, activations), axis=(0, 1, 2))
        heat = tf.maximum(tf.squeeze(activations[0] @ weights[:, None]), 0.0)
        return (heat / (tf.reduce_max(heat) + 1e-12)).numpy()

    return run


def bare_rate(name: str, batch: int, images: int = 200) -> Callable[[], float]:
    """A measurement of the fused model alone, in batches, on inputs ready in memory.

    Each call of what it returns takes ``images`` through and gives images a second.
    """
    from mlcore.classifier import explaining

    run, inputs = explaining(*_loaded(name)), _pixels(images)
    parts = [inputs[start : start + batch] for start in range(0, images, batch)]
    run(parts[0]), run(parts[-1])  # traced and allocated beforehand, as in the model process

    def measure() -> float:
        return images / sum(_milliseconds(lambda part=part: run(part)) for part in parts) * 1000  # type: ignore[misc]

    return measure
