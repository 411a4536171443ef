"""Pictures with the metadata that cameras, editors and generators write, made on the spot."""

from __future__ import annotations

import io
import json

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
    numbers = {"credit": 110, "instructions": 40, "software": 65}
    raw = b"".join(
        b"\x1c\x02" + bytes([numbers[key]]) + len(text).to_bytes(2, "big") + text.encode()
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
