"""The graph for use says what the trained network says, and its gradients are TensorFlow's."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mlcore import graph
from mlcore.logits import logits_of
from mlcore.models import BUILDERS
from tests.mlcore.test_folding import NETWORKS, trained

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)


def in_tensorflow(net, pixels):
    """(n, 1) logits, and their gradients by the pixels."""
    import keras
    import tensorflow as tf

    plain = keras.Model(net.input, net.get_layer("logit").output)
    values = tf.constant(pixels, tf.float32) / 255.0
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        logits = plain(values, training=False)
    return logits.numpy(), tape.gradient(logits, values).numpy()


def in_the_graph(net, pixels):
    images, values = graph.pixels(pixels.shape[1])
    logits, gradient = graph.logit(net, values)
    found, slopes = graph.compiled([logits, gradient()], images)(pixels)
    return found, slopes.transpose(0, 2, 3, 1)


def assert_same(net, pixels, edges=0.0):
    logits, slopes = in_tensorflow(net, pixels)
    found, turned = in_the_graph(net, pixels)
    np.testing.assert_allclose(found, logits, rtol=1e-3, atol=1e-4)
    apart = np.abs(turned - slopes) > 1e-3 * np.abs(slopes).max()
    # An activation within rounding of a ReLU's edge may fall on either side, and its whole gradient with it.
    assert apart.mean() <= edges
    assert np.corrcoef(turned.ravel(), slopes.ravel())[0, 1] > 0.9999
    assert np.ptp(logits) > 0


def ending(inputs, x):
    """A network of these layers with one logit, the same in every run."""
    import keras
    from keras import layers

    net = keras.Model(inputs, layers.Activation("sigmoid")(layers.Dense(1, name="logit")(x)))
    drawn = np.random.default_rng(1)
    net.set_weights([drawn.normal(0, 0.3, each.shape).astype(np.float32) for each in net.get_weights()])
    return net


@pytest.mark.parametrize("build", NETWORKS)
def test_logits_and_gradients_stay(build):
    assert_same(trained(build), PICTURES, edges=0.03)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [2, 3, 5])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
def test_a_convolution_of_any_form_runs_backwards(kind, kernel, stride, padding):
    """13 px: with a stride not every pixel of the far edges is reached."""
    import keras
    from keras import layers

    inputs = keras.Input((13, 13, 3))
    made = layers.Conv2D(4, kernel, stride, padding) if kind == "Conv2D" else None
    x = (made or layers.DepthwiseConv2D(kernel, stride, padding))(inputs)
    x = layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(x))
    assert_same(ending(inputs, x), PICTURES[:, :13, :13])


def assert_refused(inputs, x):
    """Forwards, too: that is all that evaluation and stability ask for."""
    from keras import layers

    net = ending(inputs, layers.GlobalAveragePooling2D()(layers.ReLU()(x)))
    with pytest.raises(ValueError, match="There is no rule"):
        graph.logit(net, graph.pixels(12)[1])


def test_zeros_around_zeros_are_refused():
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    assert_refused(inputs, layers.Conv2D(4, 3)(layers.ZeroPadding2D(1)(layers.ZeroPadding2D(1)(inputs))))


def test_zeros_around_the_second_of_two_are_refused():
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    inner = layers.ZeroPadding2D(1)(layers.Conv2D(3, 3)(inputs))
    assert_refused(inputs, layers.Add()([inputs, inner]))


def test_a_sum_of_two_shapes_is_refused():
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    assert_refused(inputs, layers.Add()([inputs, layers.AveragePooling2D(12)(inputs)]))


def test_a_network_that_enlarges_and_has_a_hidden_layer_is_not_taken_for_a_mirrored_one():
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    x = layers.UpSampling2D(2, interpolation="bilinear", name="enlarged")(inputs)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
    assert_same(
        ending(inputs, layers.Dense(3, activation="relu", name="dense", use_bias=False)(x)),
        PICTURES[:, :8, :8],
    )


def test_pictures_are_uint8_and_not_cast():
    run = logits_of(trained(NETWORKS[0]))
    with pytest.raises(ValueError, match="uint8"):
        run(PICTURES.astype(np.float32) / 255.0)


@pytest.mark.parametrize("zeros", [1, 3, ((2, 0), (1, 3))])
@pytest.mark.parametrize("stride", [1, 2])
def test_zeros_around_a_picture_become_the_convolutions_own(stride, zeros):
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    around = layers.ZeroPadding2D(zeros)(inputs)
    both = layers.Add()([layers.Conv2D(4, 3, stride)(around), layers.Conv2D(4, 3, stride)(around)])
    assert_same(ending(inputs, layers.GlobalAveragePooling2D()(layers.ReLU()(both))), PICTURES[:, :12, :12])


def test_what_one_layer_says_to_several_comes_back_as_a_sum():
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(layers.Rescaling(4.0, -2.0)(inputs))
    x = layers.MaxPooling2D(2)(layers.UpSampling2D(2, interpolation="bilinear")(x))
    x = layers.Add()([x, layers.Conv2D(4, 1)(layers.UpSampling2D(2, interpolation="bilinear")(
        layers.AveragePooling2D(2)(x)))])  # fmt: skip
    x = layers.Dense(6, activation="relu")(layers.Dropout(0.5)(layers.Flatten()(x)))
    assert_same(ending(inputs, x), PICTURES[:, :8, :8])


def test_a_network_that_enlarges_is_handed_enlarged_pictures():
    import tensorflow as tf

    net = BUILDERS["paper_cnn"]()
    large = tf.image.resize(tf.constant(PICTURES, tf.float32), (128, 128), "bilinear")
    logits, _ = in_tensorflow(net, large)
    np.testing.assert_allclose(logits_of(net)(PICTURES), logits[:, 0], rtol=1e-3, atol=1e-4)


ODD = {  # layers that networks for use do not have
    "pooling that overlaps": ("AveragePooling2D", {"pool_size": 3, "strides": 2}),
    "maxima of cells that overlap": ("MaxPooling2D", {"pool_size": 3, "strides": 2}),
    "cells that do not fill it": ("MaxPooling2D", {"pool_size": 5}),
    "dilation": ("Conv2D", {"filters": 3, "kernel_size": 3, "dilation_rate": 2}),
    "groups": ("Conv2D", {"filters": 3, "kernel_size": 3, "groups": 3}),
    "another activation": ("Conv2D", {"filters": 3, "kernel_size": 3, "activation": "tanh"}),
    "a leak": ("ReLU", {"negative_slope": 0.1}),
    "nearest": ("UpSampling2D", {"size": 2}),
    "another kind": ("LayerNormalization", {}),
    "zeros for no convolution": ("ZeroPadding2D", {"padding": 1}),
    "several channels of one": ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2}),
    "a row of pixels at a time": ("Dense", {"units": 12}),
    "channels first": ("MaxPooling2D", {"pool_size": 3, "data_format": "channels_first"}),
    "a scale for each channel": ("Rescaling", {"scale": [1.0, 2.0, 3.0]}),
}


@pytest.mark.parametrize("name", ODD)
def test_what_there_is_no_rule_for_is_refused_and_not_computed_otherwise(name):
    import keras
    from keras import layers

    kind, options = ODD[name]
    layer, inputs = getattr(layers, kind)(**options), keras.Input((12, 12, 3))
    net = ending(inputs, layers.GlobalAveragePooling2D()(layers.ReLU()(layer(inputs))))
    with pytest.raises(ValueError, match="There is no rule"):
        in_the_graph(net, PICTURES[:, :12, :12])


def test_threads_that_call_side_by_side_get_their_own_answers():
    run = logits_of(trained(NETWORKS[0]))
    parts = [RNG.integers(0, 256, (1 + number % 3, 32, 32, 3)).astype(np.uint8) for number in range(24)]
    alone = [run(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(run, parts), alone, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_openvino_comes_without_what_reports_to_its_makers():
    script = (
        "import sys, mlcore.openvino;"
        "print(sorted(name for name, module in sys.modules.items()"
        " if name.startswith('openvino_telemetry') and module))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
