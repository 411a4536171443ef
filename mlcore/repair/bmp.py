"""BMP (Windows' bitmap headers, V3 to V5): any masks of its colours, as the ones that decoders know."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from mlcore.repair.prepared import MOST_MISSING, Incomplete, Prepared, missing_note

BITFIELDS, ALPHA_BITFIELDS = 3, 6
HEADERS = {40, 52, 56, 64, 108, 124}
PACKED = {4: "JPEG", 5: "PNG"}
STRIP = 1 << 18  # pixels that are converted at a time


def prepare(data: bytes, most_pixels: int) -> Prepared:
    head = int.from_bytes(data[14:18], "little")
    if head not in HEADERS or len(data) < 54:
        return Prepared(data, frames=1)
    width, height, _, depth, packed = struct.unpack_from("<iiHHI", data, 18)
    if packed in PACKED:
        return Prepared(data, frames=1, variant=f"a BMP that holds a {PACKED[packed]}")
    if packed not in (0, BITFIELDS, ALPHA_BITFIELDS) or width <= 0 or width * abs(height) > most_pixels:
        return Prepared(data, frames=1)
    data, notes = _padded(data, width, abs(height), depth)
    if packed and depth in (16, 32):
        data = _plain(data, head, width, height, depth, packed)
    return Prepared(data, notes, 1)


def _padded(data: bytes, width: int, height: int, depth: int) -> tuple[bytes, tuple[str, ...]]:
    """Zeros in the place of what is missing at the end, where it is little."""
    start, size = int.from_bytes(data[10:14], "little"), height * _stride(width, depth)
    missing = start + size - len(data)
    if missing <= 0 or not size:
        return data, ()
    if missing > size * MOST_MISSING:
        raise Incomplete
    return data + bytes(missing), (missing_note(missing / size),)


def _stride(width: int, depth: int) -> int:
    return (width * depth + 31) // 32 * 4


def _plain(data: bytes, head: int, width: int, height: int, depth: int, packed: int) -> bytes:
    """The same picture with 32 bits a pixel, in the masks of blue, green, red, alpha, and V4's header."""
    masks = _masks(data, head, packed)
    if not any(masks[:3]):  # then the usual ones are meant
        return data
    start, stride, rows = int.from_bytes(data[10:14], "little"), _stride(width, depth), abs(height)
    kind = np.dtype("<u2" if depth == 16 else "<u4")
    out = np.empty((rows, width, 4), np.uint8)
    at_once = max(1, STRIP // width)
    for top in range(0, rows, at_once):
        count = min(at_once, rows - top)
        raw = np.frombuffer(data, np.uint8, count * stride, start + top * stride).reshape(count, stride)
        values = np.ascontiguousarray(raw[:, : width * kind.itemsize]).view(kind).astype(np.uint32)
        for place, mask in enumerate((masks[2], masks[1], masks[0], masks[3])):
            out[top : top + count, :, place] = _channel(values, mask, 0 if place < 3 else 255)
    if masks[3] and not out[:, :, 3].any():  # as browsers do: such an alpha was never meant
        out[:, :, 3] = 255
    return _header(width, height, bool(masks[3])) + out.tobytes()


def _masks(data: bytes, head: int, packed: int) -> tuple[int, int, int, int]:
    """Red, green, blue, alpha: within a longer header or behind the short one, at the same place."""
    alpha = head >= 56 or packed == ALPHA_BITFIELDS
    values = struct.unpack_from("<4I", data.ljust(70, b"\0"), 54)
    return values[0], values[1], values[2], values[3] if alpha else 0


def _channel(values: NDArray[np.uint32], mask: int, without: int) -> NDArray[np.uint8] | int:
    """One colour as 8 bits, whatever its number of bits."""
    if not mask:
        return without
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    found = (values & np.uint32(mask)) >> np.uint32(shift)
    if most == 255:
        return found.astype(np.uint8)
    return np.rint(found * (255.0 / most)).astype(np.uint8)


def _header(width: int, height: int, alpha: bool) -> bytes:
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000 if alpha else 0)
    size = 4 * width * abs(height)
    file = struct.pack("<2sIHHI", b"BM", (14 + 108 + size) & 0xFFFFFFFF, 0, 0, 14 + 108)
    info = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, BITFIELDS, size & 0xFFFFFFFF, 0, 0, 0, 0)
    return file + (info + struct.pack("<4I", *masks)).ljust(108, b"\0")
