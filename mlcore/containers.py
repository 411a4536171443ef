"""What a file claims about itself, read from its bytes before any decoder runs.

A few kilobytes can claim work for minutes: thousands of scans over one picture, one tile of
gigabytes, a million directories. Decoders believe such claims, so they are looked up first.
Nothing here raises, whatever the bytes: what lies outside the file reads as zero.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

AVIF_BRANDS = {b"avif", b"avis"}
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"}
IMAGE_BRANDS = AVIF_BRANDS | HEIF_BRANDS | {b"mif1", b"mif2", b"mif3", b"msf1", b"miaf", b"MiHE", b"MiHA"}
MOST_BRANDS = 512  # bytes
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
CAMERA_RAW = "a camera raw file"
KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"8BPS", "a Photoshop document"),
    (b"\0\0\1\0", "an icon"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"PK\3\4", "a zip archive or office document"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"RIFF", "a sound or a video"),
    (b"OggS", "a sound or a video"),
    (b"IIRO", CAMERA_RAW),  # Olympus
    (b"IIRS", CAMERA_RAW),
    (b"MMOR", CAMERA_RAW),
    (b"IIU\0", CAMERA_RAW),  # Panasonic
    (b"II\x1a\0\0\0HEAPCCDR", CAMERA_RAW),  # Canon's first
    (b"FUJIFILMCCD-RAW", CAMERA_RAW),
    (b"FOVb", CAMERA_RAW),  # Sigma
    (b"\0MRM", CAMERA_RAW),  # Minolta
)

MOST_PAGES = 1000  # more than that are not counted

# What libjpeg stops at: within coded data 0xFF is stuffed with 0 or belongs to a restart marker,
# and what is below 0xC0 is reserved and never skipped with a length.
MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
START_OF_IMAGE, END_OF_IMAGE, START_OF_SCAN = 0xD8, 0xD9, 0xDA

TILE_WIDTH, TILE_LENGTH = 322, 323
COMPRESSION, PHOTOMETRIC, MAKE, SUB_PICTURES, DNG_VERSION = 259, 262, 271, 330, 50706
SENSOR = {32803, 34892}  # photometric: a mosaic of colours; linear values of a sensor
MOST_SUB_PICTURES = 16
MOST_THUMBNAILS = 16  # pages before the picture itself
SUBFILE_TYPE, OLD_SUBFILE_TYPE = 254, 255
MOST_TAGS = 1000  # that are looked at in each of them
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
    if (found := brands(head)) & IMAGE_BRANDS:
        return ("AVIF",) if found & AVIF_BRANDS and not found & HEIF_BRANDS else ("AVIF", "HEIF")
    return ()


def brands(head: bytes) -> set[bytes]:
    """What an ISO base media file says that it is (ISO/IEC 14496-12, 4.3): major and compatible brands."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), MOST_BRANDS, len(head))
    return {head[at : at + 4] for at in (8, *range(16, end - 3, 4))}


def other(head: bytes) -> str | None:
    """What else a file is, for a sentence, where its first bytes tell."""
    if head[4:8] == b"ftyp":
        return CAMERA_RAW if b"crx " in brands(head) else "a video"
    for signature, words in KNOWN_OTHERS:
        if head.startswith(signature):
            return words
    return "an SVG drawing" if b"<svg" in head.lower() else None


@dataclass
class Jpeg:
    """Of a JPEG's first picture: ``segments`` up to the limit given + 1, and ``scans`` among them.

    ``scanned``: pixels that all scans walk over, together. ``refined``: of a progressive one, every
    coefficient has come with its last bit. ``end``: where the mark of its end is, if ``ended``.
    """

    segments: int = 0
    scans: int = 0
    scanned: int = 0
    pixels: int = 0
    end: int = 0
    ended: bool = False
    frame: int = 0  # SOF0 to SOF15, as a marker
    depth: int = 8
    parts: dict[int, float] = field(default_factory=dict)  # by component: its share of samples
    bits: dict[int, bytearray] = field(default_factory=dict)  # by component: low bit that is to come, of 64

    @property
    def progressive(self) -> bool:
        return self.frame in (0xC2, 0xC6, 0xCA, 0xCE)

    @property
    def refined(self) -> bool:
        return bool(self.bits) and not any(any(each) for each in self.bits.values())

    @property
    def variant(self) -> str:
        """In words, what few decoders know; empty for the usual kinds."""
        if self.frame in (0xC3, 0xC7, 0xCB, 0xCF):
            return "a lossless JPEG"
        if self.depth != 8:
            return f"a JPEG of {self.depth} bits"
        if self.frame in (0xC9, 0xCA, 0xCD, 0xCE):
            return "a JPEG with arithmetic coding"
        return "a hierarchical JPEG" if self.frame in (0xC5, 0xC6) else ""


def jpeg(data: bytes, most_segments: int) -> Jpeg:
    """The claims of a JPEG file (ITU-T T.81, B.1.1).

    Segments are stepped over, so that neither a thumbnail in the EXIF data nor a video behind
    the picture counts.
    """
    found, place = Jpeg(), 0
    while found.segments <= most_segments and (marker := MARKER.search(data, place)):
        kind, place = marker[1][0], marker.end()
        if kind == END_OF_IMAGE:
            found.end, found.ended = marker.start(), True
            break
        found.segments += 1
        if kind == START_OF_IMAGE:
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        content = data[place + 2 : place + min(length, 64)]
        if kind == START_OF_SCAN:
            _count_scan(found, content)
        elif kind & 0xF0 == 0xC0 and kind not in (0xC4, 0xC8, 0xCC) and not found.frame:
            _count_frame(found, kind, content)
        place += length
    return found


def _count_frame(found: Jpeg, kind: int, content: bytes) -> None:
    content = content.ljust(6, b"\0")
    found.frame, found.depth = kind, content[0]
    height, width = (int.from_bytes(content[at : at + 2], "big") for at in (1, 3))
    found.pixels = width * height
    listed = [content[at : at + 3] for at in range(6, len(content) - 2, 3)][: content[5]]
    samples = {part[0]: (part[1] >> 4) * (part[1] & 15) for part in listed}
    most = max(samples.values(), default=1) or 1
    found.parts = {name: count / most for name, count in samples.items()}
    found.bits = {name: bytearray(b"\xff" * 64) for name in samples}


def _count_scan(found: Jpeg, content: bytes) -> None:
    found.scans += 1
    count = content[0] if content else 0
    names = [content[at] for at in range(1, min(2 * count, len(content) - 1), 2)]
    share = sum(found.parts.get(name, 1.0) for name in names) or 1.0
    found.scanned += round(found.pixels * share)
    first, last, bits = content[1 + 2 * count : 4 + 2 * count].ljust(3, b"\0")
    for name in names:
        known = found.bits.get(name)
        if known is not None:
            known[first : min(last, 63) + 1] = bytes([bits & 15]) * max(0, min(last, 63) + 1 - first)


@dataclass(frozen=True)
class Tiff:
    """``pages`` up to MOST_PAGES + 1; of the first page ``values``, the numbers in its tags, and
    ``tile``, the pixels of one tile (0 where it has strips, which readers cut to the picture).

    ``raw``: it, or a picture below it, is what a camera's sensor saw. ``compression``: its number.
    ``page``: the first one that is not a thumbnail of another; 0 where there is none.
    """

    pages: int
    values: int
    tile: int
    raw: bool = False
    compression: int = 1
    page: int = 0


@dataclass(frozen=True)
class _Tag:
    number: int
    kind: int
    count: int
    value: int  # the first one, unsigned
    at: int = 0  # where the first one is


def tiff(data: bytes, most_values: int) -> Tiff:
    """The claims of a TIFF or BigTIFF file (TIFF 6.0, section 2); counting ends above ``most_values``."""
    file = _Directories(data)
    places = file.pages()
    page = next((number for number, at in enumerate(places[:MOST_THUMBNAILS]) if not file.is_reduced(at)), 0)
    tags: list[_Tag] = []
    values = 0
    read = dict.fromkeys([file.first, *places[page : page + 1]])  # a reader looks at the first one anyway
    for tag in chain.from_iterable(map(file.with_children, read)):
        tags.append(tag)
        values += 1 if tag.kind in PLAIN_BYTES else max(1, tag.count)
        if values > most_values:
            break
    # Of a tag that comes twice readers disagree on which one holds: the larger is assumed.
    width, length = (
        max((tag.value for tag in tags if tag.number == number), default=0)
        for number in (TILE_WIDTH, TILE_LENGTH)
    )
    packed = next((tag.value for tag in tags if tag.number == COMPRESSION), 1)
    return Tiff(len(places), values, width * length, file.is_raw(tags), packed, page)


class _Directories:
    """A TIFF's chain of directories, each a count, so many tags, and where the next one is."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "little" if data[:2] == b"II" else "big"
        big = self._number(2, 2) == 43
        self.head, self.word = (8, 8) if big else (2, 4)  # bytes of a count of tags; of an offset
        self.step = 4 + 2 * self.word  # of one tag
        self.first = self._number(8 if big else 4, self.word)

    def pages(self) -> list[int]:
        """Where they are, up to MOST_PAGES + 1 of them."""
        seen: dict[int, None] = {}
        place = self.first
        while place and place not in seen and place < len(self.data) and len(seen) <= MOST_PAGES:
            seen[place] = None
            place = self._number(place + self.head + self._number(place, self.head) * self.step, self.word)
        return list(seen)

    def is_reduced(self, place: int) -> bool:
        """Whether a page says of itself that it is a smaller version of another."""
        tags = list(self._tags(place, MOST_TAGS))
        kind = next((tag.value for tag in tags if tag.number == SUBFILE_TYPE), 0)
        return bool(kind & 1) or any(tag.number == OLD_SUBFILE_TYPE and tag.value == 2 for tag in tags)

    def with_children(self, place: int) -> Iterator[_Tag]:
        for tag in self._tags(place):
            yield tag
            if tag.number in CHILDREN:
                yield from self._tags(tag.value)

    def is_raw(self, tags: list[_Tag]) -> bool:
        """By what DNG, CR2, NEF, ARW, PEF and their like have in common (TIFF/EP, ISO 12234-2)."""
        if self.data[8:10] == b"CR" or any(tag.number == DNG_VERSION for tag in tags):
            return True
        below = [place for tag in tags if tag.number == SUB_PICTURES for place in self._places(tag)]
        found = [*tags, *(tag for place in below for tag in self._tags(place, MOST_TAGS))]
        return any(tag.number == PHOTOMETRIC and tag.value in SENSOR for tag in found)

    def _places(self, tag: _Tag) -> list[int]:
        """Where the pictures below a page are: an offset each, or one that stands in its place."""
        if tag.count * self.word <= self.word:
            return [tag.value]
        size = TYPE_SIZES.get(tag.kind, 4)
        count = min(tag.count, MOST_SUB_PICTURES)
        return [self._number(tag.at + size * number, size) for number in range(count)]

    def _tags(self, place: int, most: int = 1 << 62) -> Iterator[_Tag]:
        start = place + self.head
        count = min(self._number(place, self.head), most)
        end = min(start + count * self.step, len(self.data))
        for at in range(start, end, self.step):
            kind, count = self._number(at + 2, 2), self._number(at + 4, self.word)
            size, value = TYPE_SIZES.get(kind, 1), at + 4 + self.word
            if size * count > self.word:  # then an offset stands in its place
                value = self._number(value, self.word)
            yield _Tag(self._number(at, 2), kind, count, self._number(value, size), value)

    def _number(self, place: int, size: int) -> int:
        return int.from_bytes(self.data[place : place + size], self.order)  # type: ignore[arg-type]
