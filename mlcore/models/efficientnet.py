"""EfficientNet-Lite0 without its last blocks, begun with what it learned of ImageNet.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (ICML 2019);
Lite: the same without squeeze-and-excitation and with ReLU6 (Liu, "Higher accuracy on vision
models with EfficientNet-Lite", TensorFlow blog, 2020). A picture is enlarged to 64 px, at which
the first convolution, which halves, still sees every pixel. The blocks after the eleventh look at
2 × 2 positions there and hold three quarters of the weights, so they are left out.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

INPUT_SIZE = 32
MIRRORED_LOGIT = "dense"  # that of a picture, and of its mirror image, before the mean
STAGES = ((16, 3, 1, 1, 1), (24, 3, 2, 6, 2), (40, 5, 2, 6, 2), (80, 3, 2, 6, 3), (112, 5, 1, 6, 3))
"""Filters, kernel, stride of the first block, expansion, blocks."""


def build(mirrored: bool = False) -> keras.Model:
    """Input (n, 32, 32, 3) in [0, 1]; output (n, 1), the probability of fake.

    ``final_conv`` is the last block's output, (n, 4, 4, 112). Weights are random; those of
    ImageNet come from :func:`mlcore.models.imagenet.efficientnet_lite0`. ``mirrored`` makes the same
    network, with the same weights, for use: it looks at each picture and at its mirror image, and its
    logit is the mean of both; ``final_conv`` has the n mirror images behind the n pictures then.
    """
    from keras import Input, Model, layers, ops

    inputs = x = Input((INPUT_SIZE, INPUT_SIZE, 3), name="image")
    if mirrored:
        x = ops.concatenate([x, ops.flip(x, axis=2)], axis=0)
    x = layers.UpSampling2D(2, interpolation="bilinear", name="enlarged")(x)
    x = layers.Rescaling(255 / 128, -127 / 128, name="centre")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(32, 3, 2, use_bias=False, name="stem")(x)
    x = layers.ReLU(6.0)(_normalised(x, "stem"))
    blocks = list(chain.from_iterable(_blocks(*stage) for stage in STAGES))
    for number, (filters, kernel, stride, expansion) in enumerate(blocks):
        x = _block(x, filters, kernel, stride, expansion, f"block_{number}")
    x = layers.Activation("linear", name="final_conv")(x)
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    x = layers.Dense(1, dtype="float32", name=MIRRORED_LOGIT if mirrored else "logit")(x)
    if mirrored:
        both = ops.mean(ops.reshape(x, (2, -1, 1)), axis=0)
        x = layers.Activation("linear", dtype="float32", name="logit")(both)
    outputs = layers.Activation("sigmoid", dtype="float32", name="p_fake")(x)
    return Model(inputs, outputs, name="efficientnet")


def unmirrored(model: keras.Model) -> tuple[keras.KerasTensor, keras.KerasTensor] | None:
    """Where in a mirrored network, or a copy of it, one picture comes in, and its own logit (n, 1) comes out.

    None for any other network.
    """
    if not {"enlarged", MIRRORED_LOGIT} <= {layer.name for layer in model.layers}:
        return None
    start = model.get_layer("enlarged").input
    # In a mirrored network that is both pictures, behind the one that comes in.
    return None if start is model.input else (start, model.get_layer(MIRRORED_LOGIT).output)


def _blocks(
    filters: int, kernel: int, stride: int, expansion: int, count: int
) -> list[tuple[int, int, int, int]]:
    later = repeat((filters, kernel, 1, expansion), count - 1)
    return [(filters, kernel, stride, expansion), *later]


def _block(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, expansion: int, name: str
) -> keras.KerasTensor:
    """Sandler et al., "MobileNetV2" (CVPR 2018): expand, filter each channel, project."""
    from keras import layers

    y, before = x, x.shape[-1]
    if expansion > 1:
        y = layers.Conv2D(before * expansion, 1, use_bias=False, name=f"{name}_expand")(y)
        y = layers.ReLU(6.0)(_normalised(y, f"{name}_expand"))
    # As in PyTorch, where these weights come from: as many zeros on every side.
    y = layers.ZeroPadding2D(kernel // 2)(y)
    y = layers.DepthwiseConv2D(kernel, stride, use_bias=False, name=f"{name}_depthwise")(y)
    y = layers.ReLU(6.0)(_normalised(y, f"{name}_depthwise"))
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(y)
    y = _normalised(y, f"{name}_project")
    return layers.Add()([x, y]) if stride == 1 and before == filters else y


def _normalised(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    from keras import layers

    return layers.BatchNormalization(momentum=0.95, epsilon=1e-3, name=f"{name}_normalised")(x)
