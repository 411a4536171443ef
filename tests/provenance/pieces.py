"""Pieces of pictures and of their metadata, as bytes: whole ones, and such as lie, loop or swell.

Pictures are small and whole, so that only the metadata is at fault; what a decoder makes of broken pixels
is tested in ``tests/hostile.py``.
"""

from __future__ import annotations

import json
import random
import struct
import zlib

from tests import hostile

MIB = 1 << 20
Tag = tuple[int, int, int, int]  # number, type, count, value or offset


# Containers


def segment(marker: int, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, (len(body) + 2 if length is None else length) & 0xFFFF) + body


def jpeg_with(*parts: bytes) -> bytes:
    """``parts`` stand before everything else."""
    whole = hostile.jpeg()
    return whole[:2] + b"".join(parts) + whole[2:]


def chunk(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return struct.pack(">I", size) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*parts: bytes) -> bytes:
    """``parts`` stand behind the header, before the pixels."""
    whole = hostile.png()
    return whole[:33] + b"".join(parts) + whole[33:]


def webp_with(*parts: tuple[bytes, bytes], claimed: int | None = None) -> bytes:
    plain = hostile.saved(hostile.gradient(), "WEBP", lossless=True)[12:]
    body = plain + b"".join(
        kind + struct.pack("<I", len(raw) if claimed is None else claimed) + raw for kind, raw in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif_with(comment: bytes) -> bytes:
    """The comment stands behind the picture, in sub-blocks of 100 bytes."""
    blocks = [comment[at : at + 100] for at in range(0, len(comment), 100)]
    body = b"".join(bytes([len(block)]) + block for block in blocks)
    return hostile.saved(hostile.gradient(), "GIF")[:-1] + b"!\xfe" + body + b"\0;"


def text_chunk(key: str, text: bytes) -> bytes:
    return chunk(b"tEXt", key.encode() + b"\0" + text)


def bomb(size: int = 50 * MIB) -> bytes:
    """Zlib data of ``size`` equal bytes in a thousandth of it."""
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(b"a" * MIB) for _ in range(size // MIB)) + packer.flush()


# EXIF


def tiff(*tags: Tag, link: int = 0, tail: bytes = b"", count: int | None = None) -> bytes:
    """A little-endian directory at 8, then ``tail``, at 14 + 12 for each tag."""
    body = struct.pack("<H", len(tags) if count is None else count)
    body += b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", link) + tail


def exif_jpeg(body: bytes) -> bytes:
    return jpeg_with(segment(0xE1, b"Exif\0\0" + body))


def exif_png(body: bytes) -> bytes:
    return png_with(chunk(b"eXIf", body))


def same_megabyte() -> bytes:
    """60,000 tags, each with the same megabyte as its value: 60 GB for who copies them."""
    tags = [(tag, 7, MIB - 800_000, 8) for tag in range(60_000)]
    return exif_png(tiff(*tags))


def known_many_times() -> bytes:
    """The artist, 20,000 times, each with most of the file as its value."""
    return exif_png(tiff(*[(315, 2, 240_000, 8)] * 20_000))


def directory_chain() -> bytes:
    """A thousand directories, each pointing at the next one as EXIF directory and as link."""
    parts = []
    for number in range(1000):
        following = 8 + 18 * (number + 1)
        parts.append(struct.pack("<H", 1) + struct.pack("<HHII", 34665, 4, 1, following))
        parts.append(struct.pack("<I", following))
    return exif_jpeg(b"II*\0" + struct.pack("<I", 8) + b"".join(parts))


def thumbnail(start: int, length: int, body: bytes = b"") -> bytes:
    first = tiff(link=14)
    second = struct.pack("<H", 2) + struct.pack("<HHII", 513, 4, 1, start)
    return exif_jpeg(first + second + struct.pack("<HHII", 514, 4, 1, length) + bytes(4) + body)


# XMP

RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
END = b"</rdf:RDF></x:xmpmeta>"


def xmp_jpeg(packet: bytes) -> bytes:
    return jpeg_with(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet))


def xmp_png(packet: bytes) -> bytes:
    return png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))


def laughs(levels: int = 12) -> bytes:
    """The billion laughs."""
    lines = [b'<!ENTITY a0 "lol">']
    for level in range(1, levels):
        lines.append(b'<!ENTITY a%d "%s">' % (level, b"&a%d;" % (level - 1) * 10))
    return b"<?xml version='1.0'?><!DOCTYPE x [" + b"".join(lines) + b"]><x>&a%d;</x>" % (levels - 1)


def quadratic() -> bytes:
    """One entity of 50 KB, named 10,000 times."""
    head = b'<!DOCTYPE x [<!ENTITY a "%s">]>' % (b"a" * 50_000)
    return head + b"<x>" + b"&a;" * 3_000 + b"</x>"


OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
PARAMETER = b'<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:9/"> %a;]><x/>'


# C2PA: boxes in APP11, in PNG's caBX and in WebP's C2PA


def box(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    return struct.pack(">I", len(body) + 8 if length is None else length) + kind + body


JUMBF = box(b"jumb", box(b"jumd", b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9bq\3c2pa\0") + box(b"cbor", b"\xa0"))


def app11(body: bytes, number: int = 1, packet: int = 1) -> bytes:
    return segment(0xEB, b"JP" + struct.pack(">HI", number, packet) + body)


def nested_boxes(depth: int = 3000) -> bytes:
    body = b""
    for _ in range(depth):
        body = box(b"jumb", body)
    return body


def cbor_depth(depth: int = 20_000) -> bytes:
    return box(b"jumb", box(b"jumd", b"c2pa" + bytes(13)) + box(b"cbor", b"\x81" * depth + b"\x00"))


# Texts

DEEP = b"[" * 100_000
DEEP_OBJECT = b'{"AIGC":' * 30_000
A1111 = b"a cat\nSteps: 20, Sampler: Euler, Seed: 1, Model: x"


def graph(nodes: int) -> bytes:
    return json.dumps(
        {str(n): {"class_type": "X", "inputs": {"text": "a" * 9}} for n in range(nodes)}
    ).encode()


def json_in_json(levels: int) -> bytes:
    """A text of JSON that holds a text of JSON …; each level doubles its backslashes."""
    text = '{"seed":1}'
    for _ in range(levels):
        text = json.dumps({"a": text})
        if len(text) > MIB - 100:
            break
    return text.encode()[: MIB - 100]


def wide_json() -> bytes:
    """30,000 small objects, and a few that hold many."""
    return json.dumps([{"prompt": {"a": [{}] * 30}, "seed": {}}] * 800 + [{}] * 30_000).encode()


def nasty(seed: int, size: int = 3000) -> bytes:
    return random.Random(seed).randbytes(size)


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def flipped(data: bytes, seed: int, count: int = 60) -> bytes:
    """Some bytes of the first kilobytes changed."""
    chance, out = random.Random(seed), bytearray(data)
    for _ in range(count):
        out[chance.randrange(3, min(len(out), 4000))] = chance.randrange(256)
    return bytes(out)


def rich() -> bytes:
    """EXIF, XMP, IPTC and a comment at once, to be cut and flipped."""
    exif = tiff((271, 2, 6, 50), (272, 2, 6, 56), (34665, 4, 1, 8), tail=b"Canon\0" * 20)
    xmp = RDF + b'<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    xmp += b'e:DigitalSourceType="trainedAlgorithmicMedia"/>' + END
    iim = b"\x1c\x02\x50\x00\x05Alice"
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iim)) + iim
    return jpeg_with(
        segment(0xE1, b"Exif\0\0" + exif), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp),
        segment(0xED, b"Photoshop 3.0\0" + resource), segment(0xFE, A1111), app11(JUMBF),
    )  # fmt: skip
