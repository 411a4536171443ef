"""Prediction and gradient × detail in one compiled pass: the heat map that measures best.

What the map is, and its sources: :func:`mlcore.explain_gradients.gradient_detail`; how it was
chosen: docs/explanations.md. The network runs backwards to its pixels here, which Grad-CAM spares
itself, so this is for networks at native size; enlarging ones keep :mod:`mlcore.gradcam`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlcore import graph
from mlcore.calibration import Calibration
from mlcore.data import NATIVE_SIZE
from mlcore.explain_gradients import GRID, blur_matrix
from mlcore.explain_network import Floats, Pixels
from mlcore.graph_layers import along_the_sides, constant
from mlcore.openvino import Node, opset

if TYPE_CHECKING:
    import keras

UNCALIBRATED = Calibration()


def fused(
    model: keras.Model, calibration: Calibration = UNCALIBRATED
) -> Callable[[Pixels], tuple[Floats, Floats]]:
    """Compile ``model`` into a function of (n, 32, 32, 3) uint8, n ≥ 1, that gives P(fake) and maps together.

    It returns (n,) float32 calibrated probabilities and (n, 16, 16) float32 maps, each the evidence
    for the class that its probability announces (fake above one half), scaled to a maximum of 1, or
    all 0 where there is none. Threads may call it side by side.

    Raises:
        ValueError: it is not of native size, or see :func:`mlcore.graph.logit`.
    """
    if model.input_shape[1] != NATIVE_SIZE:
        raise ValueError(f"{model.name} looks at {model.input_shape[1]} px, not at {NATIVE_SIZE}.")
    images, values = graph.pixels(NATIVE_SIZE)
    logit, gradient = graph.logit(model, values)
    calibrated = graph.calibrated(logit, calibration)
    evidence = opset.multiply(
        _evidence(values, gradient()), opset.unsqueeze(graph.announced(calibrated), constant([2]))
    )
    return graph.compiled([graph.probabilities(calibrated), graph.scaled(evidence)], images)


def _evidence(values: Node, gradient: Node) -> Node:
    """For fake, (n, 16, 16)."""
    detail = opset.subtract(values, along_the_sides(values, blur_matrix(NATIVE_SIZE)))
    places = opset.reduce_sum(opset.multiply(gradient, detail), constant([1]), True)
    cell = [NATIVE_SIZE // GRID] * 2
    return opset.squeeze(opset.avg_pool(places, cell, [0, 0], [0, 0], cell, False), constant([1]))
