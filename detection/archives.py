"""Zips that strangers made: looked through without unpacking, and read one file at a time.

Not by ``zipfile``, which makes an object of every entry before one can count them, and trusts what
they say. Here the end of the zip tells how many there are before any is listed; then the directory is
read once, and each entry is known by its place. The format is PKWARE's APPNOTE.TXT, 6.3.10; what
overlapping entries can do: Fifield, "A better zip bomb", WOOT 2019.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from detection.archive_end import ArchiveRefused, Directory, find_directory
from detection.archive_names import check_name, decoded, is_passed_over

__all__ = ["ArchiveRefused", "Limits", "Place", "look", "read"]

MIB = 1024 * 1024
STORED, DEFLATED = 0, 8
PIECE = 64 * 1024
CENTRAL = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
ENCRYPTED, PATCH, STRONGLY_ENCRYPTED = 0x1, 0x20, 0x40
FILE_TYPE, REGULAR, FOLDER, LINK = 0o170000, 0o100000, 0o040000, 0o120000
# Bytes of the directory, for each entry and besides: a long name twice (in Unicode once more), times, owners.
ENTRY, LISTING = 1024, 64 * 1024
FIELDS = 64  # extra fields of one entry that are looked through; there are 2 or 3
MAX_16, MAX_32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Limits:
    """``entries``: images. ``ratio``: unpacked over packed, of the zip as a whole, above ``small`` bytes."""

    entries: int = 10_000
    file_bytes: int = 25 * MIB
    total_bytes: int = 8192 * MIB
    ratio: float = 100.0
    small: int = 64 * MIB

    @property
    def listed(self) -> int:
        """Entries of all kinds: macOS puts a file of its own beside each; and folders are entries too."""
        return 2 * self.entries + 1000


@dataclass(frozen=True)
class Place:
    """One file in a zip: its name, where it begins, how it is packed."""

    name: str
    offset: int
    packed: int
    size: int
    method: int
    crc: int
    raw_name: int  # length of the name in the zip, in bytes


def look(file: IO[bytes], limits: Limits) -> list[Place]:
    """The files of a zip, in its own order. Reads its directory, and no file.

    Raises:
        ArchiveRefused: with a sentence that says what is wrong, and with which file.
    """
    directory = find_directory(file)
    if directory.count > limits.listed:
        raise _too_many(limits)
    if directory.size > LISTING + directory.count * ENTRY:
        raise _swollen()
    places = [place for place in _listed(file, directory, limits) if place is not None]
    if not places:
        raise ArchiveRefused("empty", "There are no files in this zip.")
    if len(places) > limits.entries:
        raise _too_many(limits)
    _check_names(places)
    _check_overlaps(places, directory)
    _check_sizes(places, limits)
    return places


def read(file: IO[bytes], place: Place, limit: int) -> bytes:
    """One file's bytes, at most ``limit`` + 1 of them: what is larger is refused by its reader.

    Raises:
        ArchiveRefused: the file is damaged, or packed in another way than a zip's usual ones.
    """
    if place.method not in (STORED, DEFLATED):
        raise ArchiveRefused(
            "unsupported_packing", f"{place.name} is packed in an unusual way. Pack it as a plain zip."
        )
    file.seek(_start(file, place))
    content = bytearray()
    for piece in _unpacked(file, place):
        content += piece
        if len(content) > place.size:  # what is said of all files is bounded; what they are need not be
            raise _damaged(place)
        if len(content) > limit:
            return bytes(content[: limit + 1])
    if len(content) != place.size or zlib.crc32(content) != place.crc:
        raise _damaged(place)
    return bytes(content)


def _too_many(limits: Limits) -> ArchiveRefused:
    return ArchiveRefused(
        "too_many_entries", f"There are more than {limits.entries:,} files in this zip. Make several of it."
    )


def _swollen() -> ArchiveRefused:
    return ArchiveRefused(
        "damaged", "The list of files in this zip is far larger than its files need. Make the zip once more."
    )


def _unlisted() -> ArchiveRefused:
    return ArchiveRefused("damaged", "The list of files in this zip is damaged. Make the zip once more.")


def _damaged(place: Place) -> ArchiveRefused:
    return ArchiveRefused("damaged_entry", f"{place.name} is damaged in this zip. Make the zip once more.")


def _listed(file: IO[bytes], directory: Directory, limits: Limits) -> Iterator[Place | None]:
    """Every entry of the directory; None for those that are no files of the sender's."""
    file.seek(directory.start)
    left = directory.size
    for number in range(directory.count + 1):
        if left == 0 and number == directory.count:
            return
        head = file.read(CENTRAL.size)
        if left < CENTRAL.size or number == directory.count or not head.startswith(b"PK\1\2"):
            break
        place, length = _entry(file, CENTRAL.unpack(head))
        left -= length
        if left < 0:
            break
        yield place
    raise _unlisted()


def _entry(file: IO[bytes], head: tuple[bytes | int, ...]) -> tuple[Place | None, int]:
    (_, _, _, flags, method, _, _, crc, packed, size, *rest) = (int(each or 0) for each in (0, *head[1:]))
    name_length, extra_length, comment_length, disk, _, outside, offset = rest
    raw, extra = file.read(name_length), file.read(extra_length)
    file.seek(comment_length, 1)
    length = CENTRAL.size + name_length + extra_length + comment_length
    name = decoded(raw)
    size, packed, offset, disk = _wide(extra, size, packed, offset, disk)
    kind = (outside >> 16) & FILE_TYPE
    if name.endswith("/") or kind == FOLDER:
        check_name(name)
        return None, length
    check_name(name)  # first: the other refusals name it
    _check_kind(name, kind, flags, disk)
    if is_passed_over(name):
        return None, length
    return Place(name, offset, packed, size, method, crc, name_length), length


def _check_kind(name: str, kind: int, flags: int, disk: int) -> None:
    if flags & (ENCRYPTED | STRONGLY_ENCRYPTED):
        raise ArchiveRefused("encrypted", f"{name} is encrypted. Make a zip without a password.")
    if kind == LINK:
        raise ArchiveRefused("link", f"{name} is a link, not a file. Put the file itself into the zip.")
    if kind not in (0, REGULAR) or flags & PATCH:
        raise ArchiveRefused("special_file", f"{name} is not a plain file. Leave it out of the zip.")
    if disk:
        raise ArchiveRefused("split", "This zip is one part of several. Make a single one.")


def _wide(extra: bytes, size: int, packed: int, offset: int, disk: int) -> tuple[int, int, int, int]:
    """Zip64: numbers that do not fit in 32 bits stand in an extra field, in this order."""
    values = [size, packed, offset, disk]
    if max(values[:3]) < MAX_32 and disk < MAX_16:
        return size, packed, offset, disk
    body = _extra(extra, 1)
    at = 0
    for place, (most, form) in enumerate([(MAX_32, "<Q")] * 3 + [(MAX_16, "<L")]):
        if values[place] != most:
            continue
        width = struct.calcsize(form)
        if at + width > len(body):
            raise ArchiveRefused(
                "damaged", "The list of files in this zip is damaged. Make the zip once more."
            )
        values[place] = struct.unpack_from(form, body, at)[0]
        at += width
    return values[0], values[1], values[2], values[3]


def _extra(data: bytes, wanted: int) -> bytes:
    at = 0
    for _ in range(FIELDS):
        if at + 4 > len(data):
            break
        kind, length = struct.unpack_from("<HH", data, at)
        if kind == wanted:
            return data[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _check_names(places: list[Place]) -> None:
    seen = set[str]()
    for place in places:
        if place.name in seen:
            raise ArchiveRefused("duplicate", f"{place.name} is in this zip twice. Leave one of them out.")
        seen.add(place.name)


def _check_overlaps(places: list[Place], directory: Directory) -> None:
    """No two entries share bytes: that is how kilobytes come to unpack to petabytes."""
    end = 0
    for place in sorted(places, key=lambda each: each.offset):
        if place.offset < end:
            raise ArchiveRefused("overlap", f"{place.name} overlaps another file. Make the zip once more.")
        end = place.offset + LOCAL.size + place.raw_name + place.packed
        if end > directory.start:
            raise _damaged(place)


def _check_sizes(places: list[Place], limits: Limits) -> None:
    size, packed = sum(place.size for place in places), sum(place.packed for place in places)
    if size > limits.total_bytes:
        most = f"{limits.total_bytes / MIB / 1024:.0f} GB"
        raise ArchiveRefused(
            "too_large", f"The files in this zip are larger than {most}. Make several of it."
        )
    if size > limits.small and size > limits.ratio * packed:
        raise ArchiveRefused(
            "bomb",
            f"This zip would unpack to more than {limits.ratio:.0f} times its size. No images do that.",
        )


def _start(file: IO[bytes], place: Place) -> int:
    """Where the file's bytes begin: behind a header of its own, which must be the entry's."""
    file.seek(place.offset)
    head = file.read(LOCAL.size)
    if len(head) < LOCAL.size or not head.startswith(b"PK\3\4"):
        raise _damaged(place)
    *_, name_length, extra_length = LOCAL.unpack(head)
    if decoded(file.read(name_length)) != place.name:
        raise _damaged(place)
    return place.offset + LOCAL.size + name_length + extra_length


def _unpacked(file: IO[bytes], place: Place) -> Iterator[bytes]:
    left, inflate = place.packed, zlib.decompressobj(-15)
    while left and (packed := file.read(min(PIECE, left))):
        left -= len(packed)
        if place.method == STORED:
            yield packed
        else:
            yield from _inflated(inflate, packed, place)
    if place.method == DEFLATED and not inflate.eof:
        raise _damaged(place)


def _inflated(inflate: zlib._Decompress, packed: bytes, place: Place) -> Iterator[bytes]:
    """Pieces of a bounded size, whatever the packed ones would become.

    After a full one zlib may hold more, though it has been fed all: the rest of a repetition.
    """
    full = False
    while (packed or full) and not inflate.eof:
        try:
            piece = inflate.decompress(packed, PIECE)
        except zlib.error:
            raise _damaged(place) from None
        packed, full = inflate.unconsumed_tail, len(piece) == PIECE
        yield piece
