"""What mlcore takes and gives: frozen, typed, and free of any framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Verdict(StrEnum):
    FAKE = "fake"
    REAL = "real"
    UNCERTAIN = "uncertain"


class Basis(StrEnum):
    """What a verdict rests on, strongest first; see :mod:`mlcore.decision`."""

    SIGNED = "signed"  # provenance with a trusted signature decides by itself
    DECLARED = "declared"  # the file itself says that it was generated
    PIXELS = "pixels"  # the model, inside its domain
    NONE = "none"  # nothing: the verdict is uncertain


class ProvenanceSummary(StrEnum):
    DECLARED_AI_SIGNED = "declared_ai_signed"  # whole and trusted
    DECLARED_AI = "declared_ai"  # unlisted or expired signature, watermark, or metadata
    CAMERA_SIGNED = "camera_signed"
    CAMERA_CLAIMED = "camera_claimed"
    EDITED = "edited"
    INVALID = "invalid"  # hash or signature broken
    NONE = "none"


class Source(StrEnum):
    """Where a provenance finding was made."""

    C2PA = "c2pa"
    METADATA = "metadata"  # EXIF, IPTC, XMP
    GENERATOR = "generator"  # text that generators write into files
    WATERMARK = "watermark"  # in the pixels
    ENCODING = "encoding"  # how the file was compressed


class Says(StrEnum):
    """What a provenance finding speaks for."""

    AI = "ai"
    CAMERA = "camera"
    EDITED = "edited"
    INVALID = "invalid"
    CONTRADICTION = "contradiction"
    INFO = "info"


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
class Saved:
    """How a file says that it was compressed: quality from 1 to 100, as the format's usual encoder counts."""

    format: str  # JPEG or WEBP
    quality: int


@dataclass(frozen=True)
class Picture:
    """A decoded picture: 8-bit RGB, upright, alpha flattened; with the facts of its file.

    ``saved`` is None for files that do not tell how strongly they were compressed.
    """

    image: Image.Image
    facts: ImageFacts
    saved: Saved | None = None


@dataclass(frozen=True)
class Gate:
    """Whether a picture belongs to what the model knows. ``reason`` is a sentence for people
    ("" in domain); ``scores`` are the measured quantities behind it, for experts."""

    in_domain: bool
    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One thing that a file says or shows about its origin.

    ``trusted`` is True only for a whole C2PA signature by a signer on the trust list that was
    valid when it signed; ``signed`` for a whole one, listed or not. ``facts`` is JSON, bounded.
    """

    source: Source
    says: Says
    title: str  # a few words: "Signed by OpenAI", "Stable Diffusion prompt in the file"
    detail: str  # one sentence for people
    signed: bool = False
    trusted: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Provenance:
    """All findings of one file, strongest first, and what they come to."""

    summary: ProvenanceSummary
    sentence: str
    findings: tuple[Finding, ...] = ()
    exif: tuple[tuple[str, str], ...] = ()  # (label, text) of every tag, which decides nothing
    place: tuple[float, float] | None = None  # latitude and longitude by the EXIF data, in degrees


@dataclass(frozen=True)
class Stability:
    """The model's probability on fixed variants of one picture.

    ``agree`` is the share of the variants, (0 to 1), whose side of the model's thresholds is
    that of the picture itself; ``variants`` are (words, p_fake) in a fixed order.
    """

    agree: float
    spread: float  # highest minus lowest p_fake
    variants: tuple[tuple[str, float], ...]
    stable: bool
    model: ModelRef


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
    gate: Gate = field(default_factory=lambda: Gate(in_domain=True))


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
