"""Prediction and gradient × detail in one compiled pass: the heat map that measures best.

What the map is, and its sources: :func:`mlcore.explain_gradients.gradient_detail`; how it was
chosen: docs/explanations.md. The network runs backwards to its pixels here, which Grad-CAM spares
itself, so this is for networks at native size; enlarging ones keep :mod:`mlcore.gradcam`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlcore.augment import enlarge
from mlcore.calibration import Calibration
from mlcore.data import NATIVE_SIZE
from mlcore.explain_gradients import GRID, blur_matrix
from mlcore.explain_network import Floats, Pixels
from mlcore.folding import folded

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

UNCALIBRATED = Calibration()


def fused(
    model: keras.Model, calibration: Calibration = UNCALIBRATED
) -> Callable[[Pixels], tuple[Floats, Floats]]:
    """Compile ``model`` into a function of (n, 32, 32, 3) uint8, any n, that gives P(fake) and maps together.

    It returns (n,) float32 calibrated probabilities and (n, 16, 16) float32 maps, each the evidence
    for the class that its probability announces (fake above one half), scaled to a maximum of 1, or
    all 0 where there is none.
    """
    import keras
    import tensorflow as tf

    fast, size = folded(model), model.input_shape[1]
    net = keras.Model(fast.input, fast.get_layer("logit").output)

    def explain(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        values = tf.cast(images, tf.float32) / 255.0
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            logit = net(enlarge(values, size), training=False)[:, 0]
        calibrated = calibration.a * logit + calibration.b
        return tf.sigmoid(calibrated), _maps(values, tape.gradient(logit, values), calibrated)

    signature = tf.TensorSpec((None, NATIVE_SIZE, NATIVE_SIZE, 3), tf.uint8)
    compiled = tf.function(explain, autograph=False, input_signature=[signature])

    def run(batch: Pixels) -> tuple[Floats, Floats]:
        p_fake, maps = compiled(tf.convert_to_tensor(batch, tf.uint8))
        return p_fake.numpy(), maps.numpy()

    return run


def _maps(values: tf.Tensor, gradient: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    blurring = tf.constant(blur_matrix(NATIVE_SIZE))
    blurred = tf.einsum("ih,nhwc,jw->nijc", blurring, values, blurring)
    evidence = tf.reduce_sum(gradient * (values - blurred), axis=3, keepdims=True)
    cell = NATIVE_SIZE // GRID
    cells = tf.nn.avg_pool2d(evidence, cell, cell, "VALID")[..., 0]
    announced = tf.where(logit > 0.0, 1.0, -1.0)
    kept = tf.nn.relu(announced[:, None, None] * cells)
    return tf.math.divide_no_nan(kept, tf.reduce_max(kept, axis=(1, 2), keepdims=True))
