"""Has a small picture been through more than the model bears? Told from its pixels alone.

A codec, a blur or a change of size leaves traces however the picture is saved afterwards: how the
coefficients of its cosine transforms are spread, on the grid of eight that JPEG works on and beside
it, on that of four (WebP, AVIF, HEIC), and in the halved colours (Fridrich & Lukáš, "Estimation of
Primary Quantization Matrix in Double Compressed JPEG Images", DFRWS 2003, for the idea). A network
of a few units is fitted to tell what a model bears from what it does not; which is which, that
model's own errors say (:mod:`mlcore.publishing`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
UNITS = 16
EPOCHS = 30
SMALL = (1.0, 2.5, 6.0)  # coefficients below these are counted
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
BANDS = {8: ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (9, 14)), 4: ((1, 1), (2, 2), (3, 3), (4, 6))}


class Wear:
    """A fitted network: (n, 32, 32, 3) uint8 to (n,) shares of its limit; above 1 is too much."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """``parameters``: what :func:`fit` gave."""
        self._weights = [np.asarray(each, np.float32) for each in parameters["weights"]]
        self._biases = [np.asarray(each, np.float32) for each in parameters["biases"]]
        self._limit = _probability(np.array(parameters["limit"]))

    def of(self, pixels: Pixels) -> NDArray[np.float64]:
        return _probability(self.scores(traces(pixels))) / self._limit

    def scores(self, found: Floats) -> NDArray[np.float64]:
        """(n, d) of :func:`traces` to (n,) log odds."""
        first, last = self._weights
        hidden = np.maximum(found @ first + self._biases[0], 0.0)
        return np.asarray((hidden @ last + self._biases[1])[:, 0], np.float64)


def fit(own: Pixels, borne: Sequence[Pixels], broken: Sequence[Pixels], share: float) -> dict[str, Any]:
    """Parameters for :class:`Wear`, JSON-able, some 19 kB.

    Args:
        own: (n, 32, 32, 3), untouched; the first half is learnt from, the other sets the limit.
        borne, broken: worn pictures about which the model keeps its word, and does not.
        share: of the second half of ``own`` that lies below the limit.
    """
    half = len(own) // 2
    learnt, kept, lost = traces(own[:half]), _stacked(borne), _stacked(broken)
    values = np.concatenate([learnt, kept, lost])
    # Untouched pictures weigh as much as all worn ones that are borne.
    times = max(1, len(kept) // max(1, len(learnt)))
    order = np.concatenate([np.tile(np.arange(len(learnt)), times), np.arange(len(learnt), len(values))])
    order = np.random.default_rng(0).permutation(order)
    found = _network(values, np.arange(len(values)) >= len(learnt) + len(kept), order)
    limit = np.quantile(Wear({**found, "limit": 0.0}).scores(traces(own[half:])), share)
    return {**found, "limit": float(limit)}


def _network(values: Floats, labels: NDArray[np.bool_], order: NDArray[np.int64]) -> dict[str, Any]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    mean, spread = values.mean(0), values.std(0) + 1e-3
    net = MLPClassifier((UNITS,), alpha=1e-2, max_iter=EPOCHS, batch_size=128, random_state=0, tol=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # so many epochs, and no more
        net.fit(((values - mean) / spread)[order], labels[order])
    first = net.coefs_[0] / spread[:, None]
    biases = [net.intercepts_[0] - mean @ first, net.intercepts_[1]]
    return {"weights": [_rounded(first), _rounded(net.coefs_[1])], "biases": [_rounded(b, 6) for b in biases]}


def traces(pixels: Pixels) -> Floats:
    """(n, 32, 32, 3) uint8 to (n, 155): what codecs and resampling leave behind."""
    if not len(pixels):
        return np.zeros((0, 155), np.float32)
    rgb = pixels.astype(np.float32)
    grey = rgb @ LUMINANCE
    parts = [_spread(grey, side, start) for side, start in ((8, 0), (8, 4), (4, 0), (4, 2))]
    for colour in ((rgb[..., 2] - grey) * 0.564, (rgb[..., 0] - grey) * 0.713):
        halved = colour.reshape(-1, 16, 2, 16, 2).mean((2, 4))
        rest = colour - halved.repeat(2, 1).repeat(2, 2)
        parts += [_spread(halved, 8, 0), np.log((rest**2).mean((1, 2)) + 0.01)[:, None]]
    return np.concatenate([*parts, _edges(grey), _colours(pixels)], axis=1).astype(np.float32)


def _spread(plane: Floats, side: int, start: int) -> Floats:
    """By band of frequency: log mean size of the coefficients, and how many are small. (n, 4 · bands)."""
    transform, bands = _cosines(side)
    whole = (plane.shape[1] - start) // side
    cut = plane[:, start : start + whole * side, start : start + whole * side]
    blocks = cut.reshape(-1, whole, side, whole, side).transpose(0, 1, 3, 2, 4)
    size = np.abs(transform @ blocks @ transform.T).reshape(len(plane), whole * whole, side * side)
    counted = [(size < limit).mean(1) @ bands for limit in SMALL]
    return np.concatenate([np.log(size.mean(1) @ bands + 0.1), *counted], axis=1)


@lru_cache
def _cosines(side: int) -> tuple[Floats, Floats]:
    """The orthonormal DCT-II matrix, and the averaging of its square into bands of equal i + j."""
    n = np.arange(side)
    transform = np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * side)) * np.sqrt(2 / side)
    transform[0] /= np.sqrt(2)
    place = np.add.outer(n, n).ravel()
    bands = np.stack([(place >= low) & (place <= high) for low, high in BANDS[side]], axis=1).astype(float)
    return transform.astype(np.float32), (bands / bands.sum(0)).astype(np.float32)


def _edges(grey: Floats) -> Floats:
    """How much of all change falls on the borders of blocks and on their middles; what is flat. (n, 8)."""
    across, down = np.abs(np.diff(grey, axis=2)), np.abs(np.diff(grey, axis=1))
    change = across.mean(1) + down.mean(2)  # (n, 31), by place
    place = np.arange(1, change.shape[1] + 1)
    whole = np.log(change.mean(1) + 0.5)
    on = [np.log(change[:, place % step == at].mean(1) + 0.5) for step in (4, 8, 16) for at in (0, step // 2)]
    flat = [(across < 0.5).mean((1, 2)), (down < 0.5).mean((1, 2))]
    return np.stack([*(each - whole for each in on), *flat], axis=1)


def _colours(pixels: Pixels) -> Floats:
    """Log of the number of distinct colours: (n, 1)."""
    codes = np.sort(pixels.reshape(len(pixels), -1, 3).astype(np.int32) @ np.array([65536, 256, 1]), axis=1)
    return np.log((np.diff(codes, axis=1) > 0).sum(1) + 1.0)[:, None].astype(np.float32)


def _stacked(arrays: Sequence[Pixels]) -> Floats:
    return np.concatenate([traces(np.zeros((0, 32, 32, 3), np.uint8)), *map(traces, arrays)])


def _probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))


def _rounded(values: NDArray[np.floating], digits: int = 3) -> list[Any]:
    return np.vectorize(lambda value: float(f"{value:.{digits}g}"), otypes=[float])(values).tolist()
