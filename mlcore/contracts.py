"""What mlcore takes and gives: frozen, typed, and free of any framework."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Verdict(StrEnum):
    FAKE = "fake"
    REAL = "real"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class ModelRef:
    """Which weights gave a result: ``sha256`` is that of the weights file."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class ImageFacts:
    """What intake found out about a file. Width and height are as people see the picture."""

    format: str  # Pillow's name: JPEG, PNG, …
    mime: str
    bytes: int
    sha256: str
    width: int
    height: int
    mode: str  # Pillow's mode of the file as stored: RGB, CMYK, P, I;16, …
    frames: int  # the first one is examined
    orientation: int  # EXIF 1–8; 1 where there is none or it lies
    notes: tuple[str, ...] = ()  # sentences for people, such as "first of 12 frames"


@dataclass(frozen=True)
class Picture:
    """A decoded picture: 8-bit RGB, upright, alpha flattened; with the facts of its file."""

    image: Image.Image
    facts: ImageFacts


@dataclass(frozen=True)
class Classification:
    """Classifier and heat map of one picture.

    ``heatmap`` is (h, w) float32 in [0, 1], the evidence for the announced class on the
    network's own grid; it is all zero where the network found none.
    """

    verdict: Verdict
    p_fake: float
    confidence: float  # probability of the announced class
    heatmap: NDArray[np.float32]
    model: ModelRef


@dataclass(frozen=True)
class DetectedObject:
    """``box`` is (left, top, right, bottom) in pixels of the upright original."""

    name: str
    score: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Objects:
    """Scene context of one picture, highest score first."""

    objects: tuple[DetectedObject, ...]
    model: ModelRef


@dataclass(frozen=True)
class Skipped:
    """A stage that could not run here, why, and what an operator can do about it."""

    reason: str
    remedy: str
