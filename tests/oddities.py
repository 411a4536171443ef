"""Files that browsers show and strict decoders refuse, and kin of theirs that are to be refused.

``CUT`` and ``ODD`` map a name to (maker, words of the note); ``REFUSED`` to (maker, code, words).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests import hostile
from tests.hostile import gradient, saved

Maker = Callable[[], bytes]
SIDE = 320


def noise(width: int = SIDE, height: int = SIDE) -> Image.Image:
    """Without any flat part: what is missing of it shows, and its files are long."""
    values = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def cut(data: bytes, share: float = 0.02) -> bytes:
    return data[: int(len(data) * (1 - share))]


def png_with_crc(kind: bytes, wrong: bool = True) -> bytes:
    """A PNG whose chunk of this kind has a wrong checksum."""
    turned = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, 6, 0)
    bodies = {b"pHYs": struct.pack(">IIB", 2835, 2835, 1), b"tEXt": b"Comment\0hello",
              b"gAMA": b"\0\0\xb1\x8f", b"eXIf": turned}  # fmt: skip
    whole = hostile.png()
    if kind in bodies:
        at = whole.index(b"IDAT") - 4
        body = bodies[kind]
        whole = whole[:at] + struct.pack(">I", len(body)) + kind + body + bytes(4) + whole[at:]
    at = whole.index(kind)
    end = at + 4 + struct.unpack_from(">I", whole, at - 4)[0]
    return (
        whole[:end]
        + (b"\0\1\2\3" if wrong else struct.pack(">I", zlib.crc32(whole[at:end])))
        + whole[end + 4 :]
    )


def interlaced(image: Image.Image) -> bytes:
    """Adam7, which Pillow does not write: seven small pictures, one after the other."""
    values, raw = np.asarray(image.convert("RGB")), b""
    for x, y, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                         (0, 1, 1, 2)):  # fmt: skip
        raw += b"".join(b"\0" + row.tobytes() for row in values[y::dy, x::dx])
    head = struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(hostile._chunk(*each) for each in chunks)


def bmp(
    masks: tuple[int, int, int, int], depth: int, head: int, packed: int = 3, down: bool = False
) -> bytes:
    """The gradient with bits in any masks; ``head``: bytes of its header, 40 (V3) to 124 (V5)."""
    image = gradient().convert("RGBA")
    values = np.asarray(image).astype(np.uint64)
    out = np.zeros(values.shape[:2], np.uint64)
    for place, mask in enumerate(masks):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            out |= np.rint(values[:, :, place] * ((mask >> shift) / 255)).astype(np.uint64) << np.uint64(
                shift
            )
    rows = out.astype("<u2" if depth == 16 else "<u4")
    body = (rows if down else rows[::-1]).tobytes()
    height = -image.height if down else image.height
    info = struct.pack("<IiiHHIIiiII", head, image.width, height, 1, depth, packed, len(body), 0, 0, 0, 0)
    fields = struct.pack("<4I", *masks)
    info += (
        fields[: 16 if head >= 56 or packed == 6 else 12] if head == 40 else fields.ljust(head - 40, b"\0")
    )
    start = 14 + len(info)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + body


def avif(major: bytes, image: bytes = b"") -> bytes:
    """An AVIF under another name; ``avif`` is only among those that it is compatible with."""
    whole = image or saved(gradient(64, 64), "AVIF", quality=90)
    return whole[:8] + major + whole[12:]


def two_associations() -> bytes:
    """The properties of a picture in two boxes, the second for none: as old cavif wrote them."""
    whole = saved(gradient(64, 64), "AVIF", quality=90)
    at = whole.index(b"ipma") - 4
    size = struct.unpack_from(">I", whole, at)[0]
    box = whole[at : at + size]
    second = struct.pack(">I4sII", 16, b"ipma", struct.unpack_from(">I", box, 8)[0], 0)
    made = whole[: at + size] + second + whole[at + size :]
    for kind in (b"meta", b"iprp"):
        made = _grown(made, kind, 16)
    return _moved(made, 16)


def _grown(data: bytes, kind: bytes, more: int) -> bytes:
    at = data.index(kind) - 4
    return data[:at] + struct.pack(">I", struct.unpack_from(">I", data, at)[0] + more) + data[at + 4 :]


def _moved(data: bytes, more: int) -> bytes:
    """The picture's data comes later: its offset in ``iloc`` is the one that points to ``mdat``."""
    start = data.index(b"mdat") + 4 - more
    at = data.index(struct.pack(">I", start), data.index(b"iloc"))
    return data[:at] + struct.pack(">I", start + more) + data[at + 4 :]


def with_xmp(form: str, orientation: int = 6) -> bytes:
    """Turned by XMP alone: browsers show it as it is."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
        f'tiff:Orientation="{orientation}"/></rdf:RDF></x:xmpmeta>'
    ).encode()
    if form == "PNG":
        body = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
        whole = hostile.png()
        at = whole.index(b"IDAT") - 4
        return whole[:at] + hostile._chunk(b"iTXt", body) + whole[at:]
    if form == "TIFF":
        return saved(gradient(), "TIFF", tiffinfo={700: packet})
    return saved(gradient(), form, xmp=packet)


def camera_raw(kind: str = "dng") -> bytes:
    """Little-endian TIFF whose first page is a thumbnail; what makes it camera raw by ``kind``."""
    more = {
        "dng": [(50706, 1, 4, 0x00000401)],
        "mosaic": [(262, 3, 1, 32803)],
        "below": [(330, 4, 1, 0)],
        "cr2": [],
    }[kind]
    tags = [tag for tag in hostile.grey_tags(16) if tag[0] not in [each[0] for each in more]]
    whole = hostile.tiff(*sorted([*tags, *more]), data=bytes(256))
    if kind == "cr2":
        start = struct.unpack_from("<I", whole, 4)[0]
        return whole[:4] + struct.pack("<I", start) + b"CR\2\0" + whole[12:]
    if kind == "below":
        below = hostile.tiff((262, 3, 1, 32803))[8:]
        at = whole.index(struct.pack("<HHI", 330, 4, 1)) + 8
        return whole[:at] + struct.pack("<I", len(whole)) + whole[at + 4 :] + below
    return whole


def many_frames_webp_with_wrong_length() -> bytes:
    whole = hostile.animated("WEBP")
    return whole[:4] + struct.pack("<I", 12) + whole[8:]


def wrong_length(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", len(data) * 3) + data[8:]


def junk_in_jpeg() -> bytes:
    """Bytes that belong to nothing, between two segments."""
    whole = hostile.jpeg()
    at = whole.index(b"\xff\xdb")
    return whole[:at] + b"\x00junk\x12\xff\xff" + whole[at:]


def progressive() -> bytes:
    return saved(noise(), "JPEG", progressive=True)


def _apples() -> bytes:
    return hostile.png()[:8] + hostile._chunk(b"CgBI", bytes(4)) + hostile.png()[8:]


def _packed_as(number: int) -> bytes:
    tags = [(tag, 4, 1, number if tag == 259 else value) for tag, _, _, value in hostile.grey_tags()]
    return hostile.tiff(*tags, data=bytes(256))


FRAME = b"\xff\xc0\0\x11"
MISSING, ENDS = "The end of the file is missing", "The mark at the end of the file is missing"

# What browsers show although its end is missing.
CUT: dict[str, tuple[Maker, str]] = {
    "no end.png": (lambda: saved(noise(), "PNG")[:-12], ENDS),
    "cut.png": (lambda: cut(saved(noise(), "PNG")), MISSING),
    "interlaced cut.png": (lambda: cut(interlaced(noise())), MISSING),
    "cut within its last checksum.png": (lambda: saved(noise(), "PNG")[:-14], ENDS),
    "grey 16 bits cut.png": (lambda: cut(hostile.deep()), ""),
    "no end.jpg": (lambda: saved(noise(), "JPEG")[:-2], ENDS),
    "cut.jpg": (lambda: cut(saved(noise(), "JPEG", quality=90)), MISSING),
    "cut, 4:4:4.jpg": (lambda: cut(saved(noise(), "JPEG", quality=90, subsampling=0)), MISSING),
    "cut grey.jpg": (lambda: cut(saved(noise().convert("L"), "JPEG")), MISSING),
    "cut cmyk.jpg": (lambda: cut(saved(noise().convert("CMYK"), "JPEG")), MISSING),
    "cut restarts.jpg": (lambda: cut(saved(noise(), "JPEG", restart_marker_rows=1)), MISSING),
    "cut progressive.jpg": (lambda: cut(progressive(), 0.003), MISSING),
    "no end progressive.jpg": (lambda: progressive()[:-2], ENDS),
    "bytes lost within.jpg": (lambda: cut(saved(noise(), "JPEG")) + b"\xff\xd9", MISSING),
    "no end.gif": (lambda: saved(noise().quantize(64), "GIF")[:-1], ""),
    "cut.gif": (lambda: cut(saved(noise().quantize(64), "GIF")), MISSING),
    "cut.webp": (lambda: cut(saved(noise(), "WEBP", quality=80)), MISSING),
    "cut.bmp": (lambda: cut(saved(noise(), "BMP")), MISSING),
}  # fmt: skip

NO_NOTE = ""
ODD: dict[str, tuple[Maker, str]] = {
    "large zTXt.png": (hostile.png_of_texts, NO_NOTE),
    "large iTXt.png": (lambda: hostile.png_of_texts(kind=b"iTXt"), NO_NOTE),
    "pHYs.png": (lambda: png_with_crc(b"pHYs"), "pHYs"),
    "tEXt.png": (lambda: png_with_crc(b"tEXt"), "tEXt"),
    "gAMA.png": (lambda: png_with_crc(b"gAMA"), "gAMA"),
    "eXIf.png": (lambda: png_with_crc(b"eXIf"), "eXIf"),
    "IEND.png": (lambda: png_with_crc(b"IEND"), NO_NOTE),
    "IDAT.png": (lambda: png_with_crc(b"IDAT"), "picture data is wrong"),
    "behind the end.png": (lambda: hostile.png() + b"and more", NO_NOTE),
    "behind the end.jpg": (lambda: hostile.jpeg() + b"and more" * 50, NO_NOTE),
    "behind the end.gif": (lambda: saved(gradient(), "GIF") + b"and more", NO_NOTE),
    "behind the end.webp": (lambda: hostile.ODD["plain.webp"]() + b"and more", "length"),
    "junk.jpg": (junk_in_jpeg, NO_NOTE),
    "interlaced.png": (lambda: interlaced(gradient()), NO_NOTE),
    "too long.webp": (lambda: wrong_length(hostile.ODD["plain.webp"]()), "length"),
    "miaf.avif": (lambda: avif(b"miaf"), NO_NOTE),
    "mif1.avif": (lambda: avif(b"mif1"), NO_NOTE),
    "MA1B.avif": (lambda: avif(b"MA1B"), NO_NOTE),
    "ipma twice.avif": (two_associations, NO_NOTE),
    "565.bmp": (lambda: bmp((0xF800, 0x7E0, 0x1F, 0), 16, 40), NO_NOTE),
    "555.bmp": (lambda: bmp((0x7C00, 0x3E0, 0x1F, 0), 16, 40), NO_NOTE),
    "4444.bmp": (lambda: bmp((0xF00, 0xF0, 0xF, 0xF000), 16, 108), NO_NOTE),
    "1555.bmp": (lambda: bmp((0x7C00, 0x3E0, 0x1F, 0x8000), 16, 124), NO_NOTE),
    "8888 V4.bmp": (lambda: bmp((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32, 108), NO_NOTE),
    "8888 V5.bmp": (lambda: bmp((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32, 124), NO_NOTE),
    "RGBX.bmp": (lambda: bmp((0xFF, 0xFF00, 0xFF0000, 0), 32, 40), NO_NOTE),
    "RGBA alpha.bmp": (lambda: bmp((0xFF, 0xFF00, 0xFF0000, 0xFF000000), 32, 40, 6), NO_NOTE),
    "ABGR.bmp": (lambda: bmp((0xFF, 0xFF00, 0xFF0000, 0xFF000000), 32, 56), NO_NOTE),
    "2-10-10-10.bmp": (lambda: bmp((0x3FF00000, 0xFFC00, 0x3FF, 0), 32, 52), NO_NOTE),
    "top down.bmp": (lambda: bmp((0xF800, 0x7E0, 0x1F, 0), 16, 40, down=True), NO_NOTE),
    "unused alpha.bmp": (lambda: bmp((0xFF0000, 0xFF00, 0xFF, 0), 32, 124), NO_NOTE),
}  # fmt: skip

DAMAGED, VARIANT, OTHER = "truncated", "unsupported_variant", "unsupported_format"
REFUSED: dict[str, tuple[Maker, str, str]] = {
    "half.png": (lambda: cut(saved(noise(), "PNG"), 0.5), DAMAGED, "damaged"),
    "a tenth.png": (lambda: cut(saved(noise(), "PNG"), 0.1), DAMAGED, "damaged"),
    "a tenth.jpg": (lambda: cut(saved(noise(), "JPEG"), 0.1), DAMAGED, "damaged"),
    "a tenth progressive.jpg": (lambda: cut(progressive(), 0.1), DAMAGED, "damaged"),
    "half progressive.jpg": (lambda: cut(progressive(), 0.5), DAMAGED, "damaged"),
    "half lost within.jpg": (lambda: cut(saved(noise(), "JPEG"), 0.5) + b"\xff\xd9", DAMAGED, "damaged"),
    "half of it zeros.jpg": (lambda: cut(saved(noise(), "JPEG"), 0.5) + bytes(9000), DAMAGED, "damaged"),
    "a tenth.gif": (lambda: cut(saved(noise().quantize(64), "GIF"), 0.1), DAMAGED, "damaged"),
    "half.webp": (lambda: cut(saved(noise(), "WEBP"), 0.5), DAMAGED, "damaged"),
    "a tenth.bmp": (lambda: cut(saved(noise(), "BMP"), 0.1), DAMAGED, "damaged"),
    "half.avif": (lambda: cut(saved(noise(), "AVIF"), 0.5), DAMAGED, "damaged"),
    "IHDR.png": (lambda: png_with_crc(b"IHDR"), DAMAGED, "damaged"),
    "CgBI.png": (lambda: _apples(), VARIANT, "CgBI"),
    "holds a jpeg.bmp": (lambda: bmp((0, 0, 0, 0), 32, 40, 4), VARIANT, "holds a JPEG"),
    "12 bits.jpg": (lambda: hostile.jpeg().replace(FRAME + b"\x08", FRAME + b"\x0c"), VARIANT, "12 bits"),
    "packed.tiff": (lambda: _packed_as(34712), VARIANT, "34712"),
    "photo.dng": (lambda: camera_raw("dng"), VARIANT, "camera raw"),
    "photo.nef": (lambda: camera_raw("mosaic"), VARIANT, "camera raw"),
    "photo.arw": (lambda: camera_raw("below"), VARIANT, "camera raw"),
    "photo.cr2": (lambda: camera_raw("cr2"), VARIANT, "camera raw"),
    "photo.cr3": (lambda: b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(64), OTHER, "camera raw"),
    "photo.raf": (lambda: b"FUJIFILMCCD-RAW 0201" + bytes(64), OTHER, "camera raw"),
    "photo.orf": (lambda: b"IIRO\x08\0\0\0" + bytes(64), OTHER, "camera raw"),
    "photo.rw2": (lambda: b"IIU\0\x18\0\0\0" + bytes(64), OTHER, "camera raw"),
    "film.mp4": (lambda: b"\0\0\0\x18ftypisom\0\0\2\0isomavc1" + bytes(64), OTHER, "a video"),
}  # fmt: skip
