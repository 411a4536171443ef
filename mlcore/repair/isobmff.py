"""HEIC and AVIF (ISO/IEC 23008-12): a brand that decoders know, one list of properties, bounded items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from mlcore import containers
from mlcore.repair.prepared import Prepared, TooComplex

MOST_BOXES, MOST_ITEMS = 10_000, 5_000  # a picture of 50 megapixels in tiles of 256 px has 800
CONTAINERS = {b"meta": 4, b"iprp": 0}  # bytes before the first box within


@dataclass(frozen=True)
class _Box:
    kind: bytes
    start: int
    body: int
    end: int


def prepare(data: bytes, most_pixels: int) -> Prepared:
    boxes = list(_boxes(data))
    items = sum(_count(data, box) for box in boxes if box.kind == b"iinf")
    if items > MOST_ITEMS:
        raise TooComplex(f"more than {MOST_ITEMS:,} pictures and tiles")
    return Prepared(_one_association(_branded(data), boxes), variant=_variant(data, boxes))


def _boxes(data: bytes) -> Iterator[_Box]:
    """All boxes that may tell of pictures, outer ones before those within them."""
    places, count = [(0, len(data))], 0
    while places:
        start, end = places.pop()
        while start + 8 <= end:
            count += 1
            if count > MOST_BOXES:
                raise TooComplex(f"more than {MOST_BOXES:,} boxes")
            size, body = int.from_bytes(data[start : start + 4], "big"), start + 8
            if size == 1:
                size, body = int.from_bytes(data[body : body + 8], "big"), body + 8
            stop = min(start + size, end) if size else end
            if stop < body:
                break
            box = _Box(data[start + 4 : start + 8], start, body, stop)
            yield box
            if box.kind in CONTAINERS:
                places.append((body + CONTAINERS[box.kind], stop))
            start = stop


def _count(data: bytes, box: _Box) -> int:
    """Of items, in an item information box."""
    width = 2 if data[box.body : box.body + 1] == b"\0" else 4
    return int.from_bytes(data[box.body + 4 : box.body + 4 + width], "big")


def _branded(data: bytes) -> bytes:
    """Decoders go by the major brand alone, viewers by all."""
    brands = containers.brands(data[: containers.MOST_BRANDS])
    known = sorted(brands & containers.AVIF_BRANDS) or sorted(brands & containers.HEIF_BRANDS)
    if not known or data[8:12] in brands & (containers.AVIF_BRANDS | containers.HEIF_BRANDS):
        return data
    return data[:8] + known[0] + data[12:]


def _one_association(data: bytes, boxes: list[_Box]) -> bytes:
    """Two ``ipma`` boxes in a row, as old cavif wrote them, as one of the same length together."""
    found = [box for box in boxes if box.kind == b"ipma"]
    heads = {data[box.body : box.body + 4] for box in found}
    adjacent = all(one.end == other.start for one, other in pairwise(found))
    if len(found) < 2 or len(heads) != 1 or not adjacent:
        return data
    counts = [int.from_bytes(data[box.body + 4 : box.body + 8], "big") for box in found]
    entries = b"".join(data[box.body + 8 : box.end] for box in found)
    start, end = found[0].start, found[-1].end
    head = (end - start).to_bytes(4, "big") + b"ipma" + heads.pop() + sum(counts).to_bytes(4, "big")
    return data[:start] + (head + entries).ljust(end - start, b"\0") + data[end:]


CODINGS = {b"avc1": "H.264", b"jpeg": "JPEG", b"j2k1": "JPEG 2000", b"vvc1": "H.266", b"evc1": "EVC",
           b"unci": "plain values"}  # fmt: skip


def _variant(data: bytes, boxes: list[_Box]) -> str:
    """The coding, where it is none of the two that are decoded."""
    for box in boxes:
        if box.kind == b"iinf":
            body = data[box.body : min(box.end, box.body + 64 * 1024)]
            other = next((words for code, words in CODINGS.items() if code in body), "")
            if other and b"hvc1" not in body and b"av01" not in body:
                return f"a HEIF picture coded as {other}"
    return ""
