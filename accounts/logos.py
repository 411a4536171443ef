"""An organisation's logo: from whatever was uploaded to a small picture of our own making."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from accounts.errors import Refused

MOST_BYTES = 2 * 1024 * 1024
MOST_PIXELS = 16_000_000  # a few kilobytes can claim gigabytes: looked at before anything is decoded
SIDE = 256  # pixels; what is larger is made smaller
FORMATS = ["PNG", "JPEG", "WEBP"]
TOO_MANY_PIXELS = "The picture has too many pixels: 4000 × 4000 is the most."
UNREADABLE = "This is not a picture that we can read. Choose a PNG, JPEG or WebP file."


def logo_from(data: bytes) -> bytes:
    """The picture anew, as a PNG of at most 256 × 256 pixels. Nothing else of the file goes along.

    Raises:
        Refused: ``logo``, whatever is wrong with the bytes; nothing else is raised.
    """
    if len(data) > MOST_BYTES:
        raise Refused("logo", "The file is too large: a logo may have 2 MB. Make it smaller, then try again.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that are refused below, and of broken metadata
            return _png(_small(data))
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused("logo", TOO_MANY_PIXELS) from None
    except Exception:  # decoders raise whatever they like at files that are made to break them
        raise Refused("logo", UNREADABLE) from None


def _small(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Refused("logo", TOO_MANY_PIXELS)
        image.draft("RGB", (SIDE, SIDE))  # JPEGs are decoded no larger than is needed
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return upright


def _png(image: Image.Image) -> bytes:
    bare, out = Image.new("RGBA", image.size), io.BytesIO()
    bare.paste(image)  # the pixels alone: no metadata, no profile
    bare.save(out, "PNG", optimize=True)
    return out.getvalue()
