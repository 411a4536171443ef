"""Files to pictures: what is let in, how it is made upright and plain, and clear refusals.

Everything that can be known before decoding is checked before decoding, since a few
kilobytes can claim gigabytes of pixels. Needs Pillow and pillow-heif only, so the web
process can use it.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import pillow_heif
from PIL import ExifTags, Image

from mlcore import containers, repair
from mlcore.contracts import ImageFacts, Picture, Saved
from mlcore.errors import ImageRefused
from mlcore.names import clean_name
from mlcore.pixels import to_rgb
from mlcore.provenance import jpegs, webp
from mlcore.repair.prepared import END_MISSING, Prepared, missing_note, missing_share

__all__ = ["ACCEPTED", "DEFAULT_LIMITS", "MIB", "Limits", "clean_name", "examine", "preview", "size_words"]

pillow_heif.register_heif_opener(thumbnails=False)
# Pillow warns of large pictures and of corrupt EXIF; here both end in a sentence for people.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

MIB = 1024 * 1024
UNITS = ((1024 * MIB, "GB"), (MIB, "MB"), (1024, "KB"), (1, "bytes"))
MOST_EXIF = MIB  # each of its numbers becomes an object of some 60 bytes
MOST_PROFILE = 8 * MIB
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
            unsupported_variant, truncated, too_many_pixels, too_complex, too_small or extreme_ratio.
            Nothing else is raised, whatever the bytes.
    """
    name = clean_name(name)
    _check_bytes(data, name, limits)
    formats = _sniff(data, name)
    with _in_sentences(name, limits):
        loaded = _loaded(data, formats, name, limits)
        upright, more = _upright(loaded)
    image, stored = loaded.image, loaded.orientation
    frames = loaded.frames
    notes = [
        *_name_notes(name, image.format or ""),
        *loaded.notes,
        *_frame_notes(frames, image.format or "", loaded.page),
    ]
    facts = ImageFacts(
        format=image.format or "", mime=Image.MIME.get(image.format or "", "application/octet-stream"),
        bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), width=upright.width,
        height=upright.height, mode=image.mode, frames=frames,
        orientation=stored if stored in TRANSPOSE else 1, notes=(*notes, *more, *_exif_notes(image, stored)),
    )  # fmt: skip
    return Picture(upright, facts, _saved(data, image))


def _saved(data: bytes, image: Image.Image) -> Saved | None:
    if image.format == "WEBP":
        quality = webp.quality(data)
        return Saved("WEBP", quality) if quality else None
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    return Saved("JPEG", jpegs.quality(tuple(tables[min(tables)]))[0])  # the first is the luminance's


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


def size_words(count: int) -> str:
    """A limit in bytes, for people: never rounded to a larger one."""
    unit, word = next((unit, word) for unit, word in UNITS if count >= unit or unit == 1)
    return f"{math.floor(count / unit * 10) / 10:g} {word}"


def _check_bytes(data: bytes, name: str, limits: Limits) -> None:
    if not data:
        raise ImageRefused(f"{name} is empty. Choose the file again, or save it anew.", code="empty_file")
    if len(data) > limits.bytes:
        raise ImageRefused(
            f"{name} is larger than {size_words(limits.bytes)}. Save it smaller and try again.",
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


class _Undecodable(Exception):
    """The decoder did not take the bytes."""


@contextmanager
def _in_sentences(name: str, limits: Limits) -> Iterator[None]:
    try:
        yield
    except repair.TooComplex as error:
        raise _too_complex(name, str(error)) from None
    except repair.TooManyPixels as error:
        raise _too_many(name, error.pixels, limits, error.what) from None
    except repair.Unsupported as error:
        raise _unsupported(name, str(error)) from None
    except MemoryError:
        raise _too_complex(name, "more to it than there is memory for") from None
    except (repair.Incomplete, _Undecodable) as error:
        raise _damaged(name) from error


@dataclass(frozen=True)
class _Loaded:
    """A decoded image as the file has it, with what it says of itself."""

    image: Image.Image
    orientation: int
    frames: int
    notes: list[str]
    page: int


def _loaded(data: bytes, formats: tuple[str, ...], name: str, limits: Limits) -> _Loaded:
    prepared = repair.prepare(data, formats, limits.pixels)
    try:
        return _decoded(prepared, formats, name, limits)
    except _Undecodable:
        if prepared.variant:
            raise repair.Unsupported(prepared.variant) from None
        if prepared.again is None:
            raise
        return _decoded(prepared.again(), formats, name, limits)


def _decoded(prepared: Prepared, formats: tuple[str, ...], name: str, limits: Limits) -> _Loaded:
    image = _open(prepared.data, formats, name, limits)
    if prepared.page:
        _turn_to(image, prepared.page)
    _check_size(image.size, name, limits)
    notes = [*prepared.notes, *_tidied(image, prepared)]
    orientation = _orientation(image)
    _load(image)
    if prepared.other is not None and (prepared.cut or _ends_empty(image)):
        other = _open(prepared.other, formats, name, limits)
        _load(other)
        share = missing_share(image, other)
        notes += [missing_note(share)] if share else [END_MISSING] if prepared.cut else []
    form = image.format or ""
    frames = _frames(prepared.data, form) if prepared.frames is None else prepared.frames
    return _Loaded(image, orientation, min(frames, containers.MOST_PAGES + 1), notes, prepared.page)


def _open(data: bytes, formats: tuple[str, ...], name: str, limits: Limits) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        raise _too_many(name, int(count.group()) if count else 0, limits) from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like at hostile bytes
        raise _Undecodable from error


def _turn_to(image: Image.Image, page: int) -> None:
    try:
        image.seek(page)
    except Exception as error:
        raise _Undecodable from error


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise _Undecodable from error


def _upright(loaded: _Loaded) -> tuple[Image.Image, list[str]]:
    try:
        plain, notes = to_rgb(loaded.image)
    except MemoryError:
        raise
    except Exception as error:
        raise _Undecodable from error
    # Asked again after loading: Pillow's TIFF reader turns the picture itself.
    turn = TRANSPOSE.get(_orientation(loaded.image))
    return (plain.transpose(turn) if turn is not None else plain), notes


def _ends_empty(image: Image.Image) -> bool:
    """Whether the last pixel is what JPEG decoders leave where there is no data: medium grey."""
    last = image.getpixel((image.width - 1, image.height - 1))
    return all(value in (127, 128) for value in (last if isinstance(last, tuple) else (last,)))


def _tidied(image: Image.Image, prepared: Prepared) -> list[str]:
    """Removes what must have no say: browsers turn by EXIF alone, never by XMP."""
    for name in ("xmp", "XML:com.adobe.xmp", "Raw profile type exif"):
        image.info.pop(name, None)
    image.info.update(prepared.info)
    notes = _drop_huge(image, "exif", "EXIF data", MOST_EXIF)
    return notes + _drop_huge(image, "icc_profile", "colour profile", MOST_PROFILE)


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
    has, most = f"{pixels / 1e6:.0f}", f"{limits.pixels / 1e6:.0f}"
    said = f"{has} megapixels; the limit is {most}" if has != most else f"more than {most} megapixels"
    return ImageRefused(f"{name} has {of}{said}. Make it smaller and try again.", code="too_many_pixels")


def _too_complex(name: str, what: str) -> ImageRefused:
    return ImageRefused(
        f"{name} has {what}, and is not decoded. Open it in a picture editor and save it anew.",
        code="too_complex",
    )


def _unsupported(name: str, what: str) -> ImageRefused:
    way = (
        "Develop it and save the picture as JPEG"
        if what == containers.CAMERA_RAW
        else ("Open it in a picture editor and save it as a usual JPEG or PNG")
    )
    return ImageRefused(
        f"{name} is {what}, a variant that is not examined. {way}.", code="unsupported_variant"
    )


def _damaged(name: str) -> ImageRefused:
    return ImageRefused(
        f"{name} is damaged or incomplete and cannot be decoded. Save or download it again.", code="truncated"
    )


def _frames(data: bytes, form: str) -> int:
    """Counted on a handle of its own: seeking would spoil the one that gets decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",) if form == "MPO" else (form,)) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # a broken later frame is no reason to refuse the first
        return 1


def _frame_notes(frames: int, form: str, page: int) -> list[str]:
    if page:
        return [f"Its page {page + 1} is examined: those before it are thumbnails."]
    if frames <= 1:
        return []
    count = str(frames) if frames <= containers.MOST_PAGES else f"more than {containers.MOST_PAGES:,}"
    return [f"Only the first of its {count} {FRAME_WORDS.get(form, 'frames')} is examined."]


def _drop_huge(image: Image.Image, entry: str, words: str, most: int) -> list[str]:
    if len(image.info.get(entry) or b"") <= most:
        return []
    del image.info[entry]
    return [f"Its {words} is larger than {most // MIB} MB and was ignored."]


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation as stored; 1 where there is none, 0 where it cannot be read."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # EXIF is the sender's bytes: struct.error, KeyError, SyntaxError, …
        return 0
    return value if isinstance(value, int) and 1 <= value <= 8 else 0


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
