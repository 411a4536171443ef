"""Whether a verdict survives what happens to files: the same picture, saved again, resized, cropped.

A detector whose answer turns over when a picture is saved once more says more about the file than
about its origin; such an answer is given as uncertain (:mod:`mlcore.decision`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlcore import degrade
from mlcore.contracts import ModelRef, Stability, Verdict

Pixels = NDArray[np.uint8]
Scores = tuple[tuple[str, float], ...]  # P(fake) of each variant, by its words
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


def measure(p_fake_of: Callable[[Pixels], NDArray[np.floating]], pixels: Pixels) -> Scores:
    """Ask the model about all variants of a (32, 32, 3) uint8 picture, in one batch.

    ``p_fake_of`` takes (n, 32, 32, 3) uint8 and gives (n,) probabilities.
    """
    made = variants(pixels)
    p_fake = p_fake_of(np.stack([each for _, each in made])).astype(float).tolist()
    return tuple((words, p) for (words, _), p in zip(made, p_fake, strict=True))


def judge(
    p_fake: float, scores: Sequence[tuple[str, float]], thresholds: Mapping[str, float], model: ModelRef
) -> Stability:
    """What the variants' ``scores`` say of an answer that rests on ``p_fake`` and ``thresholds``.

    A variant agrees where its verdict, of three, is the picture's.
    """
    own = verdict_of(p_fake, thresholds)
    agree = sum(verdict_of(p, thresholds) == own for _, p in scores) / len(scores)
    every = [p_fake, *(p for _, p in scores)]
    return Stability(agree, max(every) - min(every), tuple(scores), agree >= LEAST_AGREEMENT, model)


def verdict_of(p_fake: float, thresholds: Mapping[str, float]) -> Verdict:
    """Fake from ``thresholds["fake"]`` up, real below ``thresholds["real"]``, else uncertain."""
    if p_fake >= thresholds["fake"]:
        return Verdict.FAKE
    return Verdict.REAL if p_fake < thresholds["real"] else Verdict.UNCERTAIN
