"""By how much was a picture enlarged? Interpolation leaves traces of the smaller one.

Repeated pixels change only at every k-th place. Interpolated ones have next to nothing above
the smaller picture's highest frequency, 1 / 2k (Gallagher, "Detection of Linear and Cubic
Interpolation in JPEG Compressed Images", CRV 2005, uses the periodicity of the same effect).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WINDOW = 512  # of the middle are looked at: cost is bounded whatever the picture's size
LARGEST, SMALLEST = 32, 48  # times; pixels a side in which anything shows
REPEATED = 0.6  # of all change falls on every k-th place; a photograph has 1 / k there
KEPT = 0.85  # of f² P(f) lies below the end of the spectrum; the rest is what kernels and codecs leak
SLACK = 1.15  # the smaller picture's highest frequency over that end: median of enlarged CIFAKE
LEAST_SMOOTH = 2.5  # times: below that, a soft photograph looks just the same


def factor(image: Image.Image) -> float | None:
    """The factor of enlargement, from 2 up; None where none shows. Within a third or so where
    pixels were interpolated, exact where they were repeated."""
    grey = _middle(image)
    if min(grey.shape) < SMALLEST or grey.std() < 1.0:
        return None
    return _repeats(grey) or _smooth(grey)


def _middle(image: Image.Image) -> NDArray[np.float64]:
    w, h = (min(side, WINDOW) for side in image.size)
    left, top = (image.width - w) // 2, (image.height - h) // 2
    return np.asarray(image.crop((left, top, left + w, top + h)).convert("L"), np.float64)


def _repeats(grey: NDArray[np.float64]) -> float | None:
    """The largest k for which nearly all change, both ways, falls on every k-th place."""
    halves = [*np.array_split(grey, 2, axis=0), *np.array_split(grey, 2, axis=1)]
    profiles = [np.abs(np.diff(half, axis=axis)).sum(1 - axis) for half in halves for axis in (0, 1)]
    for step in range(min(LARGEST, min(map(len, profiles)) // 4), 1, -1):
        if all(_share(profile, step) > REPEATED for profile in profiles):
            return float(step)
    return None


def _share(change: NDArray[np.float64], step: int) -> float:
    whole = change[: len(change) // step * step].reshape(-1, step).sum(0)
    return float(whole.max() / max(whole.sum(), 1e-9))


def _smooth(grey: NDArray[np.float64]) -> float | None:
    end = SLACK * max(_end(grey), _end(grey.T))
    times = 0.5 / max(end, 1e-9)
    return float(times) if LEAST_SMOOTH <= times <= LARGEST else None


def _end(grey: NDArray[np.float64]) -> float:
    """The frequency, in cycles a pixel, below which ``KEPT`` of f² P(f) along the rows lies.

    f² makes up for the fall of natural spectra; rounding to 8 bits adds white noise of 1/12,
    which is subtracted, or it would fill just the part that enlarging leaves empty.
    """
    window = np.hanning(grey.shape[1])
    rows = (grey - grey.mean(1, keepdims=True)) * window
    frequency = np.fft.rfftfreq(grey.shape[1])
    power = (np.abs(np.fft.rfft(rows, axis=1)) ** 2).mean(0)
    power = np.maximum(power - 2 * (window**2).sum() / 12, 0.0) * frequency**2
    total = np.cumsum(power)
    return float(np.interp(KEPT, total / total[-1], frequency)) if total[-1] > 0 else 0.0
