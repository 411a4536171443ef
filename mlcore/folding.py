"""Batch normalisation folded into the convolution before it: the same function, sooner.

Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (CVPR 2018), 3.2. At inference the normalisation is a multiply
and an add for each channel, which weights and bias of a convolution can do on their way.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras


def folded(model: keras.Model) -> keras.Model:
    """A copy for inference, with the same names of layers, answers and gradients, up to rounding.

    A normalisation that follows anything but a linear convolution, or shares it with another
    layer, stays as it is.
    """
    import keras

    pairs = _pairs(model)
    gone = set(pairs.values())

    def copy(layer: keras.Layer) -> keras.Layer:
        biased = {"use_bias": True} if layer.name in pairs else {}
        return type(layer).from_config({**layer.get_config(), **biased})

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name in gone else layer(*args, **kwargs)

    clone = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        if layer.weights and layer.name not in gone:
            norm = pairs.get(layer.name)
            weights = _folded(layer, model.get_layer(norm)) if norm else layer.get_weights()
            clone.get_layer(layer.name).set_weights(weights)
    return clone


def _pairs(model: keras.Model) -> dict[str, str]:
    """Names of convolutions, with that of the normalisation which alone hears of each."""
    from keras import layers

    heard = Counter(id(tensor) for layer in model.layers for tensor in inputs_of(layer))
    heard.update(id(tensor) for tensor in model.outputs)
    linear = {
        id(layer.output): layer.name
        for layer in model.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
        and layer.activation.__name__ == "linear"
        and heard[id(layer.output)] == 1
    }
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    return {linear[id(norm.input)]: norm.name for norm in norms if id(norm.input) in linear}


def inputs_of(layer: keras.Layer) -> list[Any]:
    """The tensors that a layer hears of."""
    found = layer.input
    return list(found) if isinstance(found, list | tuple) else [found]


def _folded(convolution: keras.Layer, norm: keras.Layer) -> list[np.ndarray]:
    from keras import layers

    kernel, *bias = convolution.get_weights()
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    shift = beta + ((bias[0] if bias else 0.0) - mean) * scale
    if isinstance(convolution, layers.DepthwiseConv2D):  # its kernel is (height, width, channels, multiplier)
        return [kernel * scale.reshape(1, 1, *kernel.shape[2:]), shift]
    return [kernel * scale, shift]
