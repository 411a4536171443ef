"""Zips, good and bad, made on the spot."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def handmade(
    names: Iterable[bytes],
    *,
    data: bytes = b"x",
    flags: int = 0,
    outside: int = 0,
    shared: bool = False,
    count: int | None = None,
    size: int | None = None,
    extra: bytes = b"",
    comment: bytes = b"",
) -> bytes:
    """Stored entries, by hand: ``zipfile`` would not write most of this. ``shared``: one body for all.

    ``extra`` and ``comment`` stand in the directory, with each entry.
    """
    body, central, number = bytearray(), bytearray(), 0
    crc = zlib.crc32(data)
    for number, name in enumerate(names, 1):
        offset = 0 if shared else len(body)
        if not shared or number == 1:
            body += struct.pack(
                "<4s5H3L2H", b"PK\3\4", 20, flags, 0, 0, 0, crc, len(data), len(data), len(name), 0
            )
            body += name + data
        central += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, flags, 0, 0, 0, crc, len(data),
            len(data) if size is None else size, len(name), len(extra), len(comment), 0, 0,
            outside, offset,
        ) + name + extra + comment  # fmt: skip
    total = min(number if count is None else count, 0xFFFF)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, total, total, len(central), len(body), 0)
    return bytes(body + central + end)
