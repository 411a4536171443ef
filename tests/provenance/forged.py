"""Pictures whose signer ties the manifest to the content in another way than the library would.

The library's own hash assertion is put by another one, of the same length; the hash of it in the
claim and the signature follow. Whoever holds a key can do so, and some signers do.
"""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

from c2pa import Reader

from tests.provenance.signed import Authority, sign_with, signed

Json = dict[str, Any]
Range = tuple[int, int]  # start, end
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def forged(
    authority: Authority,
    alter: Callable[[bytes, Json], Json],
    *,
    mime: str = "image/jpeg",
    filler: str = "pad",
    **options: Any,
) -> bytes:
    """A signed picture whose hash assertion is what ``alter`` makes of the file and of the library's own.

    ``filler`` is what takes the length that is missing. Bytes (``hash``, ``pad``, values of boxes)
    are bytes there; ``alter`` computes the hash itself.
    """
    heard: list[tuple[bytes, bytes]] = []
    signer = authority.issue("Picture Maker")
    file = signed(authority, mime=mime, heard=heard, signer=signer, **options)
    message, signature = heard[-1]
    label, made = _assertion(file, mime)
    start, end = _content(file, label)
    new = _filled(alter(file, made), filler, end - start)
    jumd = file.rindex(b"jumd", 0, start) - 4  # where what the claim has the hash of begins
    before, after = (hashlib.sha256(file[jumd:start] + each).digest() for each in (file[start:end], new))
    file = file[:start] + new + file[end:]
    message = message.replace(before, after)
    return file.replace(before, after).replace(signature, sign_with(signer[1], message))


def _assertion(file: bytes, mime: str) -> tuple[str, Json]:
    with Reader(mime, io.BytesIO(file)) as reader:
        report = json.loads(reader.detailed_json())
    store = report["manifests"][report["active_manifest"]]["assertion_store"]
    label, made = next((label, made) for label, made in store.items() if label.startswith("c2pa.hash."))
    for each in [made, *(data for exclusion in made["exclusions"] for data in exclusion.get("data", []))]:
        each.update({key: b64decode(each[key]) for key in ("hash", "pad", "value") if key in each})
    return label, made


def _content(file: bytes, label: str) -> tuple[int, int]:
    """Where the CBOR of an assertion begins and ends."""
    box = file.index(b"cbor", file.index(label.encode() + b"\0")) - 4
    return box + 8, box + int.from_bytes(file[box : box + 4], "big")


def _filled(made: Json, filler: str, length: int) -> bytes:
    """In CBOR, of this length."""
    for count in range(length):
        padding = bytes(count) if filler == "pad" else "x" * count
        if len(found := cbor({**made, filler: padding})) == length:
            return found
    raise ValueError(f"{made} does not fit into {length} bytes")


def data_hash(file: bytes, exclusions: list[Range]) -> bytes:
    """SHA-256 of a file but for some ranges (C2PA 2.x, 18.5)."""
    kept, place = hashlib.sha256(), 0
    for start, end in sorted(exclusions):
        kept.update(file[place:start])
        place = end
    kept.update(file[place:])
    return kept.digest()


def bmff_hash(file: bytes, left_out: Callable[[bytes, bytes], bool]) -> bytes:
    """SHA-256 of all boxes but those left out, each behind its place in 8 bytes (C2PA 2.x, 18.6, v2).

    ``left_out`` is given a box's type and all of its bytes.
    """
    kept = hashlib.sha256()
    for start, end in boxes(file):
        box = file[start:end]
        if not left_out(box[4:8], box):
            kept.update(start.to_bytes(8, "big") + box)
    return kept.digest()


def boxes(file: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of a file's outermost boxes."""
    place = 0
    while place < len(file):
        end = place + int.from_bytes(file[place : place + 4], "big")
        yield place, end
        place = end


def cbor(value: Any) -> bytes:
    """What the assertions hold, in CBOR (RFC 8949): objects, lists, text, bytes, numbers from 0 up."""
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    return _head(2, len(value)) + value if isinstance(value, bytes) else _head(0, value)


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    size = next(size for size in (1, 2, 4, 8) if number < 256**size)
    return bytes([kind << 5 | 23 + size.bit_length()]) + number.to_bytes(size, "big")
