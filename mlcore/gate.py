"""Does this picture belong to what the model knows? Decided before its answer is shown.

CIFAKE's models know pictures of 32 × 32 pixels. Six looks, the cheapest first:

- **size** decides for nearly every picture that people send, before any pixel work;
- a larger one is then looked at for **enlargement** (:mod:`mlcore.enlargement`), only so that
  the reason can tell what to send instead;
- a JPEG or WebP of 28 to 32 pixels says in its **tables** of what quality it is;
- its pixels say what it has been through, **wear** (:mod:`mlcore.wear`): saved again, blurred,
  resized, also where another format hides it. What costs the model its promised error rate is refused;
- it is compared by its **statistics** (spectrum of luminance and of colour,
  flatness, residual) with CIFAKE's own, by Mahalanobis distance (Lee, K. et al., "A Simple
  Unified Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018, who measure it
  on features of the network; those can be added here, see ``features``);
- one with hardly any **colours** is called AI-generated only where the model is surer than elsewhere
  (:mod:`mlcore.grey`).

The limits are quantiles over CIFAKE's own pictures, :func:`fit`; docs/gate.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore import enlargement, grey, wear
from mlcore.contracts import Gate, Saved
from mlcore.wear import Wear

SIDE = 32
LEAST_SIDE = 28  # what is left of 32 after a crop of up to four pixels
BATCH = 500
NEAR = (22, 44)  # pixels a side that an enlargement of 32 is estimated at
# Of CIFAKE's own below each limit: together at most 2 % are refused.
PIXELS_QUANTILE, WEAR_QUANTILE, FEATURES_QUANTILE = 0.997, 0.99, 0.995
KNOWN = f"The model knows only pictures of {SIDE} × {SIDE} pixels"
TOO_LARGE = "This picture is {w} × {h} pixels. " + KNOWN + "."
TOO_SMALL = "This picture is {w} × {h} pixels. " + KNOWN + ". Enlarging this one does not help."
ENLARGED = "This picture is {w} × {h} pixels, but looks enlarged from about {n} × {m}. "
SEND_ORIGINAL = KNOWN + ": send the original."
NO_USE = KNOWN + "."
PLANES = np.array([[0.299, 0.701, -0.299], [0.587, -0.587, -0.587], [0.114, -0.114, 0.886]], np.float32)
UNLIKE = (
    "This picture has the right size, but looks like a drawing, an icon or a large picture made small. "
    "The model knows only small photographs and imitations of them."
)
WORN = (
    "This picture has the right size, but was strongly compressed, blurred, changed or made small from a "
    "large one. Send it as it first was."
)
GREY = (
    "This picture has hardly any colours. There the model is often wrong unless it is very sure. "
    "Send it in its colours."
)
WORDS = {"JPEG": "JPEG", "WEBP": "WebP"}
COMPRESSED = (
    "This {form} has a quality of about {quality} of 100; below {least} the model is wrong too often. "
    "Send it as it was before."
)


class GateKeeper:
    """The gate of one model, from the parameters in its card."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """``parameters``: what :func:`fit` gave."""
        self._pixels = _Distance(parameters["pixels"])
        self._features = _Distance(parameters["features"]) if parameters.get("features") else None
        self._wear = Wear(parameters["wear"]) if parameters.get("wear") else None
        self._least_quality: Mapping[str, int] = parameters.get("least_quality", {})
        self._grey = float(parameters.get("grey", 0.0))

    def judge(
        self,
        image: Image.Image,
        features: NDArray[np.floating] | None = None,
        *,
        saved: Saved | None = None,
        p_fake: float | None = None,
    ) -> Gate:
        """Judge an upright RGB original of any size.

        ``features`` (d,): the model's pooled features of the picture, where it has them at hand;
        they are not asked for where size decides. ``saved``: how the file says it was compressed.
        ``p_fake``: what the model says, where it was asked.
        Scores: ``width``, ``height``; then either ``enlarged_from`` (pixels, where it was told) or
        ``quality``, where there is one, and the looks as shares of their limits, so above 1 is refused.
        """
        if not all(LEAST_SIDE <= side <= SIDE for side in image.size):
            return _by_size(image)
        scores = {"width": float(image.width), "height": float(image.height)}
        if saved is not None:
            scores["quality"] = float(saved.quality)
            least = int(self._least_quality.get(saved.format, 0))
            if saved.quality < least:
                words = COMPRESSED.format(form=WORDS[saved.format], quality=saved.quality, least=least)
                return Gate(False, words, scores)
        scores |= {name: float(values[0]) for name, values in self._looks(seen(image)[None]).items()}
        if self._features is not None and features is not None:
            scores["features"] = float(self._features.of(np.asarray(features, np.float64)[None])[0])
        known, reason = _reason(scores)
        if known and p_fake is not None and not self.sure(seen(image)[None], np.array([p_fake])).all():
            return Gate(False, GREY, scores)
        return Gate(known, reason, scores)

    def known(self, pixels: NDArray[np.uint8], p_fake: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n,): which of (n, 32, 32, 3) uint8 and their numbers (n,) pass, without files and features."""
        parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        passed = [np.max(list(self._looks(part).values()), axis=0) <= 1.0 for part in parts]
        return np.concatenate([np.zeros(0, bool), *passed]) & self.sure(pixels, p_fake)

    def sure(self, pixels: NDArray[np.uint8], p_fake: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(n,): False where (n, h, w, 3) have too few colours for the (n,) numbers of the model."""
        return grey.sure(pixels, p_fake, self._grey)

    def _looks(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        found = {"pixels": self._pixels.of(statistics(pixels))}
        return {**found, "wear": self._wear.of(pixels)} if self._wear else found


def seen(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB image at the size that the training data has: (32, 32, 3) uint8.

    CIFAKE's fakes were rendered at 512 px and reduced to 32, so a larger picture goes the same
    way. Handed over at 128 px it shows detail that training never did: Ultralytics' sample
    photos were then all "fake" with p = 1.0.
    """
    small = (SIDE, SIDE)
    # BILINEAR widens with the reduction in Pillow, so it averages and does not alias.
    return np.asarray(image if image.size == small else image.resize(small, Image.Resampling.BILINEAR))


def _reason(scores: Mapping[str, float]) -> tuple[bool, str]:
    """(whether it is known, why not)."""
    if max(scores["pixels"], scores.get("features", 0.0)) > 1.0:
        return False, UNLIKE
    return (True, "") if scores.get("wear", 0.0) <= 1.0 else (False, WORN)


def fit(
    pictures_in: NDArray[np.uint8],
    features: NDArray[np.floating] | None = None,
    *,
    degraded: Sequence[NDArray[np.uint8]] = (),
    borne: Sequence[NDArray[np.uint8]] = (),
    broken: Sequence[NDArray[np.uint8]] = (),
    least_quality: Mapping[str, int] | None = None,
    grey_limit: float = 0.0,
) -> dict[str, Any]:
    """Parameters for :class:`GateKeeper`, JSON-able, under 30 kB without ``features``.

    Args:
        pictures_in: (n, 32, 32, 3), CIFAKE's own that the report does not see; 5,000 are plenty.
        features: (n, d), the model's pooled features of the same pictures.
        degraded: arrays like ``pictures_in`` of pictures on their way (saved again, blurred, …)
            that must pass, too; they widen the distribution but do not set its limit.
        borne, broken: likewise, pictures about which the model keeps its error rate, and does not.
        least_quality: by format, what a file must say of itself; below it the model does not.
        grey_limit: see :func:`mlcore.grey.fit`.
    """
    own = statistics(pictures_in)
    others = [statistics(each) for each in degraded]
    found: dict[str, Any] = {"pixels": _fit(np.concatenate([own, *others]), own, PIXELS_QUANTILE)}
    if features is not None:
        values = np.asarray(features, np.float64)
        found["features"] = _fit(values, values, FEATURES_QUANTILE, most=10)
    if broken:
        found["wear"] = wear.fit(pictures_in, borne, broken, WEAR_QUANTILE)
    return {**found, "least_quality": dict(least_quality or {}), "grey": grey_limit}


def statistics(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n, h, w, 3), sides of 28 to 32, to (n, 24): what tells kinds of small pictures apart.

    Only the middle 28 × 28 are looked at, so that a crop changes little: log power in radial
    bands of the cosine transform, ten of luminance and four of each colour difference, then
    contrast, shares of flat and of clipped places, the residual's tails, slant and energy.
    """
    top, left = ((side - LEAST_SIDE) // 2 for side in pixels.shape[1:3])
    rgb = pixels[:, top : top + LEAST_SIDE, left : left + LEAST_SIDE].astype(np.float32)
    planes = np.ascontiguousarray(np.moveaxis(rgb @ PLANES, -1, 1))
    parts = [_bands(planes[:, :1], 10), _bands(planes[:, 1:], 4)]
    return np.concatenate([*parts, _shape(rgb, planes[:, 0])], axis=1).astype(np.float64)


def _shape(rgb: NDArray[np.float32], luminance: NDArray[np.float32]) -> NDArray[np.float32]:
    across, down = np.diff(luminance, axis=2), np.diff(luminance, axis=1)
    corner = np.diff(across, axis=1)
    energy = (corner**2).mean((1, 2))
    return np.stack(
        [
            np.log(luminance.std((1, 2)) + 1.0),
            (np.abs(across) < 0.5).mean((1, 2)) + (np.abs(down) < 0.5).mean((1, 2)),
            ((rgb < 1) | (rgb > 254)).mean((1, 2, 3)),
            np.log(((corner * corner) ** 2).mean((1, 2)) / (energy**2 + 1.0) + 1.0),
            np.log((across**2).mean((1, 2)) + 1.0) - np.log((down**2).mean((1, 2)) + 1.0),
            np.log(energy + 1.0),
        ],
        axis=1,
    )


def _bands(planes: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Log mean power in ``count`` radial bands of each cosine transform: (n, c, 28, 28) to (n, c·count)."""
    transform, bands = _cosines(count)
    power = (transform @ planes @ transform.T) ** 2
    return np.log(power.reshape(*planes.shape[:2], -1) @ bands + 1.0).reshape(len(planes), -1)


@lru_cache
def _cosines(count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The orthonormal DCT-II matrix, and the averaging of its square into bands (without DC)."""
    n = np.arange(LEAST_SIDE)
    transform = np.cos(np.pi * (2 * n + 1) * n[:, None] / (2 * LEAST_SIDE)) * np.sqrt(2 / LEAST_SIDE)
    transform[0] /= np.sqrt(2)
    radius = np.hypot(n, n[:, None]).ravel() / LEAST_SIDE
    band = np.minimum((radius * count).astype(int), count - 1)
    bands = np.eye(count)[band] * (radius > 0)[:, None]
    return transform.astype(np.float32), (bands / bands.sum(0)).astype(np.float32)


class _Distance:
    """Mahalanobis distance as a share of its limit."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._mean = np.asarray(parameters["mean"], np.float64)
        self._whiten = np.asarray(parameters["whiten"], np.float64)
        self._limit = float(parameters["limit"])

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt((((values - self._mean) @ self._whiten) ** 2).sum(1)) / self._limit


def _fit(
    values: NDArray[np.float64], own: NDArray[np.float64], share: float, most: int = 32
) -> dict[str, Any]:
    """Whitening of ``values`` along the ``most`` widest directions; ``share`` of ``own`` pass."""
    mean = values.mean(0)
    variance, axes = np.linalg.eigh(np.cov(values, rowvar=False))
    kept = np.argsort(variance)[::-1][:most]
    floor = 1e-4 * variance.max()  # a direction without any spread must not decide
    whiten = axes[:, kept] / np.sqrt(variance[kept] + floor)
    found = {"mean": _rounded(mean), "whiten": _rounded(whiten), "limit": 1.0}
    return {**found, "limit": float(np.quantile(_Distance(found).of(own), share))}


def _rounded(values: NDArray[np.float64]) -> list[Any]:
    """Nested lists of four significant digits."""
    return np.vectorize(lambda value: float(f"{value:.4g}"), otypes=[float])(values).tolist()


def _by_size(image: Image.Image) -> Gate:
    scores = {"width": float(image.width), "height": float(image.height)}
    size = {"w": image.width, "h": image.height}
    if max(image.size) <= SIDE or min(image.size) < LEAST_SIDE:
        small = max(image.size) <= SIDE
        return Gate(False, (TOO_SMALL if small else TOO_LARGE).format(**size), scores)
    factor = enlargement.factor(image)
    if factor is None:
        return Gate(False, TOO_LARGE.format(**size), scores)
    n, m = round(image.width / factor), round(image.height / factor)
    original = NEAR[0] <= min(n, m) <= max(n, m) <= NEAR[1]
    if original:  # the estimate is rough, and 32 by far the likeliest there
        n, m = (round(SIDE * side / max(image.size)) for side in image.size)
    scores["enlarged_from"] = float(max(n, m))
    reason = ENLARGED.format(**size, n=n, m=m) + (SEND_ORIGINAL if original else NO_USE)
    return Gate(False, reason, scores)
