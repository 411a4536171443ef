"""TIFF (6.0), from whose tags decoders make objects before they decode; camera raw is told from it."""

from __future__ import annotations

from mlcore import containers
from mlcore.repair.prepared import Prepared, TooComplex, TooManyPixels, Unsupported

MOST_VALUES = 500_000  # in its tags: enough for tiles of 16 × 16 on 50 megapixels
KNOWN = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000, 50001}  # ways of packing


def prepare(data: bytes, most_pixels: int) -> Prepared:
    claims = containers.tiff(data, MOST_VALUES)
    if claims.raw:
        raise Unsupported(containers.CAMERA_RAW)
    if claims.tile > most_pixels:
        raise TooManyPixels(claims.tile, "a tile of ")
    if claims.values > MOST_VALUES:
        raise TooComplex(f"more than {MOST_VALUES:,} numbers in its tags")
    packed = claims.compression
    variant = "" if packed in KNOWN else f"a TIFF packed in an unusual way ({packed})"
    # Pillow looks each page up in a list of all before it.
    return Prepared(data, frames=claims.pages, variant=variant, page=claims.page)
