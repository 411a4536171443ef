"""The fused pass against Grad-CAM written out plainly, on the trained model and real images."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore import imaging, registry
from mlcore.augment import enlarge
from mlcore.gate import seen
from mlcore.gradcam import fused
from mlcore.openvino import openvino
from tests.cifake import held_out


@pytest.fixture(scope="module")
def model():
    return registry.load("paper_cnn")


@pytest.fixture(scope="module")
def explain(model):
    return fused(model)


def images(count):
    return np.rint(enlarge(natives(count).astype(np.float32), 128)).astype(np.uint8)


def natives(count):
    return np.stack([seen(imaging.examine(file, "x.jpg").image) for _, file in held_out(count)])


def reference(model, image, announced):
    """Selvaraju et al. 2017, equations 1 and 2, for one image, with an eager tape."""
    import keras
    import tensorflow as tf

    both = keras.Model(model.input, [model.get_layer("final_conv").output, model.get_layer("logit").output])
    with tf.GradientTape() as tape:
        activations, logit = both(image[None] / np.float32(255.0), training=False)
        score = logit[0, 0] if announced == "fake" else -logit[0, 0]
    gradient = tape.gradient(score, activations).numpy()[0]
    weights = gradient.mean(axis=(0, 1))
    heat = np.maximum((activations.numpy()[0] * weights).sum(axis=-1), 0)
    return heat / heat.max() if heat.max() > 0 else heat


def test_fused_equals_the_eager_reference_for_both_announced_classes(model, explain):
    batch = images(24)
    p_fake, maps = explain(batch)
    values = batch / np.float32(255.0)
    assert np.abs(p_fake - model(values, training=False).numpy()[:, 0]).max() <= 1e-4
    announced = ["fake" if p > 0.5 else "real" for p in p_fake]
    assert {"fake", "real"} == set(announced)
    for image, heat, word in zip(batch, maps, announced, strict=True):
        assert np.abs(heat - reference(model, image, word)).max() <= 1e-4


def test_a_real_verdict_shows_evidence_for_real_and_not_the_rest(model, explain):
    """The map of the other class has weights of the other sign, hence another picture."""
    batch = images(24)
    p_fake, maps = explain(batch)
    for image, heat, p in zip(batch, maps, p_fake, strict=True):
        other = reference(model, image, "real" if p > 0.5 else "fake")
        assert np.abs(heat - other).max() > 0.1


def test_maps_do_not_vanish_where_the_model_is_sure(model, explain):
    batch = images(64)
    p_fake, maps = explain(batch)
    sure = np.maximum(p_fake, 1 - p_fake) > 0.999
    assert sure.sum() >= 5
    assert np.allclose(maps[sure].max(axis=(1, 2)), 1.0)


def test_a_batch_gives_what_its_images_give_alone(explain):
    batch = images(5)
    together = explain(batch)
    for number in range(5):
        alone = explain(batch[number : number + 1])
        assert np.allclose(together[0][number], alone[0][0], atol=1e-5)
        assert np.allclose(together[1][number], alone[1][0], atol=1e-4)


def test_maps_lie_between_0_and_1_on_the_layer_s_grid(explain):
    p_fake, maps = explain(np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8))
    assert p_fake.shape == (3,)
    assert maps.shape == (3, 32, 32)
    assert maps.min() >= 0.0
    assert maps.max() <= 1.0
    assert np.isfinite(maps).all()


def test_no_evidence_is_a_map_of_zeros():
    """All weights 0: the logit is 0 everywhere and nothing points anywhere."""
    from mlcore.models import BUILDERS

    blank = BUILDERS["paper_cnn"]()
    blank.set_weights([np.zeros_like(w) for w in blank.get_weights()])
    p_fake, maps = fused(blank)(np.full((1, 128, 128, 3), 255, np.uint8))
    assert p_fake[0] == 0.5
    assert not maps.any()


def test_it_is_compiled_once_for_all_batch_sizes(model, monkeypatch):
    """Compiling anew would cost a user half a second."""
    compiled, compile_model = [], openvino.Core.compile_model

    def counting(core, *args):
        compiled.append(args)
        return compile_model(core, *args)

    monkeypatch.setattr(openvino.Core, "compile_model", counting)
    explain = fused(model, native=32)
    for n in (2, 1, 3, 7):
        assert explain(np.zeros((n, 32, 32, 3), np.uint8))[1].shape == (n, 32, 32)
    assert len(compiled) == 1


@pytest.mark.parametrize("layer", ["logit", "p_fake", "image"])
def test_what_is_no_map_of_the_picture_is_an_error(model, layer):
    with pytest.raises(ValueError, match=layer):
        fused(model, layer)


def test_a_layer_that_some_way_passes_by_is_an_error():
    import keras
    from keras import layers

    inputs = keras.Input((8, 8, 3))
    features = layers.Conv2D(3, 1, name="final_conv")(inputs)
    pooled = layers.GlobalAveragePooling2D()(layers.Add()([features, inputs]))
    with pytest.raises(ValueError, match="passes final_conv by"):
        fused(keras.Model(inputs, layers.Dense(1, name="logit")(pooled)))


def test_a_layer_that_is_not_there_is_an_error(model):
    with pytest.raises(ValueError, match="nonesuch"):
        fused(model, "nonesuch")


def test_native_pixels_give_what_their_enlargement_gives(model):
    pixels = natives(16)
    p_fake, maps = fused(model, native=32)(pixels)
    large = enlarge(pixels.astype(np.float32), 128).numpy()
    for image, heat, p in zip(large, maps, p_fake, strict=True):
        assert np.abs(p - model(image[None] / 255.0, training=False).numpy()[0, 0]) <= 1e-4
        assert np.abs(heat - reference(model, image, "fake" if p > 0.5 else "real")).max() <= 1e-4
