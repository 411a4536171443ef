"""Where a file keeps its metadata: EXIF, XMP, IPTC, text and its trailer, cut out of any container.

Everything is bounded before it is copied: how many blocks are walked, how many bytes each may
have, and what text may become when it is inflated (a zTXt of 50 KB can claim 50 MB). Lengths
that lie end the walk; nothing here raises, whatever the bytes.

Formats: JPEG (ITU-T T.81, B.1.1), PNG (W3C, 3rd edition, 11.3), WebP (RIFF), GIF89a, TIFF 6.0;
of HEIF and AVIF the boxes are read by libheif and libavif, which the decoder uses anyway.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mlcore import containers
from mlcore.provenance.text import decoded, reads_as_text
from mlcore.repair import isobmff

MIB = 1 << 20
MOST_BLOCKS = 10_000  # that are stepped over; a PNG of 25 MiB in pieces of 8 KiB has 3,200
MOST_TEXTS = 200
MOST_EXIF = MOST_XMP = MOST_TEXT = MIB  # of one block; a ComfyUI workflow has some 100 KiB
MOST_TEXT_ALL = 4 * MIB
MOST_TRAILER = MIB
PHOTOSHOP, EXIF_HEAD, XMP_HEAD = b"Photoshop 3.0\0", b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
XMP_MORE_HEAD = b"http://ns.adobe.com/xmp/extension/\0"
XMP_MORE_NUMBERS = 32 + 4 + 4  # the packet's digest, its whole length, and where this part begins in it
GIF_COMMENT = re.compile(rb"!\xfe(?=[^\0])", re.S)
MOST_SUB_BLOCKS = 20_000  # of all comments of a GIF
MOST_GIF_COMMENTS = 2000  # introducers that are looked at; a picture has one by chance each 64 KiB
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
NO_FRAME = {0xC4, 0xC8, 0xCC}  # within C0–CF, but tables, not frames


@dataclass
class Blocks:
    """``exif`` begins with its TIFF header, ``iptc`` with the first dataset; b"" where there is none.

    ``size`` is (width, height) as the container says, None where it is not looked up here.
    ``cut`` counts what was left out because it was too large or too much.
    """

    format: str = ""
    size: tuple[int, int] | None = None
    exif: bytes = b""
    xmp: list[bytes] = field(default_factory=list)
    iptc: bytes = b""
    texts: list[tuple[str, str]] = field(default_factory=list)
    trailer: bytes = b""
    cut: int = 0
    text_left: int = MOST_TEXT_ALL

    def add_text(self, key: str, raw: bytes) -> None:
        if len(self.texts) >= MOST_TEXTS or len(raw) > self.text_left or len(raw) > MOST_TEXT:
            self.cut += 1
            return
        self.text_left -= len(raw)
        self.texts.append((key, decoded(raw)))

    def add_exif(self, data: bytes, start: int, end: int) -> None:
        if end - start > MOST_EXIF:
            self.cut += 1
        elif not self.exif:
            self.exif = data[start:end].removeprefix(EXIF_HEAD)

    def add_xmp(self, data: bytes, start: int, end: int) -> None:
        if end - start > MOST_XMP or len(self.xmp) >= 4:
            self.cut += 1
        else:
            self.xmp.append(data[start:end])


def read(data: bytes) -> Blocks:
    """All metadata of one file, within bounds; empty blocks for what is no image."""
    formats = containers.formats(data[:512])
    blocks = Blocks(format=formats[0] if formats else "")
    reader = READERS.get(blocks.format)
    if reader is not None:
        reader(data, blocks)
    return blocks


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each JPEG segment's body up to the end of the picture, inclusive.

    ``end`` may lie behind the file's where a length lies.
    """
    place = 0
    for _ in range(MOST_BLOCKS):
        marker = containers.MARKER.search(data, place)
        if marker is None:
            return
        kind, place = marker[1][0], marker.end()
        end = place
        if kind not in (containers.START_OF_IMAGE, containers.END_OF_IMAGE):
            end = place + max(2, int.from_bytes(data[place : place + 2], "big"))
            place += 2
        yield kind, place, end
        if kind == containers.END_OF_IMAGE:
            return
        place = end


def chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each PNG chunk that lies wholly within the file."""
    place = len(PNG_HEAD)
    for _ in range(MOST_BLOCKS):
        start = place + 8
        end = start + int.from_bytes(data[place : place + 4], "big")
        if start > len(data) or end > len(data):
            return
        yield data[place + 4 : start], start, end
        place = end + 4


def riff(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of each chunk of a WebP file; the last one may be cut short."""
    place = 12
    for _ in range(MOST_BLOCKS):
        start = place + 8
        if start > len(data):
            return
        end = start + int.from_bytes(data[place + 4 : start], "little")
        yield data[place : place + 4], start, min(end, len(data))
        place = end + (end & 1)


def photoshop_iptc(body: bytes) -> bytes:
    """The IPTC record among Photoshop's image resources (8BIM, number 0x0404)."""
    place = body.find(b"8BIM")
    for _ in range(1000):
        if place < 0 or place + 12 > len(body):
            break
        name = body[place + 6] + 1
        start = place + 6 + name + (name & 1) + 4
        end = start + int.from_bytes(body[start - 4 : start], "big")
        if body[place + 4 : place + 6] == b"\x04\x04":
            return body[start:end]
        place = body.find(b"8BIM", min(end, len(body)))
    return b""


def _jpeg(data: bytes, blocks: Blocks) -> None:
    more: dict[int, tuple[int, int]] = {}
    for kind, start, end in segments(data):
        if 0xC0 <= kind <= 0xCF and kind not in NO_FRAME and blocks.size is None:
            height, width = (int.from_bytes(data[at : at + 2], "big") for at in (start + 1, start + 3))
            blocks.size = (width, height)
        elif kind == 0xE1 and data.startswith(EXIF_HEAD, start):
            blocks.add_exif(data, start, end)
        elif kind == 0xE1 and data.startswith(XMP_HEAD, start):
            blocks.add_xmp(data, start + len(XMP_HEAD), end)
        elif kind == 0xE1 and data.startswith(XMP_MORE_HEAD, start):
            body = start + len(XMP_MORE_HEAD) + XMP_MORE_NUMBERS
            more.setdefault(int.from_bytes(data[body - 4 : body], "big"), (body, end))
        elif kind == 0xED and data.startswith(PHOTOSHOP, start) and not blocks.iptc:
            blocks.iptc = photoshop_iptc(data[start + len(PHOTOSHOP) : end])
        elif kind == 0xEB and data.startswith(b"AIGC{", start):
            blocks.add_text("AIGC", data[start + 4 : end])
        elif kind == 0xFE:
            blocks.add_text("comment", data[start:end])
        elif kind == containers.END_OF_IMAGE:
            blocks.trailer = data[max(start, len(data) - MOST_TRAILER) :]
    if more and sum(max(end - start, 0) for start, end in more.values()) <= MOST_XMP:
        whole = b"".join(data[start:end] for _, (start, end) in sorted(more.items()))
        blocks.add_xmp(whole, 0, len(whole))


def _png(data: bytes, blocks: Blocks) -> None:
    for kind, start, end in chunks(data):
        if kind == b"IHDR":
            blocks.size = (
                int.from_bytes(data[start : start + 4], "big"),
                int.from_bytes(data[start + 4 : start + 8], "big"),
            )
        elif kind == b"eXIf":
            blocks.add_exif(data, start, end)
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            _png_text(kind, data, start, end, blocks)


def _png_text(kind: bytes, data: bytes, start: int, end: int, blocks: Blocks) -> None:
    """Keyword, then by kind a method, a flag, a language and a translation, then the text."""
    stop = data.find(b"\0", start, min(end, start + 80))
    if stop < 0:
        return
    key, place, packed = decoded(data[start:stop]), stop + 1, kind == b"zTXt"
    if kind == b"zTXt":
        place += 1
    elif kind == b"iTXt":
        packed, place = data[place : place + 1] == b"\1", place + 2
        for _ in range(2):
            place = data.find(b"\0", place, min(end, place + 1000)) + 1
            if not place:
                return
    if end - place > MOST_TEXT:
        blocks.cut += 1
        return
    raw = _unpacked(data[place:end], blocks) if packed else data[place:end]
    if raw is None:
        blocks.cut += 1
    else:
        _keep_text(key, raw, blocks)


def _unpacked(packed: bytes, blocks: Blocks) -> bytes | None:
    """What does not fit costs as much as if it did: inflating is the work, not keeping."""
    raw = inflated(packed, min(MOST_TEXT, blocks.text_left))
    if raw is None:
        blocks.text_left -= min(MOST_TEXT, blocks.text_left)
    return raw


def _keep_text(key: str, raw: bytes, blocks: Blocks) -> None:
    if key == "XML:com.adobe.xmp":
        blocks.add_xmp(raw, 0, len(raw))
    elif key.startswith("Raw profile type "):
        _raw_profile(key.rsplit(" ", 1)[1], raw, blocks)
    else:
        blocks.add_text(key, raw)


def _raw_profile(name: str, raw: bytes, blocks: Blocks) -> None:
    """ImageMagick's way: the block's name, its length, and hexadecimal digits over many lines."""
    try:
        body = bytes.fromhex(b"".join(raw.split()[2:]).decode("ascii"))
    except ValueError:
        return
    if body.startswith(XMP_HEAD):
        blocks.add_xmp(body, len(XMP_HEAD), len(body))
    elif name in ("exif", "APP1"):
        blocks.add_exif(body, 0, len(body))
    elif name == "xmp":
        blocks.add_xmp(body, 0, len(body))
    elif name in ("iptc", "8bim") and not blocks.iptc:
        blocks.iptc = photoshop_iptc(body) or body


def inflated(packed: bytes, limit: int = MOST_TEXT) -> bytes | None:
    """Zlib data, None where it is broken or would have more than ``limit`` bytes."""
    if limit <= 0:
        return None
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(packed, limit + 1)
    except zlib.error:
        return None
    return raw if len(raw) <= limit else None


def _webp(data: bytes, blocks: Blocks) -> None:
    for kind, start, end in riff(data):
        if kind == b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (start + 4, start + 7))
            blocks.size = (width, height)
        elif kind == b"EXIF":
            blocks.add_exif(data, start, end)
        elif kind == b"XMP ":
            blocks.add_xmp(data, start, end)


def _gif(data: bytes, blocks: Blocks) -> None:
    """Comments are found by their introducer, since walking a large animation's blocks takes longer.

    A picture's data may hold the same two bytes: what follows must read as text.
    """
    place, left = 0, MOST_SUB_BLOCKS
    for _ in range(MOST_GIF_COMMENTS):
        match = GIF_COMMENT.search(data, place)
        if match is None or len(blocks.texts) >= MOST_TEXTS or not blocks.text_left:
            break
        place = match.end()
        if reads_as_text(decoded(data[place + 1 : place + 1 + min(data[place], 64)])):
            parts, place = _sub_blocks(data, place, min(MOST_TEXT, blocks.text_left), left)
            left -= len(parts)
            blocks.add_text("comment", b"".join(parts))
    start = data.find(b"XMP DataXMP")
    if start >= 0:
        stop = data.find(b"<?xpacket end", start, start + MOST_XMP)
        blocks.add_xmp(data, start + 11, stop if stop > 0 else min(len(data), start + MOST_XMP))


def _sub_blocks(data: bytes, place: int, most: int, count: int) -> tuple[list[bytes], int]:
    """GIF's sub-blocks from their first length byte to the empty one (GIF89a, 15), and where they end.

    Reading ends behind ``most`` bytes or ``count`` sub-blocks, which may have one byte each.
    """
    parts: list[bytes] = []
    while len(parts) < count and place < len(data) and 0 < data[place] <= most:
        parts.append(data[place + 1 : place + 1 + data[place]])
        most -= data[place]
        place += 1 + data[place]
    return parts, place


def _tiff(data: bytes, blocks: Blocks) -> None:
    blocks.exif = data  # read in place, tag by tag: nothing is copied


def _iso(data: bytes, blocks: Blocks) -> None:
    try:
        info = _iso_info(data)
    except Exception:  # the libraries raise whatever they like at hostile bytes
        return
    exif, xmp = info.get("exif") or b"", info.get("xmp") or b""
    blocks.add_exif(exif, 0, len(exif))
    if xmp:
        blocks.add_xmp(xmp, 0, len(xmp))
    blocks.trailer = data[-MOST_TRAILER:]


def _iso_info(data: bytes) -> dict[Any, Any]:
    """Opened, never decoded."""
    from PIL import Image
    from pillow_heif import open_heif

    brands = containers.brands(data[: containers.MOST_BRANDS])
    data = isobmff.prepare(data, 0).data
    if brands & containers.AVIF_BRANDS:
        with Image.open(io.BytesIO(data), formats=("AVIF",)) as image:
            return dict(image.info)
    return dict(open_heif(io.BytesIO(data)).info)


READERS = {
    "JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "GIF": _gif, "TIFF": _tiff, "AVIF": _iso,
}  # fmt: skip
