"""Invisible watermarks that open generators put into the pixels (``invisible-watermark``, dwtDct).

The scheme of ShieldMnt's package (imwatermark/maxDct.py, MIT), after Cox, Kilian, Leighton and
Shamoon, "Secure Spread Spectrum Watermarking for Multimedia" (IEEE Trans. Image Processing,
1997), written anew: the approximation of a one-level Haar transform of the blue difference (U)
is cut into blocks of 4 × 4; in each the largest coefficient but the first carries one bit by
where it lies between multiples of 36; the message is repeated over the blocks row by row.

Stable Diffusion's script embeds in 8-bit pixels, where U is around 128; SDXL and FLUX embed in
floating-point pixels, where OpenCV puts U around 0.5, so that other coefficients are the largest.
Older diffusers gave its RGB pixels as BGR, which a plain decoder misses. All four readings are tried.

A mark is announced only where both the bits read by majority and the share of all blocks that
agree with the message are high (``bits_needed``, ``MIN_AGREE``). By chance that happens to one
picture in 3 million (binomial tails of four messages in four readings); on unmarked photographs,
drawings and enlarged CIFAKE pictures it never happened, and the best fits were 8 bits and more
below (docs/provenance-metadata.md). Saving as JPEG, resizing and cropping destroy the mark, so
that finding none says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore.contracts import Finding, Says, Source

STEP = 36  # between multiples: the package's scale
BLOCK = 4
MIN_PIXELS = 256 * 256  # the package embeds in nothing smaller
MOST_PIXELS = 1 << 22  # read from the top, whole rows, since the message runs row by row
MIN_AGREE = 0.62  # a flat picture reads as all zeros, which 0.61 of FLUX's message are
Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Message:
    """A published message: ``bits`` as embedded, of which ``bits_needed`` must be read right."""

    name: str
    bits: Bits
    bits_needed: int


@dataclass(frozen=True)
class Match:
    """How well one message fits: bits read right by majority, and the share of blocks that agree."""

    message: Message
    right: int
    agree: float

    @property
    def found(self) -> bool:
        return self.right >= self.message.bits_needed and self.agree >= MIN_AGREE


def _of_text(text: bytes) -> Bits:
    return np.unpackbits(np.frombuffer(text, np.uint8)).astype(bool)


def _of_number(number: int) -> Bits:
    # As the generators do it, by bin(): leading zeros are lost, FLUX's message has 46 bits.
    return np.array([digit == "1" for digit in f"{number:b}"])


MESSAGES = (
    Message("Stable Diffusion 1", _of_text(b"StableDiffusionV1"), 102),  # CompVis/stable-diffusion
    Message("Stable Diffusion 2", _of_text(b"SDV2"), 31),  # Stability-AI/stablediffusion
    Message("Stable Diffusion XL", _of_number(0xB3EC907BB19E), 42),  # generative-models, diffusers
    Message("FLUX", _of_number(0x2AFE879CF52E), 41),  # black-forest-labs/flux, flux2
)


def read(image: Image.Image) -> list[Finding]:
    """A finding if one of the published messages is in the pixels; never raises.

    ``image`` is the whole picture as decoded, not resized; other modes than RGB are converted.
    """
    try:
        match = best(np.asarray(image.convert("RGB") if image.mode != "RGB" else image))
    except (ValueError, OSError, MemoryError):
        return []
    return [_finding(match)] if match is not None and match.found else []


def best(rgb: NDArray[np.uint8]) -> Match | None:
    """The message that fits an (h, w, 3) picture best; None where it is too small to carry one."""
    if rgb.shape[0] * rgb.shape[1] < MIN_PIXELS:
        return None
    matches = [fit(message, bits) for bits in readings(rgb) for message in MESSAGES]
    return max(matches, key=lambda match: (match.found, match.right / len(match.message.bits)))


def readings(rgb: NDArray[np.uint8]) -> list[Bits]:
    """One bit a block, row by row, for each way in which a message may have been embedded."""
    import cv2

    rows = max(8, MOST_PIXELS // rgb.shape[1])
    top = np.ascontiguousarray(rgb[:rows])
    found = []
    for code in (cv2.COLOR_RGB2YUV, cv2.COLOR_BGR2YUV):
        # Of floats OpenCV would convert three channels to three: the offset is all that differs.
        plain = cv2.cvtColor(top, code)[:, :, 1]
        floating = cv2.cvtColor(top.astype(np.float32), code)[:, :, 1]
        found += [block_bits(plain), block_bits(floating)]
    return found


def block_bits(channel: NDArray[np.generic]) -> Bits:
    """The bit of each block of an (h, w) channel, row by row."""
    height, width = (side // 4 * 4 for side in channel.shape)
    kind: Any = np.float32 if channel.dtype == np.float32 else np.float64
    values, half = channel[:height, :width].astype(kind), kind(np.sqrt(0.5))
    # Not (a + b + c + d) / 2: where a value lies on the border, the wavelet's rounding decides.
    down = values[1::2] * half + values[::2] * half
    low = down[:, 1::2] * half + down[:, ::2] * half
    rows, columns = low.shape[0] // BLOCK, low.shape[1] // BLOCK
    cut = low[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    blocks = np.abs(cut.transpose(0, 2, 1, 3).reshape(rows * columns, BLOCK * BLOCK)[:, 1:])
    return np.asarray(blocks.max(axis=1) % STEP > STEP / 2)


def fit(message: Message, bits: Bits) -> Match:
    """How well the blocks' bits fit a message that repeats over them."""
    length = len(message.bits)
    places = np.arange(len(bits)) % length
    ones = np.bincount(places, weights=bits, minlength=length)
    counts = np.bincount(places, minlength=length)
    # The package's own majority: a mean times 255 above 127.
    read_as = ones * 255 > 127 * np.maximum(counts, 1)
    agree = float(np.mean(bits == message.bits[places])) if len(bits) else 0.0
    return Match(message, int(np.sum(read_as == message.bits)), agree)


def _finding(match: Match) -> Finding:
    length = len(match.message.bits)
    return Finding(
        Source.WATERMARK, Says.AI, f"Watermark of {match.message.name}",
        f"The pixels carry the invisible watermark that {match.message.name}'s own program writes: "
        f"{match.right} of its {length} bits were read.",
        facts={"tool": match.message.name, "bits": length, "bits_right": match.right,
               "blocks_agree": round(match.agree, 3)},
    )  # fmt: skip
