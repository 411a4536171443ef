"""The few EXIF tags that say where a picture comes from, read tag by tag within bounds.

A general reader copies every value that a directory names: 60,000 tags that all point at the
same megabyte become 60 GB. Here only known tags are read, each at most once and shortened, a
directory's tags are counted, and no offset is followed twice (TIFF 6.0, section 2; CIPA
DC-008-2019, 4.6).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from mlcore import containers
from mlcore.provenance.text import decoded, reads_as_text, user_comment

MOST_TAGS = 2000  # of one directory; cameras write some 60
MOST_VALUE = 1 << 20  # bytes of text; numbers have at most 16
MOST_OTHERS, MOST_TRIED, SHORTEST_OTHER = 16, 100, 24  # of tags without a name here; bytes of one
EXIF, GPS = 34665, 34853

TEXTS = {
    269: "document", 270: "description", 271: "make", 272: "model", 305: "software", 306: "modified",
    315: "artist", 316: "host", 33432: "copyright", 36867: "taken", 36868: "digitised", 37510: "comment",
    40091: "title", 40092: "xp_comment", 40093: "xp_author", 40094: "keywords", 40095: "xp_subject",
    42035: "lens_make", 42036: "lens", 42080: "composite",
}  # fmt: skip
NUMBERS = {
    274: "orientation", 33434: "exposure", 33437: "aperture", 34855: "iso", 37386: "focal_length",
    40962: "width", 40963: "height",
}  # fmt: skip
THUMBNAIL, THUMBNAIL_LENGTH = 513, 514
XMP, IPTC, PHOTOSHOP_TAG, GPS_DATE = 700, 33723, 34377, 29


@dataclass
class Exif:
    """``texts`` and ``numbers`` by the names above; ``thumbnail`` is a whole JPEG file or b"".

    ``others`` are (tag, text) of tags without a name here, maker notes among them, and of a second
    value of one that has.
    """

    texts: dict[str, str] = field(default_factory=dict)
    others: list[tuple[int, str]] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    thumbnail: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    gps: bool = False
    gps_date: str = ""
    loops: bool = False


def read(data: bytes) -> Exif:
    """The tags of a TIFF header and its first two directories; never raises."""
    found = Exif()
    if reader := Reader.of(data):
        _Known(reader, found).read()
    return found


class Reader:
    """The tags of directories, each directory once. ``first`` is where the first one lies."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order = data, order
        self.seen: set[int] = set()
        self.loops = False
        self.first = self.number(4, 4)

    @classmethod
    def of(cls, data: bytes) -> Reader | None:
        """None for what has no TIFF header."""
        order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
        return cls(data, order) if order else None

    def tags(self, place: int) -> Iterator[tuple[int, int, int, int]]:
        """(tag, kind, count, where its value begins) for tags whose value lies within the file."""
        if place in self.seen:
            self.loops = True
        if place in self.seen or not 8 <= place < len(self.data):
            return
        self.seen.add(place)
        for number in range(min(self.number(place, 2), MOST_TAGS)):
            at = place + 2 + 12 * number
            if at + 12 > len(self.data):
                return
            tag, kind, count = struct.unpack_from(self.order + "HHI", self.data, at)
            where = at + 8 if self.size(kind, count) <= 4 else self.number(at + 8, 4)
            if where < len(self.data):
                yield tag, kind, count, where

    def size(self, kind: int, count: int) -> int:
        return containers.TYPE_SIZES.get(kind, 1) * count

    def number(self, place: int, size: int) -> int:
        return int.from_bytes(self.data[place : place + size], "little" if self.order == "<" else "big")


class _Known:
    """Keeps the tags that have a name here."""

    def __init__(self, reader: Reader, found: Exif) -> None:
        self.reader, self.data, self.found = reader, reader.data, found
        self.tried = 0

    def read(self) -> None:
        children, link = self._directory(self.reader.first)
        for kind, place in children:
            self._directory(place) if kind == EXIF else self._gps(place)
        self._thumbnail(link)
        self.found.loops = self.reader.loops

    def _directory(self, place: int) -> tuple[list[tuple[int, int]], int]:
        """Keeps what is known; gives the directories below and where the next one is."""
        children: list[tuple[int, int]] = []
        for tag, kind, count, at in self.reader.tags(place):
            name = TEXTS.get(tag) or NUMBERS.get(tag, "")
            plain = kind in containers.PLAIN_BYTES
            if tag in TEXTS and plain and name not in self.found.texts:
                self.found.texts[name] = self._text(tag, kind, count, at)
            elif tag in NUMBERS and name not in self.found.numbers:
                self.found.numbers[name] = self._value(kind, at)
            elif tag in (EXIF, GPS) and len(children) < 2:
                children.append((tag, self.reader.number(at, 4)))
            elif tag in (XMP, IPTC, PHOTOSHOP_TAG):
                self._block(tag, self.data[at : at + min(self.reader.size(kind, count), MOST_VALUE)])
            elif plain and tag not in NUMBERS and self.reader.size(kind, count) >= SHORTEST_OTHER:
                self._other(tag, kind, count, at)
        return children, self.reader.number(place + 2 + 12 * self.reader.number(place, 2), 4)

    def _other(self, tag: int, kind: int, count: int, at: int) -> None:
        """Kept where its first bytes are a text's: most maker notes and previews are none."""
        room = MOST_VALUE - sum(len(text) for _, text in self.found.others)
        self.tried += 1
        full = len(self.found.others) >= MOST_OTHERS or self.tried > MOST_TRIED
        if full or self.reader.size(kind, count) > room:
            return
        length = min(self.reader.size(kind, count), 72)
        head = user_comment(self.data[at : at + length], self.reader.order == ">")
        if reads_as_text(head):
            self.found.others.append((tag, self._text(tag, kind, count, at)))

    def _block(self, tag: int, body: bytes) -> None:
        from mlcore.provenance.blocks import photoshop_iptc

        if tag == XMP:
            self.found.xmp = self.found.xmp or body
        else:
            self.found.iptc = self.found.iptc or (body if tag == IPTC else photoshop_iptc(body))

    def _gps(self, place: int) -> None:
        for tag, kind, count, at in self.reader.tags(place):
            self.found.gps = True
            if tag == GPS_DATE and not self.found.gps_date:
                self.found.gps_date = self._text(tag, kind, count, at)[:20]

    def _thumbnail(self, place: int) -> None:
        values = {
            tag: int(self._value(kind, at))
            for tag, kind, _, at in self.reader.tags(place)
            if tag in (THUMBNAIL, THUMBNAIL_LENGTH)
        }
        start, length = values.get(THUMBNAIL, 0), values.get(THUMBNAIL_LENGTH, 0)
        if 0 < start < len(self.data) and 0 < length <= 1 << 18:
            self.found.thumbnail = self.data[start : start + length]

    def _text(self, tag: int, kind: int, count: int, at: int) -> str:
        """What has no name here may have a head as a comment has."""
        raw = self.data[at : at + min(self.reader.size(kind, count), MOST_VALUE)]
        read_as = user_comment if TEXTS.get(tag, "comment") == "comment" else decoded
        return read_as(raw, self.reader.order == ">").strip("\0 ")

    def _value(self, kind: int, at: int) -> float:
        """The first number; rationals are divided."""
        if kind in (5, 10):
            return self.reader.number(at, 4) / (self.reader.number(at + 4, 4) or 1)
        return float(self.reader.number(at, containers.TYPE_SIZES.get(kind, 1)))
