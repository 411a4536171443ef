"""Whether a verdict survives what happens to files: the same picture, saved again, resized, cropped.

A detector whose answer turns over when a picture is saved once more says more about the file than
about its origin; such an answer is given as uncertain (:mod:`mlcore.decision`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mlcore import degrade
from mlcore.classifier import verdict_of
from mlcore.contracts import ModelRef, Stability

Pixels = NDArray[np.uint8]
LEAST_AGREEMENT = 0.8
CROP = 0.9  # 29 of 32 pixels a side
PLACES = {
    "top left": (0.0, 0.0),
    "top right": (1.0, 0.0),
    "bottom left": (0.0, 1.0),
    "bottom right": (1.0, 1.0),
}


def variants(pixels: Pixels) -> list[tuple[str, Pixels]]:
    """The fixed variants of a (32, 32, 3) uint8 picture, in words and in pixels of the same shape."""
    return [
        *((f"saved as JPEG, quality {quality}", degrade.jpeg(pixels, quality)) for quality in (90, 75, 60)),
        ("saved as WebP, quality 80", degrade.webp(pixels, 80)),
        ("made half as large and enlarged again", degrade.through(pixels, 0.5)),
        *((f"cropped to the {place}", degrade.crop(pixels, CROP, *at)) for place, at in PLACES.items()),
        ("mirrored", pixels[:, ::-1]),
    ]


def measure(
    p_fake_of: Callable[[Pixels], NDArray[np.floating]],
    pixels: Pixels,
    thresholds: Mapping[str, float],
    model: ModelRef,
) -> Stability:
    """Ask the model about a (32, 32, 3) uint8 picture and its variants, in one batch.

    ``p_fake_of`` takes (n, 32, 32, 3) uint8 and gives (n,) probabilities; ``thresholds`` has the
    model's ``fake`` and ``real``. A variant agrees where its verdict, of three, is the picture's.
    """
    made = variants(pixels)
    p_fake = p_fake_of(np.stack([pixels, *(each for _, each in made)])).astype(float).tolist()
    own = verdict_of(p_fake[0], thresholds)
    agree = sum(verdict_of(p, thresholds) == own for p in p_fake[1:]) / len(made)
    return Stability(
        agree=agree,
        spread=max(p_fake) - min(p_fake),
        variants=tuple((words, p) for (words, _), p in zip(made, p_fake[1:], strict=True)),
        stable=agree >= LEAST_AGREEMENT,
        model=model,
    )
