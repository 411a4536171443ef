"""Pictures with the metadata that cameras, editors and generators write, made on the spot."""

from __future__ import annotations

import gzip
import io
import json
import struct

import numpy as np
from PIL import Image, PngImagePlugin

from tests import hostile

IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
UUID = "12345678-1234-4321-8765-123456789abc"


def exif_jpeg(
    tags: dict[int, object] | None = None, sub: dict[int, object] | None = None, **options
) -> bytes:
    """A 48 × 32 JPEG; ``tags`` of the first directory, ``sub`` of the EXIF one."""
    exif = Image.Exif()
    for tag, value in (tags or {}).items():
        exif[tag] = value
    if sub:
        exif.get_ifd(0x8769).update(sub)
    return hostile.jpeg(exif=exif, **options)


def png(**texts: str) -> bytes:
    """A PNG with texts; underscores of a name stand for themselves."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        if text.isascii():
            info.add_text(key, text)
        else:
            info.add_itxt(key, text)
    return hostile.saved(hostile.gradient(), "PNG", pnginfo=info)


def xmp(body: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns:Iptc4xmpExt="{IPTC_EXT}" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
        f'<rdf:Description rdf:about="" {attributes}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def xmp_file(form: str, packet: bytes) -> bytes:
    """The packet in a JPEG, PNG, WebP or TIFF."""
    if form == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", packet.decode())
        return hostile.saved(hostile.gradient(), "PNG", pnginfo=info)
    if form == "TIFF":
        return hostile.saved(hostile.gradient(), "TIFF", tiffinfo={700: packet})
    return hostile.saved(hostile.gradient(64, 64), form, xmp=packet)


def iptc_jpeg(**sets: str) -> bytes:
    numbers = {
        "instructions": 40, "software": 65, "by": 80, "headline": 105, "credit": 110, "source": 115,
        "copyright": 116, "caption": 120,
    }  # fmt: skip
    raw = b"".join(
        b"\x1c\x02" + bytes([numbers[key]]) + len(text.encode()).to_bytes(2, "big") + text.encode()
        for key, text in sets.items()
    )
    body = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + len(raw).to_bytes(4, "big") + raw
    whole = hostile.jpeg()
    return whole[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + whole[2:]


def user_comment(text: str) -> bytes:
    return b"UNICODE\0" + text.encode("utf-16-be")


def with_preview(picture: Image.Image, preview: Image.Image, orientation: int = 1) -> bytes:
    """A JPEG whose EXIF holds a preview; both as stored, that is before turning."""
    small = io.BytesIO()
    preview.save(small, "JPEG", quality=90)
    raw = small.getvalue()
    first = b"\x01\x00" + b"\x12\x01\x03\x00\x01\x00\x00\x00" + orientation.to_bytes(4, "little")
    second = b"\x02\x00" + b"\x01\x02\x04\x00\x01\x00\x00\x00" + (56).to_bytes(4, "little")
    second += b"\x02\x02\x04\x00\x01\x00\x00\x00" + len(raw).to_bytes(4, "little") + bytes(4)
    tiff = b"II*\0\x08\0\0\0" + first + (26).to_bytes(4, "little") + second
    assert len(tiff) == 56
    return hostile.saved(picture, "JPEG", quality=95, exif=b"Exif\0\0" + tiff + raw)


A1111 = (
    "a castle on a hill, oil painting\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 42, Size: 512x512, Model hash: a, Model: dreamshaper_8"
)
COMFY_PROMPT = json.dumps({
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red fox in snow", "clip": ["4", 1]}},
})  # fmt: skip
COMFY_WORKFLOW = json.dumps(
    {"nodes": [{"id": 1, "type": "KSampler", "pos": [0, 0], "inputs": []}], "links": []}
)


def tiff_tags(tags: dict[int, tuple[int, bytes]], sub: bool = False) -> bytes:
    """A big-endian TIFF header whose directory, or EXIF directory, has tags: number to (type, bytes)."""
    start = 8 + (18 if sub else 0)
    place, entries, values = start + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (kind, raw) in sorted(tags.items()):
        entries += struct.pack(">HHII", tag, kind, len(raw), place + len(values))
        values += raw + bytes(len(raw) % 2)
    body = struct.pack(">H", len(tags)) + entries + bytes(4) + values
    first = struct.pack(">HHHIII", 1, 0x8769, 4, 1, start, 0) if sub else b""
    return b"MM\0*\0\0\0\x08" + first + body


def stealth(text: str, signature: str = "stealth_pngcomp", size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A picture with a text in the lowest bits of alpha, or of the colours, column by column."""
    raw = text.encode()
    body = gzip.compress(raw) if signature.endswith("comp") else raw
    message = signature.encode() + (8 * len(body)).to_bytes(4, "big") + body
    colours = "rgb" in signature
    pixels = np.array(hostile.gradient(*size).convert("RGB" if colours else "RGBA"))
    plane = pixels if colours else pixels[:, :, 3:]
    flat = plane.transpose(1, 0, 2).reshape(-1).copy()
    bits = np.unpackbits(np.frombuffer(message, np.uint8))
    flat[: len(bits)] = (flat[: len(bits)] & 0xFE) | bits
    plane[:] = flat.reshape(size[0], size[1], -1).transpose(1, 0, 2)
    return Image.fromarray(pixels)
