"""WebP (RFC 9649): its first frame with what belongs to it, the lengths put right."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mlcore.repair.prepared import Incomplete, Prepared, TooComplex

MOST_CHUNKS = 100_000
MOST_FRAMES = 1000  # more than that are not counted
PICTURE = (b"VP8 ", b"VP8L", b"ANMF")
KEPT = (b"VP8X", b"ICCP", b"ANIM", b"ALPH", b"EXIF")
FILLERS = (b"\0", b"\xa5")
WRONG_LENGTH = "The length that the file gives for itself is wrong, and was ignored."


def prepare(data: bytes, most_pixels: int) -> Prepared:
    kept: list[tuple[bytes, bytes]] = []
    frames, missing = 0, 0
    for kind, body, lacking in _chunks(data):
        if kind in PICTURE:
            frames += 1
            if frames == 1:
                kept.append((kind, body))
                missing = lacking
            elif frames > MOST_FRAMES:
                break
        elif kind in KEPT and not lacking and all(kind != each for each, _ in kept):
            kept.append((kind, body))
    if not frames:
        raise Incomplete
    said = int.from_bytes(data[4:8], "little") + 8
    notes = (WRONG_LENGTH,) if said > len(data) + 1 or said < len(data) - 1 else ()
    if missing > len(data):  # at least half of it is not there
        raise Incomplete
    built = [_built(kept, filler * missing) for filler in FILLERS[: 2 if missing else 1]]
    return Prepared(built[0], () if missing else notes, frames, other=built[1] if missing else None)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Kind, content, and how many bytes of it are missing at the end of the file."""
    place, count = 12, 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        count += 1
        if count > MOST_CHUNKS:
            raise TooComplex(f"more than {MOST_CHUNKS:,} chunks")
        body = data[place + 8 : place + 8 + length]
        yield kind, body, length - len(body)
        place += 8 + length + (length & 1)


def _built(chunks: list[tuple[bytes, bytes]], end: bytes) -> bytes:
    """``end``: what is put in the place of the picture's missing bytes."""
    body = b"WEBP"
    for kind, content in chunks:
        whole = content + (end if kind in PICTURE else b"")
        body += kind + struct.pack("<I", len(whole)) + whole + b"\0" * (len(whole) & 1)
    return b"RIFF" + struct.pack("<I", len(body)) + body
