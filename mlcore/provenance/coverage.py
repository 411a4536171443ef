"""Whether the hash behind a signature covers all of a picture, or leaves bytes out that may be the picture's.

A hash always leaves the manifest itself out. Any further bytes can be changed without breaking it,
so each of them is looked at: C2PA 2.x, 18.5 (ranges of a file) and 18.6 (boxes of HEIF and AVIF).
"""

from __future__ import annotations

from base64 import b64decode
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Json = Mapping[str, Any]
Range = tuple[int, int]  # start, end

DATA, BMFF = "c2pa.hash.data", "c2pa.hash.bmff"

# Boxes without a picture's bytes that every signer leaves out (C2PA 2.x, 18.6; c2pa-rs adds the last two).
MAY_BE_LEFT_OUT = {"/ftyp", "/mfra", "/free", "/skip"}
MANIFEST_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # in a box of type uuid

CONTAINERS = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"meta": 4}  # bytes before boxes
MOST_BOXES, MOST_DEPTH, MOST_ITEMS = 10_000, 8, 50_000

MANIFEST_TAG = 0xCD41
MOST_TAGS = 10_000
OFFSETS = {273: 279, 324: 325, 513: 514}  # tags of TIFF: where strips, tiles, a JPEG lie; how long they are
SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # of a value


class Unclear(Exception):
    """The file is built in a way that does not tell where its picture lies."""


def covered(manifests: Json, data: bytes, own: Collection[str]) -> dict[str, bool]:
    """Whether each manifest's hash covers its picture, by label; without those whose hash is of another kind.

    Args:
        manifests: of the library's detailed report.
        data: the file.
        own: labels of the manifests whose hash is that of this very file. Of the others, which it came
            from, only the list of what their hash leaves out can be judged.
    """
    found: dict[str, bool] = {}
    for label, manifest in manifests.items():
        for name, binding in _assertions(manifest):
            if name.startswith((DATA, BMFF)):
                found[label] = found.get(label, True) and _complete(name, binding, data, label in own)
    return found


def _assertions(manifest: object) -> Iterator[tuple[str, Json]]:
    store = manifest.get("assertion_store") if isinstance(manifest, dict) else None
    for name, value in (store if isinstance(store, dict) else {}).items():
        if isinstance(value, dict):
            yield str(name), value


def _complete(name: str, binding: Json, data: bytes, own: bool) -> bool:
    exclusions = binding.get("exclusions") or []
    try:
        if name.startswith(BMFF):
            return all(map(_harmless, exclusions)) and not (own and _Boxes(data).hide_a_picture())
        # The library compares a single range with the place of the manifest.
        return len(exclusions) < 2 or (own and _tiff_covered(data, [_range(each) for each in exclusions]))
    except (Unclear, LookupError, TypeError, ValueError, AttributeError):
        return False


def _harmless(exclusion: Json) -> bool:
    """Only whole kinds of boxes, or less of them: lengths, versions, flags and data narrow an exclusion."""
    if exclusion.get("xpath") == "/uuid":
        return any(
            each.get("offset") == 8 and _bytes(each.get("value")) == MANIFEST_BOX
            for each in exclusion.get("data") or []
        )
    return exclusion.get("xpath") in MAY_BE_LEFT_OUT


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, list) else b64decode(str(value))


def _range(exclusion: Json) -> Range:
    return exclusion["start"], exclusion["start"] + exclusion["length"]


# HEIF and AVIF (ISO 14496-12): where a picture's bytes lie


class _Boxes:
    """A file's boxes, of which at most MOST_BOXES are looked at."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left, self.left_items = MOST_BOXES, MOST_ITEMS

    def hide_a_picture(self) -> bool:
        """Whether any byte of a picture lies in a box that hashes leave out.

        Raises:
            Unclear: it cannot be told.
        """
        left_out = [
            (start, end)
            for kind, start, body, end in self._within(0, len(self.data))
            if f"/{kind.decode('latin-1')}" in MAY_BE_LEFT_OUT
            or (kind == b"uuid" and self.data[body : body + 16] == MANIFEST_BOX)
        ]
        return _overlap(self._pictures(0, len(self.data), MOST_DEPTH), left_out)

    def _within(self, start: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
        """(type, start, start of the content, end) of the boxes in a range."""
        while start + 8 <= end:
            self.left -= 1
            if self.left < 0:
                raise Unclear("too many boxes")
            size, body = int.from_bytes(self.data[start : start + 4], "big"), start + 8
            if size == 1:
                size, body = int.from_bytes(self.data[body : body + 8], "big"), body + 8
            stop = start + size if size else end
            if not body <= stop <= end:
                raise Unclear("a box reaches beyond what holds it")
            yield self.data[start + 4 : start + 8], start, body, stop
            start = stop

    def _pictures(self, start: int, end: int, depth: int) -> Iterator[Range]:
        for kind, _, body, stop in self._within(start, end):
            if kind in CONTAINERS:
                if not depth:
                    raise Unclear("nested too deep")
                yield from self._pictures(body + CONTAINERS[kind], stop, depth - 1)
            elif kind == b"iloc":
                yield from self._items(_Numbers(self.data[body:stop]))
            elif kind in (b"stco", b"co64"):
                # Of a sequence's chunks only the beginnings are given: any may reach to the file's end.
                numbers = np.frombuffer(self.data[body + 8 : stop], ">u4" if kind == b"stco" else ">u8")
                if numbers.size:
                    yield int(numbers.min()), len(self.data)
            elif kind == b"moof":
                raise Unclear("a sequence in fragments")

    def _items(self, read: _Numbers) -> Iterator[Range]:
        """Where the items lie that a file is put together from (ISO 14496-12, 8.11.3)."""
        version, _ = read(1), read(3)
        sizes = [half for byte in (read(1), read(1)) for half in (byte >> 4, byte & 15)]
        if version > 2:
            raise Unclear("an unknown way to list items")
        for _ in range(read(2 if version < 2 else 4)):
            read(2 if version < 2 else 4)
            method = read(2) & 15 if version else 0
            read(2)
            base, extents = read(sizes[2]), read(2)
            self.left_items -= 1 + extents
            if self.left_items < 0:
                raise Unclear("too many items")
            for _ in range(extents):
                read(sizes[3] if version else 0)
                start, length = base + read(sizes[0]), read(sizes[1])
                if method == 0:  # of the file; the others lie within the same box, or within other items
                    yield start, start + length if length else len(self.data)


class _Numbers:
    """Numbers out of bytes, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def __call__(self, size: int) -> int:
        self.place += size
        if self.place > len(self.data):
            raise Unclear("a list ends before its time")
        return int.from_bytes(self.data[self.place - size : self.place], "big")


def _overlap(some: Iterable[Range], others: Iterable[Range]) -> bool:
    """Whether any of some ranges shares a byte with any of the others."""
    united = _united(others)
    starts = [start for start, _ in united]
    for start, end in some:
        at = bisect_right(starts, end - 1) - 1  # the last one that begins before this ends
        if start < end and at >= 0 and united[at][1] > start:
            return True
    return False


def _united(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes as ranges in order that do not touch."""
    united: list[Range] = []
    for start, end in sorted(each for each in ranges if each[0] < each[1]):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


# TIFF 6.0: the library leaves out where the manifest lies, and its length in the directory


@dataclass(frozen=True)
class _Tag:
    number: int
    kind: int
    entry: Range
    value: Range  # within the entry, or where the entry points to


def _tiff_covered(data: bytes, left_out: list[Range]) -> bool:
    """Whether what is left out is the manifest, or its length and place in the directory, and no more."""
    own: list[Range] = []
    others: list[Range] = []
    for part in _directories(data):
        if not isinstance(part, list):
            others.append(part)
            continue
        for tag in part:
            start, end = tag.entry
            if tag.number == MANIFEST_TAG:
                own += [(start + 4, end), tag.value]
                others.append((start, start + 4))
            else:
                others += [tag.entry, tag.value]
        others += _strips(data, part)
        if len(others) > MOST_ITEMS:
            raise Unclear("too many strips")
    inside = all(any(start <= a and b <= end for start, end in own) for a, b in left_out)
    return inside and not _overlap(others, left_out)


def _directories(data: bytes) -> Iterator[Range | list[_Tag]]:
    """Of each directory the bytes before and behind its tags, and the tags."""
    number = partial(_number, data)
    big = number(2, 2) == 43
    head, word = (8, 8) if big else (2, 4)
    step, place, left = 4 + 2 * word, number(8 if big else 4, word), MOST_TAGS
    seen: set[int] = set()
    while place and place not in seen:
        seen.add(place)
        start, count = place + head, number(place, head)
        left -= count + 1
        if left < 0:
            raise Unclear("too many tags")
        end = start + count * step
        yield place, start
        yield end, end + word
        yield [_tag(data, at, word) for at in range(start, end, step)]
        place = number(end, word)


def _tag(data: bytes, at: int, word: int) -> _Tag:
    kind, count, field = _number(data, at + 2, 2), _number(data, at + 4, word), at + 4 + word
    size = SIZES.get(kind, 1) * count
    start = field if size <= word else _number(data, field, word)
    return _Tag(_number(data, at, 2), kind, (at, field + word), (start, start + size))


def _strips(data: bytes, tags: list[_Tag]) -> Iterator[Range]:
    """Where the pictures of one directory lie."""
    by_number = {tag.number: tag for tag in tags}
    for starts, lengths in OFFSETS.items():
        if starts in by_number:
            pairs = zip(_values(data, by_number[starts]), _values(data, by_number[lengths]), strict=True)
            yield from ((start, start + length) for start, length in pairs)


def _values(data: bytes, tag: _Tag) -> list[int]:
    size = SIZES[tag.kind]
    if tag.value[1] - tag.value[0] > MOST_ITEMS * size:
        raise Unclear("too many strips")
    return [_number(data, at, size) for at in range(*tag.value, size)]


def _number(data: bytes, place: int, size: int) -> int:
    if not 0 <= place <= len(data) - size:
        raise Unclear("a directory reaches beyond the file")
    return int.from_bytes(data[place : place + size], "little" if data[:2] == b"II" else "big")
