"""What a file claims about itself, read from its bytes before any decoder runs.

A few kilobytes can claim work for minutes: thousands of scans over one picture, one tile of
gigabytes, a million directories. Decoders believe such claims, so they are looked up first.
Nothing here raises, whatever the bytes: what lies outside the file reads as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ISO_IMAGES = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
SIGNATURES: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\xff\xd8\xff", ("JPEG",)),
    (b"\x89PNG\r\n\x1a\n", ("PNG",)),
    (b"GIF87a", ("GIF",)),
    (b"GIF89a", ("GIF",)),
    (b"BM", ("BMP",)),
    (b"II*\0", ("TIFF",)),
    (b"MM\0*", ("TIFF",)),
    (b"II+\0", ("TIFF",)),
    (b"MM\0+", ("TIFF",)),
)
KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\1\0", "an icon"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"PK\3\4", "a zip archive or office document"),
    (b"\x1aE\xdf\xa3", "a video"),
)

MOST_PAGES = 1000  # more than that are not counted

# What libjpeg stops at: within coded data 0xFF is stuffed with 0 or belongs to a restart marker,
# and what is below 0xC0 is reserved and never skipped with a length.
MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA

TILE_WIDTH, TILE_LENGTH = 322, 323
CHILDREN = {34665, 34853, 40965}  # EXIF, GPS and interoperability: Pillow reads them with the first page
TYPE_SIZES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8,
}  # fmt: skip
PLAIN_BYTES = {1, 2, 6, 7}  # kept as they are by readers; of the others each value becomes an object


def formats(head: bytes) -> tuple[str, ...]:
    """Pillow's names of the formats that a file's first bytes allow; none for what is not let in."""
    for signature, names in SIGNATURES:
        if head.startswith(signature):
            return names
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return ("WEBP",)
    if head[4:8] == b"ftyp" and head[8:12] in ISO_IMAGES:
        return ("AVIF", "HEIF")
    return ()


def other(head: bytes) -> str | None:
    """What else a file is, for a sentence, where its first bytes tell."""
    if head[4:8] == b"ftyp":
        return "a video"
    for signature, words in KNOWN_OTHERS:
        if head.startswith(signature):
            return words
    return "an SVG drawing" if b"<svg" in head.lower() else None


@dataclass(frozen=True)
class Jpeg:
    """Of a JPEG's first picture: ``segments`` up to the limit given + 1, and ``scans`` among them."""

    segments: int
    scans: int


def jpeg(data: bytes, most_segments: int) -> Jpeg:
    """The claims of a JPEG file (ITU-T T.81, B.1.1).

    Segments are stepped over, so that neither a thumbnail in the EXIF data nor a video behind
    the picture counts.
    """
    segments = found = place = 0
    while segments <= most_segments and (marker := MARKER.search(data, place)):
        kind, place = marker[1][0], marker.end()
        if kind == END_OF_IMAGE:
            break
        if kind != START_OF_IMAGE:
            place += int.from_bytes(data[place : place + 2], "big")
        segments += 1
        found += kind == START_OF_SCAN
    return Jpeg(segments, found)


@dataclass(frozen=True)
class Tiff:
    """``pages`` up to MOST_PAGES + 1; of the first page ``values``, the numbers in its tags, and
    ``tile``, the pixels of one tile (0 where it has strips, which readers cut to the picture).
    """

    pages: int
    values: int
    tile: int


@dataclass(frozen=True)
class _Tag:
    number: int
    kind: int
    count: int
    value: int  # the first one, unsigned


def tiff(data: bytes, most_values: int) -> Tiff:
    """The claims of a TIFF or BigTIFF file (TIFF 6.0, section 2); counting ends above ``most_values``."""
    file = _Directories(data)
    tags: list[_Tag] = []
    values = 0
    for tag in file.with_children(file.first):
        tags.append(tag)
        values += 1 if tag.kind in PLAIN_BYTES else max(1, tag.count)
        if values > most_values:
            break
    # Of a tag that comes twice readers disagree on which one holds: the larger is assumed.
    width, length = (
        max((tag.value for tag in tags if tag.number == number), default=0)
        for number in (TILE_WIDTH, TILE_LENGTH)
    )
    return Tiff(file.pages(), values, width * length)


class _Directories:
    """A TIFF's chain of directories, each a count, so many tags, and where the next one is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "little" if data[:2] == b"II" else "big"
        big = self._number(2, 2) == 43
        self.head, self.word = (8, 8) if big else (2, 4)  # bytes of a count of tags; of an offset
        self.step = 4 + 2 * self.word  # of one tag
        self.first = self._number(8 if big else 4, self.word)

    def pages(self) -> int:
        seen: set[int] = set()
        place = self.first
        while place and place not in seen and place < len(self.data) and len(seen) <= MOST_PAGES:
            seen.add(place)
            place = self._number(place + self.head + self._number(place, self.head) * self.step, self.word)
        return len(seen)

    def with_children(self, place: int) -> Iterator[_Tag]:
        for tag in self._tags(place):
            yield tag
            if tag.number in CHILDREN:
                yield from self._tags(tag.value)

    def _tags(self, place: int) -> Iterator[_Tag]:
        start = place + self.head
        end = min(start + self._number(place, self.head) * self.step, len(self.data))
        for at in range(start, end, self.step):
            kind, count = self._number(at + 2, 2), self._number(at + 4, self.word)
            size, value = TYPE_SIZES.get(kind, 1), at + 4 + self.word
            if size * count > self.word:  # then an offset stands in its place
                value = self._number(value, self.word)
            yield _Tag(self._number(at, 2), kind, count, self._number(value, size))

    def _number(self, place: int, size: int) -> int:
        return int.from_bytes(self.data[place : place + size], self.order)  # type: ignore[arg-type]
