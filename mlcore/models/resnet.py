"""ResNet-18 for small pictures, at half its width.

He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016): four stages of two basic
blocks. As in their 4.2 on CIFAR-10 the first convolution is 3 × 3 without stride or pooling, so
that 32 px are looked at in full; half of the 64 to 512 filters, so that the weights take 11 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

INPUT_SIZE = 32
STAGES = ((32, 1), (64, 2), (128, 2), (256, 2))
"""Filters, stride of the first of two blocks."""


def build() -> keras.Model:
    """Input (n, 32, 32, 3) in [0, 1]; output (n, 1), the probability of fake.

    ``final_conv`` is the last block's output, (n, 4, 4, 256).
    """
    from keras import Input, Model, layers

    inputs = x = Input((INPUT_SIZE, INPUT_SIZE, 3), name="image")
    x = layers.Rescaling(4.0, -2.0, name="centre")(x)
    x = layers.ReLU()(_convolution(x, 32, 3, 1, "stem"))
    for number, (filters, stride) in enumerate(STAGES, 1):
        x = _block(x, filters, stride, f"stage_{number}_a")
        x = _block(x, filters, 1, "final_conv" if number == len(STAGES) else f"stage_{number}_b")
    x = layers.GlobalAveragePooling2D(name="pooled")(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    outputs = layers.Activation("sigmoid", dtype="float32", name="p_fake")(logit)
    return Model(inputs, outputs, name="resnet")


def _block(x: keras.KerasTensor, filters: int, stride: int, name: str) -> keras.KerasTensor:
    from keras import layers

    y = layers.ReLU()(_convolution(x, filters, 3, stride, f"{name}_1"))
    y = _convolution(y, filters, 3, 1, f"{name}_2")
    if stride > 1:  # option B of the paper: a projection where the shape changes
        x = _convolution(x, filters, 1, stride, f"{name}_shortcut")
    return layers.ReLU(name=name)(layers.Add()([x, y]))


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str
) -> keras.KerasTensor:
    from keras import layers

    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.95, name=f"{name}_normalised")(x)
