"""Prediction and Grad-CAM in one compiled pass.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization" (ICCV 2017), section 3. Two things differ from the usual few lines:

- The map explains the **announced** class: it follows the gradient of the logit for fake,
  and of minus the logit for real. With one sigmoid these are the scores of the two classes.
- The gradient is taken at the logit; behind the sigmoid that of a sure model vanishes.

Only the head behind the observed layer is differentiated, so no convolution runs backwards. That
and the network are one graph (:mod:`mlcore.graph`), compiled as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlcore import graph
from mlcore.calibration import Calibration
from mlcore.explain_network import Floats, Pixels
from mlcore.graph_layers import PLANE, constant
from mlcore.openvino import opset

if TYPE_CHECKING:
    import keras

UNCALIBRATED = Calibration()


def fused(
    model: keras.Model,
    layer: str = "final_conv",
    native: int | None = None,
    calibration: Calibration = UNCALIBRATED,
) -> Callable[[Pixels], tuple[Floats, Floats]]:
    """Compile ``model`` into a function of a batch that gives P(fake) and heat maps together.

    The function takes (n, side, side, 3) uint8, n ≥ 1, of the network's own side or of ``native``, which
    is then enlarged as in training within the same call. It returns (n,) float32 calibrated
    probabilities and (n, h, w) float32 maps on the layer's grid. Each map is the evidence for the class
    that its probability announces (fake above one half), scaled to a maximum of 1, or all 0 where there
    is none. Threads may call it side by side.

    Raises:
        ValueError: see :func:`mlcore.graph.observed`.
    """
    side = model.input_shape[1]
    images, values = graph.pixels(native or side, side)
    features, logit, gradient = graph.observed(model, layer, values)
    calibrated = graph.calibrated(logit, calibration)
    announced = graph.announced(calibrated)
    weights = opset.multiply(
        opset.reduce_mean(gradient, constant(PLANE), True), opset.unsqueeze(announced, constant([2, 3]))
    )
    evidence = opset.reduce_sum(opset.multiply(features, weights), constant([1]), False)
    return graph.compiled([graph.probabilities(calibrated), graph.scaled(evidence)], images)
