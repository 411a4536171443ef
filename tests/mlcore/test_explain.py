"""Every explanation against networks whose evidence is known, and the default one against chance."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from mlcore import degrade, explain_gradients, faithfulness, imaging, registry
from mlcore.calibration import Calibration
from mlcore.contracts import ModelRef
from mlcore.explain import DEFAULT, METHODS, Explainer, silent
from mlcore.explain_network import Network
from mlcore.gate import seen
from tests.cifake import held_out

RNG = np.random.default_rng(0)
HALF = {"fake": 0.5, "real": 0.5}
REF = ModelRef("toy", "1", "0" * 64)


def network(kernel, weights, bias, linear=False):
    """Convolution, mean or plain sum, and one logit, with these weights."""
    import keras
    from keras import layers

    inputs = keras.Input((32, 32, 3))
    conv = layers.Conv2D(
        kernel.shape[-1], kernel.shape[0], activation=None if linear else "relu", name="final_conv"
    )
    features = conv(inputs)
    pooled = layers.Flatten()(features) if linear else layers.GlobalAveragePooling2D()(features)
    dense = layers.Dense(1, name="logit")
    made = keras.Model(inputs, layers.Activation("sigmoid")(dense(pooled)))
    conv.set_weights([kernel.astype(np.float32), np.zeros(kernel.shape[-1], np.float32)])
    dense.set_weights([np.asarray(weights, np.float32).reshape(-1, 1), np.array([bias], np.float32)])
    return Network(made, REF, HALF, Calibration())


def looking_for_red_detail(sign):
    """Its logit is ``sign`` × (red detail - a little); blue detail it sees but gives no weight."""
    laplace = -np.ones((3, 3))
    laplace[1, 1] = 8.0
    kernel = np.zeros((3, 3, 3, 2))
    kernel[:, :, 0, 0], kernel[:, :, 2, 1] = laplace, laplace
    return network(kernel, [20.0 * sign, 0.0], -1.0 * sign)


def red_here_and_blue_there():
    """Detail in red in the upper left, as much in blue in the lower right, and nothing else."""
    picture = np.full((32, 32, 3), 128, np.uint8)
    picture[4:12, 4:12, 0] = RNG.integers(0, 256, (8, 8))
    picture[20:28, 20:28, 2] = picture[4:12, 4:12, 0]
    return picture


def linear():
    """logit = Σ w · x + b, with weights of both signs."""
    weights = np.random.default_rng(1).normal(size=(32, 32, 3))
    return network(np.eye(3).reshape(1, 1, 3, 3), weights, 0.0, linear=True), weights


@pytest.mark.parametrize("sign", [1, -1], ids=["fake", "real"])
@pytest.mark.parametrize("name", METHODS)
def test_the_map_shows_what_speaks_for_the_announced_class(name, sign):
    model, picture = looking_for_red_detail(sign), red_here_and_blue_there()
    assert (model.p_fake(picture[None])[0] > 0.5) == (sign > 0)
    heatmap = METHODS[name].explain(model, picture[None], silent)[0]
    large = faithfulness.enlarge(heatmap[None], 32)[0]
    assert heatmap.max() == 1.0
    assert large[:16, :16].sum() > 0.9 * large.sum()
    assert large[20:28, 20:28].mean() < 0.05 * large[4:12, 4:12].mean()


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_float32_between_0_and_1_and_the_same_again(name):
    model, _ = linear()
    pixels = RNG.integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    maps = METHODS[name].explain(model, pixels, silent)
    assert maps.dtype == np.float32
    assert len(maps) == 2
    assert maps.min() >= 0.0
    assert maps.max() == 1.0
    np.testing.assert_array_equal(maps, METHODS[name].explain(model, pixels, silent))


def contributions(weights, picture, announced, cells):
    """What each cell adds to a linear network's logit over the blurred picture, known exactly."""
    values, matrix = picture / 255.0, explain_gradients.blur_matrix(32)
    blurred = np.stack([matrix @ values[:, :, channel] @ matrix.T for channel in range(3)], axis=2)
    evidence = announced * (weights * (values - blurred)).sum(axis=2)
    return evidence.reshape(cells, 32 // cells, cells, 32 // cells).sum(axis=(1, 3))


@pytest.mark.parametrize(
    ("name", "cells", "likeness"),
    [
        ("gradient_detail", 16, 0.9999),
        ("integrated_gradients", 16, 0.9999),
        ("shap", 8, 0.99),
        ("lime", 8, 0.95),
    ],
)
def test_for_a_linear_network_the_evidence_is_each_part_s_own_share(name, cells, likeness):
    model, weights = linear()
    picture = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    announced = 1 if model.p_fake(picture[None])[0] > 0.5 else -1
    wanted = np.maximum(contributions(weights, picture, announced, cells), 0)
    found = METHODS[name].explain(model, picture[None], silent)[0]
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > likeness


def test_blur_by_matrices_is_opencv_s():
    picture = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    matrix = explain_gradients.blur_matrix(32)
    found = np.stack(
        [matrix @ picture[:, :, channel].astype(float) @ matrix.T for channel in range(3)], axis=2
    )
    assert np.abs(found - degrade.blur(picture, faithfulness.BLUR)).max() <= 1.5
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)


def test_no_evidence_is_a_map_of_zeros_and_no_warning():
    blank = network(np.zeros((3, 3, 3, 2)), [0.0, 0.0], 0.0)
    pixels = RNG.integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    with np.errstate(all="raise"):
        for name in ("gradcam", "gradcam_pp", "gradient_detail", "integrated_gradients"):
            assert not METHODS[name].explain(blank, pixels, silent).any()


@pytest.mark.parametrize("name", ["lime", "shap"])
def test_slow_ones_say_how_far_they_are(name):
    model, told = looking_for_red_detail(1), []
    METHODS[name].explain(model, np.stack([red_here_and_blue_there()] * 2), told.append)
    assert len(told) >= 10
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0, abs=0.01)


def test_shap_leaves_numpy_s_global_generator_as_it_was_and_brings_no_torch():
    model = looking_for_red_detail(1)
    np.random.seed(7)
    wanted = np.random.random()
    np.random.seed(7)
    METHODS["shap"].explain(model, red_here_and_blue_there()[None], silent)
    assert np.random.random() == wanted
    assert "torch" not in sys.modules


def test_grad_cam_is_the_fast_lane_s():
    from mlcore.gradcam import fused

    pixels = natives(4)
    model = Network.load("paper_cnn")
    _, wanted = fused(model.keras, native=32, calibration=model.calibration)(pixels)
    if wanted.shape[1] == model.features(pixels[:1])[0].shape[1]:  # else another map is the default there
        np.testing.assert_allclose(explain_gradients.grad_cam(model, pixels), wanted, atol=1e-4)


def test_the_stage_s_explainer_gives_map_faithfulness_and_model():
    explainer = Explainer("paper_cnn")
    heatmap, found, model = explainer.explain(DEFAULT, Image.fromarray(natives(1)[0]))
    assert heatmap.shape == (16, 16)
    assert set(found) == {"deletion", "insertion", "random_deletion", "random_insertion", "better"}
    assert isinstance(found["better"], bool)
    assert all(isinstance(found[key], float) and 0 <= found[key] <= 1 for key in found if key != "better")
    assert model == registry.describe("paper_cnn")


@pytest.mark.timeout(600)
def test_the_default_explanation_beats_random_maps_on_most_images():
    """The bar is nine of ten of 1,000, as `manage.py explain` measures; a sample says less, chance half."""
    model, pixels = Network.load(registry.DEFAULT), natives(20)
    maps = METHODS[DEFAULT].explain(model, pixels, silent)
    found = faithfulness.measure_all(model.p_fake, pixels, maps)
    assert np.mean([each.better for each in found]) >= 0.8


def test_the_compiled_pass_gives_the_same_map_and_probability():
    """A toy of whole numbers sits on its ReLUs' corners, where rounding decides: real weights do not."""
    from mlcore.gradient_detail import fused

    model, pixels = Network.load(registry.DEFAULT), natives(24)
    p_fake, maps = fused(model.keras, model.calibration)(pixels)
    assert 4 < (p_fake > 0.5).sum() < 20  # both classes are announced
    np.testing.assert_allclose(p_fake, model.p_fake(pixels), atol=1e-4)
    np.testing.assert_allclose(maps, METHODS["gradient_detail"].explain(model, pixels, silent), atol=1e-2)


def natives(count):
    return np.stack([seen(imaging.examine(file, "x.jpg").image) for _, file in held_out(count)])
