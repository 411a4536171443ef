"""Keras' layers in OpenVINO's operations, each with its way back.

A rule takes a layer of a network for inference, its inputs as (n, channels, height, width) nodes,
and zeros that are to be added at the edges. It gives the output and a function from the gradient
by that output to the gradients by the inputs. Gradients follow the mathematics of each layer, not
its weights: these stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlcore.openvino import Node, opset, opset1

if TYPE_CHECKING:
    import keras

Back = Callable[[Node], list[Node]]
Rule = Callable[["keras.Layer", list[Node], "Zeros"], tuple[Node, Back]]
Zeros = tuple[tuple[int, int], tuple[int, int]]  # above and below, left and right
NONE: Zeros = ((0, 0), (0, 0))
LAST = "channels_last"
PLANE = np.array([2, 3])  # the axes of height and width


def rule_of(layer: keras.Layer, zeros: Sequence[Zeros] = (NONE,)) -> Rule:
    """How to compute the layer and its gradient. ``zeros`` are those around each of its inputs.

    Raises:
        ValueError: it is of a kind or form that no network for use has, or no convolution and has zeros.
    """
    rule = RULES.get(type(layer).__name__)
    surrounded = any(each != NONE for each in zeros) and rule not in (_convolution, _depthwise)
    if rule is None or surrounded or getattr(layer, "data_format", LAST) not in (LAST, None):
        raise ValueError(f"There is no rule for {layer.name}, a {type(layer).__name__} of this form.")
    return rule


def refuse(layer: keras.Layer, because: str) -> NoReturn:
    raise ValueError(f"There is no rule for {layer.name}: {because}.")


def constant(values: Any) -> Node:
    """float32, but for shapes and axes, which stay whole numbers."""
    found = np.asarray(values)
    return opset.constant(found.astype(np.int64 if found.dtype.kind == "i" else np.float32))


def along_the_sides(x: Node, matrix: NDArray[np.floating]) -> Node:
    """``matrix @ plane @ matrix.T`` for each picture's channels: any linear map of both sides alike."""
    return opset.matmul(opset.matmul(constant(matrix), x, False, False), constant(matrix), False, True)


def enlargement(side: int, to: int) -> NDArray[np.float32]:
    """(to, side) matrix of a bilinear enlargement along one side, as TensorFlow and Keras do it."""
    import tensorflow as tf

    eye = np.eye(side, dtype=np.float32)[..., None]
    return np.asarray(tf.image.resize(eye, (to, side), "bilinear"))[..., 0]


def _convolution(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """Its way back is a convolution, too: turned by 180 degrees, with its channels exchanged.

    Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016, 4.2; with a
    stride, 4.6, which is OpenVINO's backprop_data.
    """
    kernel = layer.kernel.numpy().transpose(3, 2, 0, 1)
    turned = kernel[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    operations = opset.convolution, opset.convolution_backprop_data
    return _convolved(layer, inputs[0], zeros, kernel, turned, operations)


def _depthwise(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """One filter a channel."""
    kernel = layer.kernel.numpy().transpose(2, 3, 0, 1)[:, None]
    operations = opset.group_convolution, opset.group_convolution_backprop_data
    return _convolved(layer, inputs[0], zeros, kernel, kernel[..., ::-1, ::-1], operations)


def _convolved(
    layer: keras.Layer,
    x: Node,
    zeros: Zeros,
    kernel: NDArray[np.float32],
    turned: NDArray[np.float32],
    operations: tuple[Callable, Callable],
) -> tuple[Node, Back]:
    forth, back = operations
    side, stride = np.array(layer.kernel_size), list(layer.strides)
    before, after = _edges(layer, zeros)
    y = forth(x, constant(kernel), stride, before.tolist(), after.tolist(), [1, 1])
    if layer.use_bias:
        y = opset.add(y, constant(layer.bias.numpy().reshape(1, -1, 1, 1)))

    def pull(dy: Node) -> list[Node]:
        around = side - 1 - before, side - 1 - after
        if stride == [1, 1] and min(*around[0], *around[1]) >= 0:
            return [forth(dy, constant(turned), stride, *(each.tolist() for each in around), [1, 1])]
        # What no stride reaches at the far edges of the input gets a gradient of zero.
        given = np.array(layer.input.shape[1:3]) - np.sum(zeros, axis=1)
        short = given - (stride * (np.array(layer.output.shape[1:3]) - 1) + side - before - after)
        edges = before.tolist(), after.tolist()
        return [back(dy, constant(kernel), stride, None, *edges, [1, 1], "explicit", short.tolist())]

    return _activated(layer.activation.__name__, y, pull)


def _edges(layer: keras.Layer, zeros: Zeros) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Zeros (above, left) and (below, right): those handed in, and what "same" adds, the odd one last."""
    if tuple(layer.dilation_rate) != (1, 1) or getattr(layer, "groups", 1) != 1:
        refuse(layer, "it has dilation or groups")
    if getattr(layer, "depth_multiplier", 1) != 1:
        refuse(layer, "it makes several channels of one")
    total = np.zeros(2, np.int64)
    if layer.padding == "same":
        sides, kernel, stride = (
            np.array(each) for each in (layer.input.shape[1:3], layer.kernel_size, layer.strides)
        )
        total = np.maximum((-(-sides // stride) - 1) * stride + kernel - sides, 0)
    given = np.array(zeros)
    return given[:, 0] + total // 2, given[:, 1] + total - total // 2


def _activated(name: str, y: Node, pull: Back, most: float | None = None) -> tuple[Node, Back]:
    if name == "linear":
        return y, pull
    if name != "relu":
        raise ValueError(f"There is no rule for the activation {name}.")
    found = opset.relu(y) if most is None else opset.clamp(y, 0.0, float(most))

    def through(dy: Node) -> list[Node]:
        passes = opset.greater(found, constant(0.0))
        if most is not None:
            passes = opset.logical_and(passes, opset.less(found, constant(float(most))))
        return pull(opset.select(passes, dy, constant(0.0)))

    return found, through


def _relu(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    if layer.negative_slope or layer.threshold:
        refuse(layer, "it is not ReLU's usual form")
    return _activated("relu", inputs[0], lambda dy: [dy], layer.max_value)


def _activation(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    return _activated(layer.activation.__name__, inputs[0], lambda dy: [dy])


def _add(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    first, *others = inputs
    if len(others) != 1 or len({tuple(each.shape) for each in layer.input}) != 1:
        refuse(layer, "it does not add two of one shape")
    second = others[0]
    return opset.add(first, second), lambda dy: [dy, dy]


def _rescaled(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        refuse(layer, "it has a scale for each channel")
    scale = constant(float(layer.scale))
    y = opset.add(opset.multiply(inputs[0], scale), constant(float(layer.offset)))
    return y, lambda dy: [opset.multiply(dy, scale)]


def _enlarged(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """Bilinear enlargement is linear, and the same along both sides of a square."""
    side, (factor, other) = layer.input.shape[1], layer.size
    if layer.interpolation != "bilinear" or factor != other or side != layer.input.shape[2]:
        refuse(layer, "it is not a bilinear enlargement of squares")
    matrix = enlargement(side, side * factor)
    return along_the_sides(inputs[0], matrix), lambda dy: [along_the_sides(dy, matrix.T)]


def _halved(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """Mean of cells that do not overlap; backwards each place of a cell has its share."""
    cell, shape = tuple(layer.pool_size), layer.input.shape
    if cell != tuple(layer.strides) or shape[1] % cell[0] or shape[2] % cell[1]:
        refuse(layer, "its cells overlap or do not fill the picture")
    y = opset.avg_pool(inputs[0], list(cell), [0, 0], [0, 0], list(cell), False)
    share = constant(np.full((shape[3], 1, 1, *cell), 1.0 / (cell[0] * cell[1])))
    back = opset.group_convolution_backprop_data
    return y, lambda dy: [back(dy, share, list(cell), None, [0, 0], [0, 0], [1, 1])]


def _pooled(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    if layer.keepdims:
        refuse(layer, "it keeps height and width")
    height, width = layer.input.shape[1:3]
    share = constant(np.full((1, 1, height, width), 1.0 / (height * width)))
    y = opset.reduce_mean(inputs[0], constant(PLANE), False)
    return y, lambda dy: [opset.multiply(opset.unsqueeze(dy, constant(PLANE)), share)]


def _strongest(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """Backwards each cell's gradient goes to the place of its maximum; equal ones share it.

    OpenVINO can name the places of the maxima, but not quickly: with them one picture takes
    ``paper_cnn`` 12 ms instead of 4.
    """
    cell, (height, width) = list(layer.pool_size), layer.input.shape[1:3]
    if cell != list(layer.strides) or height % cell[0] or width % cell[1]:
        refuse(layer, "its cells overlap or do not fill the picture")
    y = opset1.max_pool(inputs[0], cell, [0, 0], [0, 0], cell)

    def spread(cells: Node) -> Node:
        scales = constant([float(each) for each in cell])
        return opset.interpolate(
            cells, scales, "nearest", "scales", axes=constant(PLANE), nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip

    def pull(dy: Node) -> list[Node]:
        there = opset.convert(opset.equal(inputs[0], spread(y)), np.float32)
        share = opset.avg_pool(there, cell, [0, 0], [0, 0], cell, False)
        count = opset.multiply(share, constant(float(cell[0] * cell[1])))
        return [opset.multiply(there, spread(opset.divide(dy, count)))]

    return y, pull


def _flat(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """In Keras' order, channels last."""
    height, width, channels = layer.input.shape[1:]
    last = opset.transpose(inputs[0], constant([0, 2, 3, 1]))
    y = opset.reshape(last, constant([-1, height * width * channels]), False)

    def pull(dy: Node) -> list[Node]:
        cells = opset.reshape(dy, constant([-1, height, width, channels]), False)
        return [opset.transpose(cells, constant([0, 3, 1, 2]))]

    return y, pull


def _left_alone(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    """Dropout, which does nothing at inference."""
    return inputs[0], lambda dy: [dy]


def _dense(layer: keras.Layer, inputs: list[Node], zeros: Zeros) -> tuple[Node, Back]:
    if len(layer.input.shape) != 2:
        refuse(layer, "it takes more than one row for a picture")
    kernel = constant(layer.kernel.numpy())
    y = opset.matmul(inputs[0], kernel, False, False)
    if layer.use_bias:
        y = opset.add(y, constant(layer.bias.numpy()))
    return _activated(layer.activation.__name__, y, lambda dy: [opset.matmul(dy, kernel, False, True)])


RULES: dict[str, Rule] = {
    "Activation": _activation,
    "Add": _add,
    "AveragePooling2D": _halved,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _left_alone,
    "Flatten": _flat,
    "GlobalAveragePooling2D": _pooled,
    "MaxPooling2D": _strongest,
    "ReLU": _relu,
    "Rescaling": _rescaled,
    "UpSampling2D": _enlarged,
}
