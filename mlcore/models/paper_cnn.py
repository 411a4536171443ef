"""The paper's CNN.

Pallavi et al., "CIFAKE: Image Classification and Explainable Identification of
AI-Generated Synthetic Images" (2025): three blocks of 3×3 convolution and 2×2 max pooling
with 32, 64 and 128 filters, a dense layer of 64, dropout of one half and one sigmoid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

INPUT_SIZE = 128


def build() -> keras.Model:
    """Input (n, 128, 128, 3) in [0, 1]; output (n, 1), the probability of fake.

    The sigmoid is a layer of its own behind ``logit``, so that gradients can be taken
    before it saturates.
    """
    from keras import Input, Model, layers

    inputs = x = Input((INPUT_SIZE, INPUT_SIZE, 3), name="image")
    for filters, name in ((32, "conv_1"), (64, "conv_2"), (128, "final_conv")):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    logit = layers.Dense(1, dtype="float32", name="logit")(x)
    outputs = layers.Activation("sigmoid", dtype="float32", name="p_fake")(logit)
    return Model(inputs, outputs, name="paper_cnn")
