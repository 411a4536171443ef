"""Makes of a file's bytes what decoders take: bounded first, then without its harmless oddities.

Browsers show pictures with a wrong checksum in a side note, without an end marker, or with the last
percent missing; decoders refuse them, or spend minutes on what carries no picture. Each module here
knows one format: it walks the structure within fixed bounds, and gives bytes with the picture alone.
Nothing is decoded by them, and the original stays what is stored and hashed.
"""

from __future__ import annotations

from mlcore.repair import bmp, gif, isobmff, jpeg, png, tiff, webp
from mlcore.repair.prepared import Incomplete, Prepared, TooComplex, TooManyPixels, Unsupported

__all__ = ["Incomplete", "Prepared", "TooComplex", "TooManyPixels", "Unsupported", "prepare"]

FORMATS = {
    "JPEG": jpeg.prepare, "PNG": png.prepare, "GIF": gif.prepare, "WEBP": webp.prepare, "BMP": bmp.prepare,
    "AVIF": isobmff.prepare, "TIFF": tiff.prepare,
}  # fmt: skip


def prepare(data: bytes, formats: tuple[str, ...], most_pixels: int) -> Prepared:
    """A file as its decoder is to get it. ``formats``: as :func:`mlcore.containers.formats` gives them.

    Raises:
        TooComplex, TooManyPixels: a decoder would take minutes or gigabytes.
        Unsupported: a variant of the format that is not examined.
        Incomplete: too much of the picture is missing.
    """
    return FORMATS[formats[0]](data, most_pixels)
