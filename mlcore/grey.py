"""Is the model sure enough of a picture with hardly any colours? Told once its number is there.

Taking the colours out of a real photograph makes the models lean to "AI-generated". The pixels do
not tell such a picture from CIFAKE's own grey ones, so none is refused for its pixels alone: it is
called AI-generated only from a number on that hardly any real photograph reaches without its colours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlcore import degrade

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.floating]
# Of real pictures, whose colours were taken out, that stay below. Of those that get an answer, about
# two thirds, some 1 % are then called AI-generated.
QUANTILE = 0.993
LEAST_CHROMA = 8.0  # levels between a pixel's strongest and weakest channel, on average


def fit(p_fake_of: Callable[[Pixels], Numbers], real: Pixels) -> float:
    """From which P(fake) on a picture without colours may be called AI-generated.

    ``p_fake_of`` takes (n, 32, 32, 3) and gives (n,); ``real``: pictures of the class REAL.
    """
    grey = np.stack([degrade.colour(each, 0.0) for each in real])
    return float(np.quantile(p_fake_of(grey), QUANTILE))


def sure(pixels: Pixels, p_fake: Numbers, limit: float) -> NDArray[np.bool_]:
    """(n,): False where (n, h, w, 3) have hardly any colours and lean to fake, but stay below ``limit``."""
    grey = np.ptp(pixels.astype(np.int16), axis=-1).mean((1, 2)) <= LEAST_CHROMA
    return np.asarray(~(grey & (p_fake > 0.5) & (p_fake < limit)))
