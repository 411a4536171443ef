"""Heat maps from one or a few passes backwards. All follow the logit of the announced class.

A map is (h, w) float32 in [0, 1]: 0 where the network found nothing for its answer, 1 where it
found most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mlcore.explain_network import Floats, Network, Pixels
from mlcore.faithfulness import BLUR

GRID = 16  # cells a side; each is the sum over 2 × 2 pixels
STEPS = 8  # of the path that integrated gradients follow


def grad_cam(network: Network, pixels: Pixels) -> Floats:
    """Selvaraju et al., ICCV 2017, section 3: channels weighted by their mean gradient."""
    features, gradient = _towards_announced(network, pixels)
    return scaled(np.einsum("nhwc,nc->nhw", features, gradient.mean(axis=(1, 2))))


def grad_cam_pp(network: Network, pixels: Pixels) -> Floats:
    """Chattopadhay et al., "Grad-CAM++", WACV 2018, equations 10 and 19.

    Only gradients that speak for the answer count, weighted by how far each place alone carries them.
    """
    features, gradient = _towards_announced(network, pixels)
    total = features.sum(axis=(1, 2), keepdims=True)
    below = 2 * gradient**2 + total * gradient**3
    share = np.divide(gradient**2, below, out=np.zeros_like(gradient), where=np.abs(below) > 1e-12)
    weights = (share * np.maximum(gradient, 0)).sum(axis=(1, 2))
    return scaled(np.einsum("nhwc,nc->nhw", features, weights))


def gradient_detail(network: Network, pixels: Pixels) -> Floats:
    """Gradient × (picture − blurred picture), summed over channels and over 2 × 2 pixels.

    Gradient × input (Shrikumar et al., "Not Just a Black Box", 2016; section 3 of Ancona et al.,
    "Towards better understanding of gradient-based attribution methods", ICLR 2018) with a blurred
    baseline (Sturmfels, Lundberg & Lee, "Visualizing the Impact of Feature Attribution Baselines",
    Distill 2020). It estimates to the first order what the answer would lose if a place lost its detail.
    """
    values, detail = _values(pixels)
    evidence = (network.gradients(values) * detail).sum(axis=3)
    return scaled(network.announced(pixels)[:, None, None] * pooled(evidence, GRID))


def integrated_gradients(network: Network, pixels: Pixels) -> Floats:
    """Sundararajan, Taly & Yan, ICML 2017, from the blurred picture, by the midpoint rule."""
    values, detail = _values(pixels)
    at = [values - detail * (1 - (step + 0.5) / STEPS) for step in range(STEPS)]
    gradient = np.mean([network.gradients(each) for each in at], axis=0)
    evidence = (gradient * detail).sum(axis=3)
    return scaled(network.announced(pixels)[:, None, None] * pooled(evidence, GRID))


def scaled(evidence: NDArray[np.floating]) -> Floats:
    """(n, h, w) signed evidence to maps: what speaks against the answer is 0, the most 1."""
    kept = np.maximum(np.nan_to_num(evidence), 0.0)
    most = kept.max(axis=(1, 2), keepdims=True)
    return np.divide(kept, most, out=np.zeros_like(kept), where=most > 0).astype(np.float32)


def pooled(values: NDArray[np.floating], grid: int) -> NDArray[np.floating]:
    """(n, side, side) to (n, grid, grid), by the mean."""
    n, cell = len(values), values.shape[1] // grid
    return np.asarray(values.reshape(n, grid, cell, grid, cell).mean(axis=(2, 4)))


def blur_matrix(side: int, sigma: float = BLUR) -> Floats:
    """(side, side) M, so that M @ x @ M.T is a (side, side) picture after a Gaussian blur.

    As :func:`mlcore.degrade.blur`, edges mirrored, for use where OpenCV cannot be called.
    """
    away = np.arange(-3 * round(sigma), 3 * round(sigma) + 1)
    kernel = np.exp(-(away**2) / (2 * sigma**2))
    place = np.abs(np.arange(side)[:, None] + away)  # mirrored at the first pixel
    place = (side - 1) - np.abs((side - 1) - place)  # and at the last
    matrix = np.zeros((side, side))
    np.add.at(matrix, (np.arange(side)[:, None], place), kernel / kernel.sum())
    return matrix.astype(np.float32)


def _towards_announced(network: Network, pixels: Pixels) -> tuple[Floats, Floats]:
    features, gradient = network.features(pixels)
    return features, gradient * network.announced(pixels)[:, None, None, None]


def _values(pixels: Pixels) -> tuple[Floats, Floats]:
    """Pixels in [0, 1], and what blurring takes from them."""
    values, blurring = pixels.astype(np.float32) / 255.0, blur_matrix(pixels.shape[1])
    # Channels first, where @ blurs one picture of one channel after another.
    planes = values.transpose(0, 3, 1, 2)
    return values, values - (blurring @ planes @ blurring.T).transpose(0, 2, 3, 1)
