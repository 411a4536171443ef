"""Prediction and Grad-CAM in one compiled pass.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017), section 3. Two things differ from the usual few lines:

- The map explains the **announced** class: it follows the gradient of the logit for fake,
  and of minus the logit for real. With one sigmoid these are the scores of the two classes.
- The gradient is taken at the logit; behind the sigmoid that of a sure model vanishes.

Only the head behind the observed layer is differentiated, so no convolution runs backwards:
on two cores one 128 px picture costs 2.9 ms, of which the map is some 0.1 ms, where
``predict()`` and an eager tape cost 62 ms. Freezing the weights (3.6 ms) and XLA (3.7 ms)
were slower, and thread settings made no difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore.augment import enlarge
from mlcore.calibration import Calibration

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Floats = NDArray[np.float32]
Pixels = NDArray[np.float32] | NDArray[np.uint8]
UNCALIBRATED = Calibration()


def fused(
    model: keras.Model,
    layer: str = "final_conv",
    native: int | None = None,
    calibration: Calibration = UNCALIBRATED,
) -> Callable[[Pixels], tuple[Floats, Floats]]:
    """Compile ``model`` into a function of a batch that gives P(fake) and heat maps together.

    The function takes (n, side, side, 3) float32 in [0, 1], any n; or, with ``native`` given,
    (n, native, native, 3) uint8, which is enlarged as in training within the same call, several
    times faster than before it. It returns (n,) float32 calibrated probabilities and (n, h, w) float32 maps
    on the layer's grid. Each map is the evidence for the class that its probability announces
    (fake above one half), scaled to a maximum of 1, or all 0 where there is none.

    Raises:
        ValueError: the model has no such layer, or some way to ``logit`` passes it by.
    """
    import keras
    import tensorflow as tf

    observed = model.get_layer(layer).output
    body = keras.Model(model.input, observed)
    head = keras.Model(observed, model.get_layer("logit").output)

    def explain(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if native is not None:
            images = enlarge(tf.cast(images, tf.float32) / 255.0, model.input_shape[1])
        features = body(images, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(features)
            logit = head(features, training=False)[:, 0]
        calibrated = calibration.a * logit + calibration.b
        return tf.sigmoid(calibrated), _maps(features, tape.gradient(logit, features), calibrated)

    # No autograph: there is no control flow to convert, and it leaves files in /tmp behind.
    signature = _signature(model, native)
    compiled = tf.function(explain, autograph=False, input_signature=[signature])

    def run(batch: Pixels) -> tuple[Floats, Floats]:
        p_fake, maps = compiled(tf.convert_to_tensor(batch, signature.dtype))
        return p_fake.numpy(), maps.numpy()

    return run


def _signature(model: keras.Model, native: int | None) -> tf.TensorSpec:
    import tensorflow as tf

    if native is None:
        return tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    return tf.TensorSpec((None, native, native, 3), tf.uint8)


def _maps(features: tf.Tensor, gradient: tf.Tensor, logit: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    announced = tf.where(logit > 0.0, 1.0, -1.0)
    weights = announced[:, None] * tf.reduce_mean(gradient, axis=(1, 2))
    evidence = tf.nn.relu(tf.einsum("nhwc,nc->nhw", features, weights))
    return tf.math.divide_no_nan(evidence, tf.reduce_max(evidence, axis=(1, 2), keepdims=True))
