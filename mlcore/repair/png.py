"""PNG (W3C, third edition): its picture alone, in one piece."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from mlcore.repair.prepared import END_MISSING, Incomplete, Prepared, TooComplex, Unsupported, missing_note

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 100_000  # 25 MiB hold 3,200 of the usual 8 KB
MOST_PROFILE = 8 * 1024 * 1024  # an ICC profile, unpacked
MOST_RAW = 400_000_000  # 50 megapixels of four times 16 bits
INPUT = 1024  # bytes: what is lost where packed data is broken
KEPT = (b"PLTE", b"tRNS", b"eXIf", b"sRGB", b"gAMA", b"cHRM", b"sBIT")  # beside picture and profile
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    body: bytes
    whole: bool  # of the right length
    sound: bool  # with the right checksum


@dataclass
class _Parts:
    """What of a PNG is of use."""

    head: bytes
    kept: dict[bytes, bytes]
    packed: bytearray
    profile: bytes | None = None
    animated: int = 0  # frames of an animation
    led: bool = False  # the picture is the first of them
    ended: bool = False
    sound: bool = True  # all picture data has the right checksums

    @property
    def frames(self) -> int:
        return max(1, self.animated + (self.animated > 0 and not self.led))


def prepare(data: bytes, most_pixels: int) -> Prepared:
    """Texts are left out, and with them what would unpack to gigabytes; so are the later frames."""
    notes: list[str] = []
    parts = _parts(data, notes)
    info = {"icc_profile": parts.profile} if parts.profile else {}
    rebuilt = _built(parts, bytes(parts.packed))
    again = partial(_padded, parts, most_pixels, tuple(notes), info)
    if not parts.ended:
        return again()
    return Prepared(rebuilt, tuple(notes), parts.frames, info, again=again)


def _parts(data: bytes, notes: list[str]) -> _Parts:
    chunks = _chunks(data)
    first = next(chunks, None)
    if first is not None and first.kind == b"CgBI":
        raise Unsupported("a PNG in Apple's own variant (CgBI)")
    if first is None or first.kind != b"IHDR" or len(first.body) != 13 or not first.sound:
        raise Incomplete
    if first.body[10] or first.body[11] or first.body[12] > 1:
        raise Unsupported("a PNG with an unknown way of packing")
    parts = _Parts(first.body, {}, bytearray())
    wrong: list[str] = []
    for chunk in chunks:
        _take(parts, chunk, wrong)
        if parts.ended:
            break
    if wrong:
        names = ", ".join(dict.fromkeys(wrong[:8]))
        notes.append(f"The checksum is wrong in its side notes ({names}), which were ignored.")
    if not parts.sound:
        notes.append("The checksum of its picture data is wrong.")
    return parts


def _take(parts: _Parts, chunk: _Chunk, wrong: list[str]) -> None:
    kind, body = chunk.kind, chunk.body
    if kind == b"IEND":
        parts.ended = True
    elif kind == b"IDAT":
        parts.packed += body
        parts.sound &= chunk.sound or not chunk.whole
    elif not chunk.whole:
        return
    elif not chunk.sound:
        if not kind[0] & 0x20:  # critical: without it the picture is another one
            raise Incomplete
        wrong.append(kind.decode("ascii"))
    elif kind == b"iCCP":
        parts.profile = _profile(body)
    elif kind == b"acTL" and len(body) == 8:
        parts.animated = int.from_bytes(body[:4], "big")
    elif kind == b"fcTL":
        parts.led |= not parts.packed
    elif kind in KEPT:
        parts.kept.setdefault(kind, body)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """As far as they make sense; the last one may be cut."""
    place, count = len(SIGNATURE), 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if not kind.isalpha() or length >= 1 << 31:
            return
        count += 1
        if count > MOST_CHUNKS:
            raise TooComplex(f"more than {MOST_CHUNKS:,} chunks")
        body = data[place + 8 : place + 8 + length]
        end = place + 8 + length
        sound = data[end : end + 4] == struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        yield _Chunk(kind, body, len(body) == length, sound or kind == b"IEND")
        place = end + 4


def _profile(body: bytes) -> bytes | None:
    """A name, a zero, a zero for the way of packing, the packed profile."""
    start = body.find(b"\0") + 2
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(body[start:], MOST_PROFILE)
    except zlib.error:
        return None
    return profile if inflate.eof else None


def _built(parts: _Parts, packed: bytes) -> bytes:
    chunks = [(b"IHDR", parts.head), *parts.kept.items(), (b"IDAT", packed), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _padded(parts: _Parts, most_pixels: int, notes: tuple[str, ...], info: dict[str, bytes]) -> Prepared:
    """What is missing of the picture as zeros, where it is little.

    Raises:
        Incomplete: more is missing.
    """
    width, height = struct.unpack_from(">II", parts.head)
    size = _raw_size(parts.head) if width * height <= most_pixels else 0
    if not size:  # the decoder refuses it by its size, better than we could
        return Prepared(_built(parts, bytes(parts.packed)), notes, parts.frames, info)
    if size > MOST_RAW:
        raise Incomplete
    packed, count = _repacked(bytes(parts.packed), size)
    if count == size:
        note = END_MISSING if not parts.ended else "Its picture data ends in an unusual way."
    else:
        note = missing_note(1 - count / size)
    return Prepared(_built(parts, packed), (*notes, note), parts.frames, info)


def _raw_size(head: bytes) -> int:
    """Bytes of all rows, each with its filter's number; 0 for a head that makes no sense."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    bits = depth * CHANNELS.get(colour, 0)
    if not bits or not width or not height:
        return 0
    if not interlaced:
        return int(height * (1 + (width * bits + 7) // 8))
    sizes = ((-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in PASSES)
    return int(sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns > 0 < rows))


def _repacked(packed: bytes, size: int) -> tuple[bytes, int]:
    """The raw rows once more, with zeros behind the last one that can be read; and how many bytes can."""
    inflate, deflate, out, count = zlib.decompressobj(), zlib.compressobj(1), bytearray(), 0
    for start in range(0, len(packed), INPUT):
        try:
            piece = inflate.decompress(packed[start : start + INPUT])[: size - count]
        except zlib.error:
            break
        count += len(piece)
        out += deflate.compress(piece)
        if count == size or inflate.eof:
            break
    left = size - count
    while left:
        out += deflate.compress(bytes(min(left, 1 << 20)))
        left -= min(left, 1 << 20)
    return bytes(out + deflate.flush()), count
