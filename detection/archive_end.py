"""The end of a zip, which says how many entries its directory has and where that begins."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import IO

from accounts.errors import Refused

END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR_64 = struct.Struct("<4sLQL")
LONGEST_COMMENT = 0xFFFF


class ArchiveRefused(Refused):
    """A zip as a whole, or one of its files."""


@dataclass(frozen=True)
class Directory:
    """Places and sizes in bytes."""

    count: int
    start: int
    size: int


def find_directory(file: IO[bytes]) -> Directory:
    """Reads the last 64 KB, at most.

    Raises:
        ArchiveRefused: no zip, one that was cut off, part of a split one, or not a zip alone.
    """
    length = file.seek(0, os.SEEK_END)
    from_end = min(length, END.size + LONGEST_COMMENT)
    file.seek(length - from_end)
    tail = file.read(from_end)
    at = _last_end(tail)
    if at is None:
        raise _no_end(file)
    _, disk, first_disk, here, count, size, offset, _ = END.unpack_from(tail, at)
    end = length - from_end + at
    if wide := _wide(file, end):
        end, disk, first_disk, here, count, size, offset = wide
    if disk or first_disk or here != count:
        raise ArchiveRefused("split", "This zip is one part of several. Make a single one.")
    if offset + size != end:  # cut at its front, or stuck behind something else
        raise ArchiveRefused("damaged", "This zip is damaged, or not a zip alone. Make it once more.")
    return Directory(count, offset, size)


def _last_end(tail: bytes) -> int | None:
    """The last record whose comment reaches just to the end of the file."""
    at = tail.rfind(b"PK\5\6")
    while at >= 0:
        if at + END.size <= len(tail) and at + END.size + END.unpack_from(tail, at)[-1] == len(tail):
            return at
        at = tail.rfind(b"PK\5\6", 0, at)
    return None


def _no_end(file: IO[bytes]) -> ArchiveRefused:
    file.seek(0)
    if file.read(4) in (b"PK\3\4", b"PK\7\10"):
        return ArchiveRefused("truncated", "The end of this zip is missing. Send it again as a whole.")
    return ArchiveRefused("not_a_zip", "This file is not a zip. Put the images into one.")


def _wide(file: IO[bytes], end: int) -> tuple[int, int, int, int, int, int, int] | None:
    """Zip64: the same record in larger numbers, before it. None where it is not one."""
    file.seek(max(0, end - LOCATOR_64.size))
    located = file.read(LOCATOR_64.size)
    if len(located) < LOCATOR_64.size or not located.startswith(b"PK\6\7"):
        return None
    _, _, at, _ = LOCATOR_64.unpack(located)
    file.seek(min(at, end))
    record = file.read(END_64.size)
    if len(record) < END_64.size or not record.startswith(b"PK\6\6"):
        raise ArchiveRefused("damaged", "This zip is damaged. Make it once more.")
    _, _, _, _, disk, first_disk, here, count, size, offset = END_64.unpack(record)
    return at, disk, first_disk, here, count, size, offset
