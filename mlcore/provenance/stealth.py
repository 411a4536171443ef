"""Text in the lowest bits of pixels, as "stealth pnginfo" puts it (NovelAI, web UI, SwarmUI).

Bits run down the first column, then the next: of alpha one a pixel, of red, green and blue three.
They hold a signature of 15 letters, the length of what follows in bits (32 bits, big-endian), and the
text in UTF-8, deflated with gzip where the signature says so (ashen-sensored,
sd_webui_stealth_pnginfo; NovelAI, novelai-image-metadata).

Only files without loss can carry it: PNG and lossless WebP.
"""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore.provenance import blocks
from mlcore.provenance.text import decoded
from mlcore.provenance.texts import Text

SIGNATURES = {
    b"stealth_pnginfo": False, b"stealth_pngcomp": True, b"stealth_rgbinfo": False, b"stealth_rgbcomp": True,
}  # fmt: skip
LETTERS = 15
MOST_BYTES = 1 << 20  # of the text, before and after inflating
GZIP = 31  # zlib's window for gzip with its head
Bits = NDArray[np.uint8]


def read(data: bytes) -> list[Text]:
    """The hidden texts of a file that is known to be decodable within the limits; [] for none.

    Raises:
        OSError, ValueError: the file cannot be decoded after all.
    """
    if not _may_carry(data):
        return []
    with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as image:
        if image.mode not in ("RGB", "RGBA"):
            return []
        pixels = np.asarray(image)
    planes = {"transparency": pixels[:, :, 3:], "colours": pixels[:, :, :3]}
    texts = {name: _text(plane) for name, plane in planes.items() if plane.shape[2]}
    return [Text(f"lowest bits of the {name}", "", text) for name, text in texts.items() if text]


def _may_carry(data: bytes) -> bool:
    if data[:8] == blocks.PNG_HEAD:
        return len(data) > 25 and data[24] == 8
    return data[8:12] == b"WEBP" and any(kind == b"VP8L" for kind, _, _ in blocks.riff(data[: 1 << 20]))


def _text(plane: NDArray[np.uint8]) -> str:
    """The text of an (h, w, channels) plane."""
    head = _bytes(plane, 0, LETTERS + 4)
    deflated = SIGNATURES.get(head[:LETTERS])
    length = int.from_bytes(head[LETTERS:], "big") // 8
    if deflated is None or not 0 < length <= MOST_BYTES:
        return ""
    body = _bytes(plane, LETTERS + 4, length)
    return decoded(_inflated(body) if deflated else body)


def _bytes(plane: NDArray[np.uint8], start: int, count: int) -> bytes:
    """``count`` bytes from byte ``start`` of the bits, column by column; only these columns are read."""
    height, width, channels = plane.shape
    column = height * channels  # bits
    first, last = 8 * start // column, min(width, -(-8 * (start + count) // column))
    bits = (plane[:, first:last].transpose(1, 0, 2).reshape(-1) & 1)[8 * start - first * column :]
    return np.packbits(bits[: 8 * count]).tobytes()


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompressobj(GZIP).decompress(body, MOST_BYTES)
    except zlib.error:
        return b""
