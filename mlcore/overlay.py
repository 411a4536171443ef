"""The heat map, the objects and a legend as pictures. NumPy and Pillow only, for the web process.

The colour map is cividis (Nuñez, Anderton & Renslow, "Optimizing colormaps with
consideration for color vision deficiency", PLoS ONE 2018), by 17 of its colours: its
lightness only rises, so it reads in grey, and alike with any kind of colour vision.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mlcore.contracts import DetectedObject, Picture, Verdict

ANCHORS = np.array([
    (0, 34, 78), (0, 46, 106), (26, 56, 111), (50, 67, 109), (67, 78, 108), (83, 90, 109), (97, 101, 111),
    (111, 112, 115), (125, 124, 120), (140, 136, 120), (155, 148, 118), (171, 160, 114), (188, 174, 108),
    (205, 187, 99), (222, 201, 88), (240, 216, 70), (254, 232, 56),
])  # fmt: skip
STEPS = np.linspace(0, len(ANCHORS) - 1, 256)
TABLE = np.rint(
    np.stack([np.interp(STEPS, np.arange(len(ANCHORS)), channel) for channel in ANCHORS.T], axis=1)
).astype(np.uint8)

LEGEND_MIN = (260, 120)  # a smaller picture would vanish under its legend
LABEL_MIN = 160  # the shorter side from which a box carries its name
INK, PAPER = (0, 0, 0), (255, 255, 255)
EVIDENCE = {
    Verdict.FAKE: "evidence for AI-generated",
    Verdict.REAL: "evidence for a real photo",
    Verdict.UNCERTAIN: "evidence for the likelier answer",
}


def pack(heatmap: NDArray[np.float32]) -> dict[str, Any]:
    """A (h, w) map in [0, 1] as JSON, one byte a cell: as fine as any picture of it can show.

    As numbers in text a map takes five times the room, and more time to write than to find.
    """
    height, width = heatmap.shape
    return {"height": height, "width": width, "levels": base64.b64encode(_levels(heatmap).tobytes()).decode()}


def unpack(packed: dict[str, Any]) -> NDArray[np.float32]:
    """The (h, w) map in [0, 1] that :func:`pack` was given, to 1/510."""
    levels = np.frombuffer(base64.b64decode(packed["levels"]), np.uint8)
    return (levels.reshape(packed["height"], packed["width"]) / 255).astype(np.float32)


def colour(heatmap: NDArray[np.float32], size: tuple[int, int] | None = None) -> Image.Image:
    """An opaque palette image of a (h, w) map in [0, 1], scaled smoothly to ``size`` (w, h)."""
    image = Image.fromarray(_levels(heatmap))
    if size is not None and size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR)
    image.putpalette(TABLE.tobytes())
    return image


def heatmap_png(heatmap: NDArray[np.float32], size: tuple[int, int]) -> bytes:
    """The coloured map of ``size`` (width, height) as a PNG file.

    Written here (ISO/IEC 15948, sections 10 and 11): for so small a picture Pillow's encoder takes
    three times as long, which is as much as decoding the image that the map is of.
    """
    rows = np.zeros((size[1], size[0] + 1), np.uint8)  # each row begins with its filter: 0, none
    rows[:, 1:] = np.asarray(colour(heatmap, size))
    header = struct.pack(">IIBBBBB", *size, 8, 3, 0, 0, 0)  # 8 bits a pixel, which name a palette's colour
    parts = {
        b"IHDR": header,
        b"PLTE": TABLE.tobytes(),
        b"IDAT": zlib.compress(rows.tobytes(), 1),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts.items())


def blend(picture: Picture, heatmap: NDArray[np.float32], opacity: float = 0.5) -> Image.Image:
    """The picture at its own size under its heat map, RGB; ``opacity`` in [0, 1] is the map's."""
    return Image.blend(picture.image, colour(heatmap, picture.image.size).convert("RGB"), opacity)


def draw_objects(image: Image.Image, objects: Iterable[DetectedObject]) -> Image.Image:
    """A copy with a box around each object, and its name and score where there is room.

    ``box`` is in pixels of ``image``. White within black shows on any ground; a small
    picture gets the white alone, as each line takes a good part of it.
    """
    drawn = image.copy()
    pen, width = ImageDraw.Draw(drawn), max(1, round(min(image.size) / 300))
    ordered = sorted(objects, key=lambda each: each.score)  # the surest on top
    roomy = min(image.size) >= LABEL_MIN
    for each in ordered:
        if roomy:
            pen.rectangle(_inside(each.box, image.size), outline=INK, width=2 * width)
        pen.rectangle(_inside(each.box, image.size), outline=PAPER, width=width)
    if roomy:
        for each in ordered:
            _label(pen, each, image.size)
    return drawn


def legend(announced: Verdict, width: int) -> Image.Image:
    """A bar of the colours with what its ends mean, ``width`` pixels wide."""
    font = ImageFont.load_default(size=max(10, round(width / 22)))
    pad = max(4, width // 40)
    bar, text = max(8, width // 24), _height(font)
    image = Image.new("RGB", (width, 3 * pad + bar + text), INK)
    ramp = np.linspace(0.0, 1.0, width - 2 * pad, dtype=np.float32)[None, :]
    image.paste(colour(ramp, (width - 2 * pad, bar)).convert("RGB"), (pad, pad))
    pen, line = ImageDraw.Draw(image), 2 * pad + bar
    pen.text((pad, line), "none", PAPER, font=font, anchor="la")
    pen.text((width - pad, line), f"strongest {EVIDENCE[announced]}", PAPER, font=font, anchor="ra")
    return image


def compose(
    picture: Picture,
    heatmap: NDArray[np.float32],
    announced: Verdict,
    objects: Iterable[DetectedObject] = (),
    opacity: float = 0.5,
) -> Image.Image:
    """Heat map and objects over the picture at its own size, and a legend where there is room."""
    image = draw_objects(blend(picture, heatmap, opacity), objects)
    if image.width >= LEGEND_MIN[0] and image.height >= LEGEND_MIN[1]:
        key = legend(announced, min(image.width, max(240, round(min(image.size) * 0.45))))
        image.paste(key, (0, image.height - key.height))
    return image


def png(image: Image.Image) -> bytes:
    """Encode quickly: heat maps are smooth, so a higher level gains next to nothing."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=3)
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _levels(heatmap: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(np.nan_to_num(heatmap), 0.0, 1.0) * 255).astype(np.uint8)


def _inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(edge) for edge in box)
    last_x, last_y = size[0] - 1, size[1] - 1
    left, top = min(max(left, 0), last_x), min(max(top, 0), last_y)
    return left, top, min(max(right, left), last_x), min(max(bottom, top), last_y)


def _label(pen: ImageDraw.ImageDraw, found: DetectedObject, size: tuple[int, int]) -> None:
    font = ImageFont.load_default(size=max(11, round(min(size) / 45)))
    text, pad = f"{found.name} {found.score * 100:.0f} %", 3
    wide, high = round(pen.textlength(text, font=font)) + 2 * pad, _height(font) + 2 * pad
    left, top, _, _ = _inside(found.box, size)
    x, y = max(0, min(left, size[0] - wide)), top - high if top >= high else top
    pen.rectangle((x, y, x + wide, y + high), fill=INK)
    pen.text((x + pad, y + pad), text, PAPER, font=font, anchor="la")


def _height(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return round(font.getbbox("Ágj")[3])
