"""Any decoded image to 8-bit sRGB, with a sentence for each thing that had to be decided."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Values = NDArray[Any]
STRIP = 1 << 18  # pixels that are converted at a time
WHITE = (255, 255, 255)
PROFILE_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert a loaded image of any of Pillow's modes to RGB, and say what was changed.

    Deep images keep their upper 8 bits, transparency is laid on white, and a usable ICC
    profile other than sRGB is converted from. An unusable one is ignored.

    Raises:
        ValueError: a mode that has no way to RGB.
    """
    profile = image.info.get("icc_profile")
    plain, notes = _plain(image)
    if not profile:
        return (plain if plain.mode == "RGB" else plain.convert("RGB")), notes
    managed, note = _from_profile(plain, profile)
    return managed, [*notes, *note]


def _plain(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """To one of L, RGB and CMYK, eight bits a channel, opaque."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return _shallow(image)
    if mode in {"L", "CMYK"} and "transparency" not in image.info:
        return image, ["Its CMYK colours were converted to RGB."] if mode == "CMYK" else []
    if mode == "LAB":
        return _from_lab(image), ["Its Lab colours were converted to RGB."]
    if image.has_transparency_data:
        return _flatten(image.convert("RGBA"))
    return image.convert("RGB"), []


def _flatten(image: Image.Image) -> tuple[Image.Image, list[str]]:
    alpha = image.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return image.convert("RGB"), []
    flat = Image.new("RGB", image.size, WHITE)
    flat.paste(image, mask=alpha)
    return flat, ["Its transparent parts were laid on white."]


def _shallow(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """One deep channel to L: 16 bits by their upper byte, wider ones by stretching."""
    if image.mode.startswith("I;16"):
        return _by_strips(image, lambda values: values >> 8), ["Its 16-bit values were reduced to 8 bits."]
    extremes = [(values.min(), values.max()) for _, values in _strips(image, _finite)]
    low = min(least for least, _ in extremes)
    span = (max(most for _, most in extremes) - low) or 1.0
    stretched = _by_strips(image, lambda values: np.rint((_finite(values) - low) * (255.0 / span)))
    return stretched, ["Its 32-bit values were stretched to 8 bits, darkest to lightest."]


def _by_strips(image: Image.Image, convert: Callable[[Values], Values]) -> Image.Image:
    made = Image.new("L", image.size)
    for top, values in _strips(image, convert):
        made.paste(Image.fromarray(values.astype(np.uint8)), (0, top))
    return made


def _strips(image: Image.Image, convert: Callable[[Values], Values]) -> Iterator[tuple[int, Values]]:
    """A few rows at a time: NumPy's copies of a whole deep picture would take a gigabyte."""
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        yield top, convert(np.asarray(strip))


def _finite(values: Values) -> Values:
    # In float64 the widest range of float32 can still be subtracted.
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return _converted(image, lab, srgb)


def _from_profile(image: Image.Image, data: bytes) -> tuple[Image.Image, list[str]]:
    ignored = ["Its colour profile is broken or does not fit its colours, and was ignored."]
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space.strip() != PROFILE_SPACES[image.mode]:
            return image.convert("RGB"), ignored
        name = ImageCms.getProfileDescription(profile).strip()
        # Converting sRGB to sRGB would only add rounding to the pixels that are judged.
        if image.mode == "RGB" and "srgb" in name.lower():
            return image, []
        managed = _converted(image, profile, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image.convert("RGB"), ignored
    return managed, [f"Its colours were converted from the profile “{name[:60]}” to sRGB."]


def _converted(image: Image.Image, source: object, target: object) -> Image.Image:
    made = ImageCms.profileToProfile(image, source, target, outputMode="RGB")  # type: ignore[arg-type]
    if made is None:  # only with inPlace=True, says the type
        raise ValueError("no conversion")
    return made
