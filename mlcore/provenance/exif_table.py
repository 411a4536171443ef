"""All of a file's EXIF data as a table for people: exposure, lens, time, place, and the rest by tag.

It decides nothing. Names are those of the standard (CIPA DC-008-2019), as Pillow lists them. Values are read
within bounds: a directory may claim a gigabyte for each of 60,000 tags.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PIL.ExifTags import GPSTAGS, TAGS

from mlcore.provenance.exif import EXIF, GPS, Reader
from mlcore.provenance.text import clean, decoded, reads_as_text, user_comment

MOST_ROWS = 150
MOST_TEXT = 300  # characters of one value
MOST_VALUES = 16  # numbers of one value
FORMATS = {3: "H", 4: "I", 5: "II", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}  # of one value, by its type
PLAIN = {2, 7}  # text, and bytes of which some are text
TEXTS = {37510, 40091, 40092, 40093, 40094, 40095}  # which some programs write as plain bytes
# Data blocks and links within the file, which are nobody's reading.
LEFT_OUT = {EXIF, GPS, 330, 40965, 513, 514, 700, 33723, 34377, 34675, 37500, 50341, 59932}

Value = tuple[float | str, ...]


@dataclass
class Table:
    """``rows`` are (label, text); ``place`` is (latitude, longitude) in degrees, north and east positive."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    place: tuple[float, float] | None = None


def read(data: bytes) -> Table:
    """Of a TIFF header and its first directories; never raises."""
    reader = Reader.of(data)
    found: dict[str, str] = {}
    where: dict[int, Value] = {}
    for group, tag, value in _values(reader) if reader else ():
        if group == GPS:
            where[tag] = value
        if tag in LEFT_OUT or len(found) >= MOST_ROWS or not value:
            continue
        names = GPSTAGS if group == GPS else TAGS
        text = clean(_text(group, tag, value), MOST_TEXT)
        if text:
            found.setdefault(_label(str(names.get(tag, f"Tag {tag}"))), text)
    return Table(list(found.items()), _place(where))


def _values(reader: Reader) -> Iterator[tuple[int, int, Value]]:
    """(directory, tag, its values) of the first directory and of those below it."""
    below: list[tuple[int, int]] = []
    for tag, kind, count, at in reader.tags(reader.first):
        if tag in (EXIF, GPS) and len(below) < 2:
            below.append((tag, reader.number(at, 4)))
        yield 0, tag, _value(reader, tag, kind, count, at)
    for group, place in below:
        for tag, kind, count, at in reader.tags(place):
            yield group, tag, _value(reader, tag, kind, count, at)


def _value(reader: Reader, tag: int, kind: int, count: int, at: int) -> Value:
    if kind in PLAIN or tag in TEXTS:
        raw = reader.data[at : at + min(count, 4 * MOST_TEXT)]
        text = (decoded if kind == 2 else user_comment)(raw, reader.order == ">").strip("\0 \r\n\t")
        return (text,) if reads_as_text(text) else ()
    form = FORMATS.get(kind)
    if form is None:
        return tuple(float(each) for each in reader.data[at : at + min(count, MOST_VALUES)])
    most = min(count, MOST_VALUES, (len(reader.data) - at) // struct.calcsize(reader.order + form))
    numbers = struct.unpack_from(reader.order + form * most, reader.data, at)
    if len(form) == 1:
        return tuple(map(float, numbers))
    return tuple(above / below if below else 0.0 for above, below in zip(*[iter(numbers)] * 2, strict=True))


def _label(name: str) -> str:
    """``ExposureBiasValue`` → ``Exposure bias value``; shortenings stay as they are."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).split()
    return " ".join([*words[:1], *(word if word.isupper() else word.lower() for word in words[1:])])


def _text(group: int, tag: int, value: Value) -> str:
    said = WORDS.get((group, tag))
    try:
        if callable(said):
            return said(value)
        if said is not None:
            return said.get(int(value[0]), _plain(value))
    except (ValueError, OverflowError, TypeError, ZeroDivisionError):
        return ""  # no number where one belongs
    return _plain(value)


def _plain(value: Value) -> str:
    return ", ".join(each.strip() if isinstance(each, str) else f"{each:.6g}" for each in value)


def _exposure(value: Value) -> str:
    """Seconds, as cameras show them: 1/250 s, 2.5 s."""
    seconds = float(value[0])
    if not 0 < seconds < 0.3:
        return f"{seconds:.4g} s"
    return f"1/{round(1 / seconds)} s"


def _unit(before: str, after: str = "") -> Callable[[Value], str]:
    return lambda value: f"{before}{float(value[0]):.4g}{after}"


def _flash(value: Value) -> str:
    return "fired" if int(value[0]) & 1 else "did not fire"


def _degrees(value: Value) -> float:
    """Degrees, minutes, seconds; missing ones are 0."""
    parts = [*map(float, value[:3]), 0.0, 0.0, 0.0]
    return parts[0] + parts[1] / 60 + parts[2] / 3600


def _place(where: dict[int, Value]) -> tuple[float, float] | None:
    """None where a part is missing, lies outside of the Earth, or is the 0, 0 of a fix that failed."""
    if not all(where.get(tag) for tag in (1, 2, 3, 4)):
        return None
    try:
        north, east = _degrees(where[2]), _degrees(where[4])
    except ValueError:
        return None
    north *= -1 if str(where[1][0]).upper().startswith("S") else 1
    east *= -1 if str(where[3][0]).upper().startswith("W") else 1
    inside = abs(north) <= 90 and abs(east) <= 180 and (north, east) != (0, 0)
    return (round(north, 6), round(east, 6)) if inside else None


PROGRAMS = {
    1: "manual", 2: "normal", 3: "aperture priority", 4: "shutter priority", 5: "creative", 6: "action",
    7: "portrait", 8: "landscape",
}  # fmt: skip
METERING = {1: "average", 2: "centre-weighted", 3: "spot", 4: "multi-spot", 5: "pattern", 6: "partial"}
AUTO = {0: "automatic", 1: "manual"}
UPRIGHT = {
    1: "upright", 2: "mirrored", 3: "turned by 180°", 4: "upside down, mirrored", 5: "turned left, mirrored",
    6: "turned right", 7: "turned right, mirrored", 8: "turned left",
}  # fmt: skip
WORDS: dict[tuple[int, int], Callable[[Value], str] | dict[int, str]] = {
    (0, 274): UPRIGHT,
    (0, 296): {2: "inch", 3: "centimetre"},
    (EXIF, 33434): _exposure,
    (EXIF, 33437): _unit("f/"),
    (EXIF, 34850): PROGRAMS,
    (EXIF, 34855): _unit("ISO "),
    (EXIF, 37380): _unit("", " EV"),
    (EXIF, 37382): _unit("", " m"),
    (EXIF, 37383): METERING,
    (EXIF, 37385): _flash,
    (EXIF, 37386): _unit("", " mm"),
    (EXIF, 40961): {1: "sRGB", 65535: "uncalibrated"},
    (EXIF, 41986): AUTO,
    (EXIF, 41987): AUTO,
    (EXIF, 41989): _unit("", " mm"),
    (GPS, 2): lambda value: f"{_degrees(value):.6f}°",
    (GPS, 4): lambda value: f"{_degrees(value):.6f}°",
    (GPS, 5): {0: "above sea level", 1: "below sea level"},
    (GPS, 6): _unit("", " m"),
    (GPS, 7): lambda value: ":".join(f"{int(float(each)):02}" for each in value[:3]),
}
