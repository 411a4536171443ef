"""Bad and odd image files as bytes, made on the spot: for every test that takes files in.

``BROKEN`` maps a file name to (maker, the code that ``examine`` refuses it with);
``ODD`` maps a file name to the maker of a file that must be let in.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

pillow_heif.register_heif_opener()
Maker = Callable[[], bytes]


def gradient(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """Red grows to the right, green downwards: any wrong turn or flip shows."""
    x = np.linspace(0, 255, width, dtype=np.uint8)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height, dtype=np.uint8)[:, None].repeat(width, 1)
    return Image.fromarray(np.dstack([x, y, np.full_like(x, 40)])).convert(mode)


def saved(image: Image.Image, form: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpeg(width: int = 48, height: int = 32, **options) -> bytes:
    return saved(gradient(width, height), "JPEG", **{"quality": 95, **options})


def png(width: int = 48, height: int = 32) -> bytes:
    return saved(gradient(width, height), "PNG")


def truncated_jpeg() -> bytes:
    whole = jpeg(640, 480)
    return whole[: len(whole) // 2]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int, rows: int | None = None) -> bytes:
    """A grey PNG of any size in few bytes; one bit a pixel, all black, deflated twice as well."""
    raw = zlib.compress(bytes((width + 7) // 8 + 1) * (height if rows is None else rows), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", raw) + _chunk(b"IEND", b"")


def bomb() -> bytes:
    """20,000 × 20,000 pixels in some 50 KB."""
    return png_claiming(20_000, 20_000)


def half_bomb() -> bytes:
    """Under Pillow's own alarm, over our limit."""
    return png_claiming(9_000, 9_000, rows=10)


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue")]
    return saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)


def oriented(value: object, width: int = 48, height: int = 32) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return jpeg(width, height, exif=exif)


def exif_of_nonsense() -> bytes:
    return jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(range(64)))


def exif_of_another_size() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA002: 4000, 0xA003: 3000})
    return jpeg(exif=exif)


def broken_icc() -> bytes:
    return jpeg(icc_profile=b"this is no colour profile" * 20)


def wrong_icc() -> bytes:
    """A Lab profile on RGB pixels: whole, but of another colour space."""
    return jpeg(icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())


def swapped_icc() -> bytes:
    """A whole profile whose red is sRGB's green and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"tXYZ"), (b"gXYZ", b"rXYZ"), (b"tXYZ", b"gXYZ")):
        profile = profile.replace(old, new, 1)
    name = "sRGB built-in".encode("utf-16-be")
    return saved(gradient(), "PNG", icc_profile=profile.replace(name, "Swapped pair.".encode("utf-16-be")))


def palette_with_transparency() -> bytes:
    image = gradient().quantize(16)
    image.info["transparency"] = 0
    return saved(image, "PNG", transparency=0)


def with_alpha(mode: str) -> bytes:
    """Left half see-through, right half opaque."""
    image = gradient().convert(mode)
    alpha = Image.new("L", image.size, 0)
    alpha.paste(255, (image.width // 2, 0, image.width, image.height))
    image.putalpha(alpha)
    return saved(image, "PNG")


def deep(form: str = "PNG") -> bytes:
    """16-bit grey that grows to the right over the whole range."""
    row = np.linspace(0, 65535, 48).astype(np.uint16)
    return saved(Image.fromarray(row[None, :].repeat(32, 0)), form)


def floating() -> bytes:
    row = np.linspace(-3.0, 7.0, 48, dtype=np.float32)
    return saved(Image.fromarray(row[None, :].repeat(32, 0)), "TIFF")


def many_scans(count: int = 101) -> bytes:
    """A progressive JPEG whose last scan comes again and again: each costs a walk over all blocks."""
    whole = jpeg(progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (count - whole.count(b"\xff\xda") + 1) + whole[-2:]


def many_segments() -> bytes:
    """Empty application segments, four bytes each."""
    return jpeg()[:2] + b"\xff\xe5\0\2" * 10_001 + jpeg()[2:]


def scans_elsewhere() -> bytes:
    """What looks like scans within a comment, and in a video behind the picture, is none."""
    comment = b"\xff\xfe" + struct.pack(">H", 602) + b"\xff\xda" * 300
    return jpeg()[:2] + comment + jpeg()[2:] + b"\xff\xda" * 300


def tiff(*tags: tuple[int, int, int, int], data: bytes = b"", pages: int = 1) -> bytes:
    """Little-endian, with the same directory of (tag, type, count, value) for each page; ``data`` is at 8."""
    start, size = 8 + len(data), 2 + 12 * len(tags) + 4
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    links = [start + size * page for page in range(1, pages)] + [0]
    directories = b"".join(body + struct.pack("<I", link) for link in links)
    return b"II*\0" + struct.pack("<I", start) + data + directories


def grey_tags(side: int = 16, *more: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """One strip of 8-bit grey at 8, not compressed."""
    plain = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side),
             (279, side * side)]  # fmt: skip
    return sorted([*((tag, 4, 1, value) for tag, value in plain), *more])


def many_pages(count: int) -> bytes:
    return tiff(*grey_tags(), data=bytes(256), pages=count)


def giant_tile(*more: tuple[int, int, int, int]) -> bytes:
    """64 × 64 pixels out of one tile of 20,000 × 20,000; what ``more`` says of it comes later."""
    raw = zlib.compress(bytes(4096))
    plain = [(256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (277, 1), (322, 20_000)]
    tags = [(tag, 4, 1, value) for tag, value in plain]
    return tiff(*tags, *more, (323, 4, 1, 20_000), (324, 4, 1, 8), (325, 4, 1, len(raw)), data=raw)


def many_strips(count: int = 300_000) -> bytes:
    """Each offset becomes three objects before anything is decoded."""
    side, offsets = 16, struct.pack("<I", 8) * count
    tags = [tag for tag in grey_tags(side) if tag[0] not in (273, 279)]
    return tiff(*sorted([*tags, (273, 4, count, 8), (279, 4, count, 8)]), data=offsets)


def huge_exif() -> bytes:
    numbers = 600_000
    exif = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x9999, 3, numbers, 26) + bytes(4)
    return saved(gradient(), "PNG", exif=b"Exif\0\0" + exif + bytes(2 * numbers))


# --- What would cost minutes, or gigabytes: refused before anything is decoded ---------------


def png_of_chunks(count: int = 2_180_000, kind: bytes = b"teSt") -> bytes:
    """A PNG with so many empty chunks, 12 bytes each: the usual 2.2 million make just 25 MiB."""
    whole = png()
    at = whole.index(b"IDAT") - 4
    return whole[:at] + _chunk(kind, b"") * count + whole[at:]


def png_of_empty_data(count: int = 2_000_000) -> bytes:
    return png_of_chunks(count, b"IDAT")


def png_of_texts(count: int = 1, unpacked: int = 1_500_000, kind: bytes = b"zTXt") -> bytes:
    """A PNG with ``count`` texts (zTXt or iTXt) that unpack to so many bytes each."""
    body = zlib.compress(b"text " * (unpacked // 5), 9)
    head = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0"}[kind]
    whole = png()
    at = whole.index(b"IDAT") - 4
    return whole[:at] + _chunk(kind, head + body) * count + whole[at:]


def gif_of_frames(count: int = 1_600_000) -> bytes:
    """A GIF of 8 × 8 pixels with so many more frames of one pixel: the usual 1.6 million make 24 MB."""
    more = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0"
    return saved(gradient(8, 8), "GIF")[:-1] + more * count + b";"


def gif_of_single_bytes(side: int = 3000) -> bytes:
    """A GIF of noise whose packed pixels come a byte a block: the usual one has 12 million blocks."""
    noise = np.random.default_rng(4).integers(0, 256, (side, side), np.uint8)
    whole = saved(Image.fromarray(noise), "GIF")
    start = 13 + 768 + 11
    packed, at = bytearray(), start
    while length := whole[at]:
        packed += whole[at + 1 : at + 1 + length]
        at += 1 + length
    blocks = np.stack([np.ones(len(packed), np.uint8), np.frombuffer(packed, np.uint8)], 1)
    return whole[:start] + blocks.tobytes() + b"\0;"


def gif_of_comments(count: int = 8_000_000) -> bytes:
    """A GIF with one comment of so many blocks, a byte each, before its picture."""
    whole = saved(gradient(8, 8), "GIF")
    start = 13 + (3 << (whole[10] & 7) + 1)
    return whole[:start] + b"!\xfe" + b"\1x" * count + b"\0" + whole[start:]


def jpeg_of_scans(width: int = 7000, height: int = 7000, count: int = 100) -> bytes:
    """A flat progressive JPEG: each of its scans is a walk over all blocks, and costs next to no bytes."""
    whole = saved(Image.new("L", (width, height), 90), "JPEG", progressive=True, quality=50)
    last = whole.rindex(b"\xff\xda")
    return whole[:last] + whole[last:-2] * (count - whole.count(b"\xff\xda") + 1) + whole[-2:]


def webp_of_frames(count: int = 180_000) -> bytes:
    """A WebP of one frame after another, all the same."""
    frames = [gradient(8, 8), gradient(8, 8).rotate(90)]
    whole = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=50)
    at = whole.index(b"ANMF")
    frame = whole[at : at + 8 + struct.unpack_from("<I", whole, at + 4)[0]]
    body = whole[8:at] + frame * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def heic_of_items(count: int = 60_000) -> bytes:
    """What an AVIF says of its parts, with so many of them."""
    whole = saved(gradient(64, 64), "AVIF", quality=50)
    at = whole.index(b"iinf") - 4
    size = struct.unpack_from(">I", whole, at)[0]
    entry = struct.pack(">I4sIHH4sB", 21, b"infe", 2 << 24, 9, 0, b"av01", 0)
    body = b"iinf" + struct.pack(">IH", 0, count) + entry * count
    made = whole[:at] + struct.pack(">I", len(body) + 4) + body + whole[at + size :]
    meta = made.index(b"meta") - 4
    grown = struct.unpack_from(">I", made, meta)[0] + len(body) + 4 - size
    return made[:meta] + struct.pack(">I", grown) + made[meta + 4 :]


# By name: (maker, the code that it is refused with, or None where it is let in). 24 to 25 MiB each, but for
# the JPEG and the HEIC.
COSTLY: dict[str, tuple[Maker, str | None]] = {
    "empty chunks.png": (png_of_chunks, "too_complex"),
    "empty data.png": (png_of_empty_data, "too_complex"),
    "frames.gif": (gif_of_frames, None),
    "single bytes.gif": (gif_of_single_bytes, "too_complex"),
    "comments.gif": (gif_of_comments, "too_complex"),
    "scans.jpg": (jpeg_of_scans, "too_complex"),
    "frames.webp": (webp_of_frames, None),
    "items.avif": (heic_of_items, "too_complex"),
    "texts.png": (lambda: png_of_texts(4000), None),
}


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>'
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"

BROKEN: dict[str, tuple[Maker, str]] = {
    "empty.jpg": (lambda: b"", "empty_file"),
    "text.jpg": (lambda: b"This is not a picture at all.\n" * 40, "not_an_image"),
    "zeros.png": (lambda: bytes(4096), "not_an_image"),
    "truncated.jpg": (truncated_jpeg, "truncated"),
    "truncated.png": (lambda: png(640, 480)[:900], "truncated"),
    "truncated.gif": (lambda: animated("GIF")[:40], "truncated"),
    "truncated.webp": (lambda: saved(gradient(200, 200), "WEBP")[:100], "truncated"),
    "truncated.tiff": (lambda: saved(gradient(200, 200), "TIFF")[:500], "truncated"),
    "header only.jpg": (lambda: jpeg()[:20], "truncated"),
    "one pixel.png": (lambda: png(1, 1), "too_small"),
    "thin.png": (lambda: png(2000, 10), "extreme_ratio"),
    "bomb.png": (bomb, "too_many_pixels"),
    "half bomb.png": (half_bomb, "too_many_pixels"),
    "many scans.jpg": (many_scans, "too_complex"),
    "many segments.jpg": (many_segments, "too_complex"),
    "giant tile.tiff": (giant_tile, "too_many_pixels"),
    "many strips.tiff": (many_strips, "too_complex"),
    "drawing.svg": (lambda: SVG, "unsupported_format"),
    "drawing.png": (lambda: SVG, "unsupported_format"),
    "paper.pdf": (lambda: PDF, "unsupported_format"),
}

ODD: dict[str, Maker] = {
    "plain.jpg": jpeg,
    "progressive.jpg": lambda: jpeg(progressive=True),
    "100 scans.jpg": lambda: many_scans(100),
    "scans elsewhere.jpg": scans_elsewhere,
    "grey.jpg": lambda: saved(gradient(mode="L"), "JPEG"),
    "cmyk.jpg": lambda: saved(gradient(mode="CMYK"), "JPEG"),
    "turned.jpg": lambda: oriented(6),
    "orientation 9.jpg": lambda: oriented(9),
    "exif nonsense.jpg": exif_of_nonsense,
    "exif other size.jpg": exif_of_another_size,
    "broken icc.jpg": broken_icc,
    "wrong icc.jpg": wrong_icc,
    "really a png.jpg": png,
    "plain.png": png,
    "bilevel.png": lambda: saved(gradient(mode="1"), "PNG"),
    "palette.png": palette_with_transparency,
    "la.png": lambda: with_alpha("L"),
    "rgba.png": lambda: with_alpha("RGB"),
    "deep.png": deep,
    "huge exif.png": huge_exif,
    "animated.png": lambda: animated("PNG"),
    "animated.gif": lambda: animated("GIF"),
    "animated.webp": lambda: animated("WEBP"),
    "pages.tiff": lambda: animated("TIFF"),
    "many pages.tiff": lambda: many_pages(1500),
    "plain.webp": lambda: saved(gradient(), "WEBP", lossless=True),
    "plain.bmp": lambda: saved(gradient(), "BMP"),
    "plain.tiff": lambda: saved(gradient(), "TIFF"),
    "packed.tiff": lambda: saved(gradient(), "TIFF", compression="tiff_lzw"),
    "cmyk.tiff": lambda: saved(gradient(mode="CMYK"), "TIFF"),
    "lab.tiff": lambda: saved(Image.merge("LAB", gradient().split()), "TIFF"),
    "deep.tiff": lambda: deep("TIFF"),
    "float.tiff": floating,
    "plain.heic": lambda: saved(gradient(64, 64), "HEIF", quality=90),
    "plain.avif": lambda: saved(gradient(64, 64), "AVIF", quality=90),
}
