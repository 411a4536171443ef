"""Folded networks answer as the trained ones do."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore import folding
from mlcore.models import BUILDERS, FOR_USE

PIXELS = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)


def trained(build):
    """A network whose normalisations have something to say: their statistics are those of PIXELS.

    So pictures still differ at the far end; statistics at random saturate every ReLU6 on the way.
    """
    import keras

    keras.utils.set_random_seed(1)
    rng, net = np.random.default_rng(1), build()
    norms = [layer for layer in net.layers if type(layer).__name__ == "BatchNormalization"]
    for layer in norms:
        layer.momentum = 0.0
        layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
        layer.beta.assign(rng.uniform(-0.5, 0.5, layer.beta.shape))
    net(PIXELS, training=True)
    return net


def _norms(net) -> int:
    return sum(type(layer).__name__ == "BatchNormalization" for layer in net.layers)


NETWORKS = [BUILDERS["cifake_resnet"], BUILDERS["efficientnet"], BUILDERS["resnet"], FOR_USE["efficientnet"]]


@pytest.mark.parametrize("build", NETWORKS)
def test_answers_stay_and_normalisations_go(build):
    net = trained(build)
    before = net.get_weights()
    fast = folding.folded(net)
    assert _norms(net) > 5
    assert _norms(fast) == 0
    np.testing.assert_allclose(fast(PIXELS), net(PIXELS), rtol=1e-3)
    assert np.ptp(net(PIXELS)) > 0.01
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_cannot_be_folded_stays():
    """After an activation, after a sum, and on a convolution that others hear as well."""
    from keras import Input, Model, layers

    inputs = x = Input((8, 8, 3))
    heard_twice = layers.Conv2D(3, 3, padding="same")(x)
    x = layers.Add()([layers.BatchNormalization()(heard_twice), heard_twice])
    x = layers.BatchNormalization()(x)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(x))  # the one that goes
    net, pixels = Model(inputs, x), PIXELS[:2, :8, :8]
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.full(each.shape, 1.7, np.float32) for each in layer.get_weights()])
    fast = folding.folded(net)
    assert (_norms(net), _norms(fast)) == (4, 3)
    np.testing.assert_allclose(fast(pixels), net(pixels), rtol=1e-4, atol=1e-5)
