"""Files to pictures: what is let in, how it is made upright and plain, and clear refusals.

Everything that can be known before decoding is checked before decoding, since a few
kilobytes can claim gigabytes of pixels. Needs Pillow and pillow-heif only, so the web
process can use it.
"""

from __future__ import annotations

import hashlib
import io
import re
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath

import pillow_heif
from PIL import ExifTags, Image, UnidentifiedImageError

from mlcore import containers
from mlcore.contracts import ImageFacts, Picture
from mlcore.errors import ImageRefused
from mlcore.pixels import to_rgb

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow warns of large pictures and of corrupt EXIF; here both end in a sentence for people.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

MIB = 1024 * 1024
MOST_SCANS = 100  # of a JPEG: encoders write up to 12 or so; within TIFF files libtiff stops at 100, too
MOST_SEGMENTS = 10_000  # of a JPEG: 25 MiB hold 400 of full length
MOST_VALUES = 500_000  # in a TIFF's tags: enough for tiles of 16 × 16 on 50 megapixels
MOST_EXIF = MIB  # each of its numbers becomes an object of some 60 bytes
ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"}, "MPO": {".jpg", ".jpeg", ".mpo"}, "PNG": {".png", ".apng"},
    "WEBP": {".webp"}, "GIF": {".gif"}, "BMP": {".bmp", ".dib"}, "TIFF": {".tif", ".tiff"},
    "HEIF": {".heic", ".heif", ".hif"}, "AVIF": {".avif"},
}  # fmt: skip
FRAME_WORDS = {"TIFF": "pages", "MPO": "pictures", "HEIF": "pictures"}
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What is examined. ``ratio`` is the longer side over the shorter."""

    bytes: int = 25 * MIB
    pixels: int = 50_000_000
    min_side: int = 8
    ratio: float = 20.0


DEFAULT_LIMITS = Limits()


def examine(data: bytes, name: str, limits: Limits = DEFAULT_LIMITS) -> Picture:
    """Decode a file's bytes to an upright 8-bit RGB picture, with the facts of the file.

    The format is told by content; ``name`` is used in sentences and to note a wrong ending.
    Of an animation the first frame is taken. Whatever had to be decided is in ``facts.notes``.

    Raises:
        ImageRefused: with ``code`` empty_file, too_large, not_an_image, unsupported_format,
            truncated, too_many_pixels, too_complex, too_small or extreme_ratio. Nothing else
            is raised, whatever the bytes.
    """
    name = clean_name(name)
    _check_bytes(data, name, limits)
    formats = _sniff(data, name)
    _check_claims(data, formats, name, limits)
    image = _open(data, formats, name, limits)
    _check_size(image.size, name, limits)
    notes = [*_name_notes(name, image.format or ""), *_drop_huge_exif(image)]
    stored, mode, frames = _orientation(image), image.mode, _frames(data, image.format or "")
    notes += _frame_notes(frames, image.format or "")
    upright, more = _decode(image, name)
    facts = ImageFacts(
        format=image.format or "", mime=Image.MIME.get(image.format or "", "application/octet-stream"),
        bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), width=upright.width,
        height=upright.height, mode=mode, frames=frames,
        orientation=stored if stored in TRANSPOSE else 1, notes=(*notes, *more, *_exif_notes(image, stored)),
    )  # fmt: skip
    return Picture(upright, facts)


def clean_name(raw: str) -> str:
    """A file's name for people: last part of any path, no control or bidi characters, 1–255 long.

    What is too long is shortened in the middle, so that the ending stays.
    """
    parts = [part for part in raw.replace("\\", "/").split("/") if part.strip(". \t\r\n\0")]
    name = unicodedata.normalize("NFC", parts[-1] if parts else "")
    # C*: control, format (bidi marks among them), surrogate, private, unassigned.
    name = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " * c.isspace() for c in name)
    name = " ".join(name.split())
    if not name.strip(". "):
        return "image"
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix) <= 16 else ""
    return name if len(name) <= 255 else name[: 254 - len(suffix)].rstrip() + "…" + suffix


def preview(picture: Picture, side: int) -> tuple[bytes, str]:
    """Encode for a browser, the longer side at most ``side`` pixels: (bytes, mime).

    Small pictures come out as they are, without loss, so that what is shown is what was
    judged; others as JPEG. No metadata of the file goes along.
    """
    image, out = picture.image, io.BytesIO()
    if max(image.size) <= min(side, 512):
        image.save(out, "PNG")
        return out.getvalue(), "image/png"
    scale = side / max(image.size)
    if scale < 1:  # not Image.thumbnail, which needs a copy of the whole
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    image.save(out, "JPEG", quality=85)
    return out.getvalue(), "image/jpeg"


def _check_bytes(data: bytes, name: str, limits: Limits) -> None:
    if not data:
        raise ImageRefused(f"{name} is empty. Choose the file again, or save it anew.", code="empty_file")
    if len(data) > limits.bytes:
        raise ImageRefused(
            f"{name} has {len(data) / MIB:.1f} MB; the limit is {limits.bytes / MIB:.0f} MB. "
            "Save it smaller and try again.",
            code="too_large",
        )


def _sniff(data: bytes, name: str) -> tuple[str, ...]:
    """Pillow's names of the formats that the first bytes allow."""
    if formats := containers.formats(data[:512]):
        return formats
    if other := containers.other(data[:512]):
        raise ImageRefused(
            f"{name} is {other}, which is not examined. Save it as {ACCEPTED}.", code="unsupported_format"
        )
    raise ImageRefused(f"{name} is not an image. Choose a {ACCEPTED} file.", code="not_an_image")


def _check_claims(data: bytes, formats: tuple[str, ...], name: str, limits: Limits) -> None:
    """What a decoder would spend minutes or gigabytes on, some of it as soon as it opens the file."""
    if "JPEG" in formats:
        found = containers.jpeg(data, MOST_SEGMENTS)
        if found.scans > MOST_SCANS:
            raise _too_complex(name, f"more than {MOST_SCANS} scans")
        if found.segments > MOST_SEGMENTS:
            raise _too_complex(name, f"more than {MOST_SEGMENTS:,} segments")
    if "TIFF" in formats:
        claims = containers.tiff(data, MOST_VALUES)
        if claims.tile > limits.pixels:
            raise _too_many(name, claims.tile, limits, "a tile of ")
        if claims.values > MOST_VALUES:
            raise _too_complex(name, f"more than {MOST_VALUES:,} numbers in its tags")


def _open(data: bytes, formats: tuple[str, ...], name: str, limits: Limits) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        raise _too_many(name, int(count.group()) if count else 0, limits) from None
    except UnidentifiedImageError:
        raise _damaged(name) from None
    except Exception as error:  # decoders raise whatever they like at hostile bytes
        raise _damaged(name) from error


def _check_size(size: tuple[int, int], name: str, limits: Limits) -> None:
    width, height = size
    if width * height > limits.pixels:
        raise _too_many(name, width * height, limits)
    if min(size) < limits.min_side:
        raise ImageRefused(
            f"{name} is {width} × {height} pixels; at least {limits.min_side} on each side are needed. "
            "Choose a larger version.",
            code="too_small",
        )
    if max(size) > limits.ratio * min(size):
        raise ImageRefused(
            f"{name} is {width} × {height} pixels; one side may be at most {limits.ratio:.0f} times "
            "the other. Cut out the part that matters.",
            code="extreme_ratio",
        )


def _too_many(name: str, pixels: int, limits: Limits, of: str = "") -> ImageRefused:
    return ImageRefused(
        f"{name} has {of}{pixels / 1e6:.0f} megapixels; the limit is {limits.pixels / 1e6:.0f}. "
        "Make it smaller and try again.",
        code="too_many_pixels",
    )


def _too_complex(name: str, what: str) -> ImageRefused:
    return ImageRefused(
        f"{name} has {what}, which would take too long to decode. "
        "Open it in a picture editor and save it anew.",
        code="too_complex",
    )


def _damaged(name: str) -> ImageRefused:
    return ImageRefused(
        f"{name} is damaged or incomplete and cannot be decoded. Save or download it again.", code="truncated"
    )


def _frames(data: bytes, form: str) -> int:
    """Counted on a handle of its own: seeking would spoil the one that gets decoded."""
    if form == "TIFF":  # Pillow looks each page up in a list of all before it
        return containers.tiff(data, 0).pages
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",) if form == "MPO" else (form,)) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # a broken later frame is no reason to refuse the first
        return 1


def _frame_notes(frames: int, form: str) -> list[str]:
    if frames <= 1:
        return []
    count = str(frames) if frames <= containers.MOST_PAGES else f"more than {containers.MOST_PAGES:,}"
    return [f"Only the first of its {count} {FRAME_WORDS.get(form, 'frames')} is examined."]


def _drop_huge_exif(image: Image.Image) -> list[str]:
    if len(image.info.get("exif") or b"") <= MOST_EXIF:
        return []
    del image.info["exif"]
    return [f"Its EXIF data is larger than {MOST_EXIF // MIB} MB and was ignored."]


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation as stored; 1 where there is none, 0 where it cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # EXIF is the sender's bytes: struct.error, KeyError, SyntaxError, …
        return 0
    return value if isinstance(value, int) and 1 <= value <= 8 else 0


def _decode(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    try:
        image.load()
        plain, notes = to_rgb(image)
    except Exception as error:
        raise _damaged(name) from error
    # Asked again after loading: Pillow's TIFF reader turns the picture itself.
    turn = TRANSPOSE.get(_orientation(image))
    return (plain.transpose(turn) if turn is not None else plain), notes


def _name_notes(name: str, form: str) -> list[str]:
    suffix = PurePosixPath(name).suffix.lower()
    known = set().union(*SUFFIXES.values())
    if suffix in known and suffix not in SUFFIXES.get(form, known):
        return [f"Its name ends in {suffix}, but it is a {form} file."]
    return []


def _exif_notes(image: Image.Image, stored: int) -> list[str]:
    if stored == 0:
        return ["Its EXIF data gives an orientation that does not exist, which was ignored."]
    try:
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        said = (int(exif[ExifTags.Base.ExifImageWidth]), int(exif[ExifTags.Base.ExifImageHeight]))
    except Exception:
        return []
    if sorted(said) == sorted(image.size):
        return []
    return [
        f"Its EXIF data speaks of {said[0]} × {said[1]} pixels, so it was probably resized or edited since."
    ]
