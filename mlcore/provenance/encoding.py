"""How a file was compressed, and whether its embedded preview shows the same picture.

None of it tells generated from taken: generators, editors and messengers save with the same
libraries. It tells what happened on the way, for whoever weighs the other findings.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance import blocks as containing
from mlcore.provenance import exif, jpegs
from mlcore.provenance.text import facts

SIDE = 16  # both pictures are compared at SIDE × SIDE
SAME = 0.85  # correlation; a picture against its own preview has 0.98 and more
LOCAL = 70.0  # grey levels at one place, after brightness and contrast were fitted
DARK = 24  # bars that cameras put around a preview are darker
TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with transparency", 6: "RGB with transparency"}
Grey = NDArray[np.float64]


def read(data: bytes, image: Image.Image | None) -> list[Finding]:
    """How the file was saved, and a contradiction where its preview shows something else.

    ``image`` is the decoded upright picture; None leaves the preview out. Never raises.
    """
    found: list[Finding] = []
    for part in (_saved, lambda data: _preview(data, image)):
        try:
            found += part(data)
        except Exception:  # hostile bytes in one part must not cost the other
            continue
    return found


def _saved(data: bytes) -> list[Finding]:
    blocks = containing.read(data[: 1 << 16]) if data[:4] == b"\x89PNG" else None
    if data[:3] == b"\xff\xd8\xff":
        return [_jpeg(jpegs.settings(data))]
    if blocks is not None and blocks.size:
        return [_png(data)]
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return [_webp(data)]
    return []


def _jpeg(found: jpegs.Settings) -> Finding:
    values: dict[str, Any] = {
        "progressive": found.progressive,
        "chroma": found.sampling,
        "scans": found.scans,
    }
    words = "in an unusual way"
    if found.tables:
        quality, exact = jpegs.quality(found.tables[min(found.tables)])
        values |= {"quality": quality, "standard_tables": exact}
        if len(found.tables) > 1:
            second, exact_too = jpegs.quality(found.tables[sorted(found.tables)[1]], colour=True)
            values |= {"colour_quality": second, "standard_tables": exact and exact_too}
        about = "" if values["standard_tables"] else "about "
        words = f"as JPEG at {about}quality {quality} of 100"
    values["photoshop"] = found.web or (found.adobe and not values.get("standard_tables", True))
    tables = "the tables of the common library" if values.get("standard_tables") else "tables of its own"
    more = f", with {tables}" if found.tables else ""
    return _info(
        f"Saved {words}", f"The picture was saved {words}{more}. This alone says nothing about AI.", values
    )


def _png(data: bytes) -> Finding:
    depth, colour, interlaced = data[24], data[25], data[28] if len(data) > 28 else 0
    values = {"bits": depth, "colour": PNG_COLOURS.get(colour, "unknown"), "interlaced": bool(interlaced)}
    return _info(
        "Saved as PNG, without loss",
        "PNG keeps every pixel as it was. Cameras do not write it; screenshots, editors and generators do.",
        values,
    )


def _webp(data: bytes) -> Finding:
    kinds = [kind for kind, _, _ in containing.riff(data[: 1 << 20])][:50]
    lossless = b"VP8L" in kinds
    way = "without loss" if lossless else "with loss"
    values = {"lossless": lossless, "animated": b"ANIM" in kinds}
    return _info(f"Saved as WebP, {way}", f"The picture was saved as WebP, {way}, as web sites do.", values)


def _info(title: str, detail: str, values: dict[str, Any]) -> Finding:
    return Finding(Source.ENCODING, Says.INFO, title, detail, facts=facts(**values))


def _preview(data: bytes, image: Image.Image | None) -> list[Finding]:
    if image is None:
        return []
    tags = exif.read(containing.read(data).exif)
    small = _opened(tags.thumbnail)
    if small is None:
        return []
    turn = TURN.get(int(tags.numbers.get("orientation", 1)))
    candidates = [small] if turn is None else [small.transpose(turn), small]  # some turn it, some do not
    likeness, worst = max((compare(each, image) for each in candidates), key=lambda pair: pair[0])
    if likeness >= SAME and worst <= LOCAL:
        return []
    values = {"likeness": round(likeness, 3), "largest_difference": round(worst, 1)}
    return [
        Finding(
            Source.ENCODING, Says.CONTRADICTION, "The embedded preview shows something else",
            "The small preview inside the file does not match the picture: it was changed, cut or exchanged "
            "after the preview was made.", facts=facts(**values),
        )
    ]  # fmt: skip


def _opened(thumbnail: bytes) -> Image.Image | None:
    """The preview, if it is a JPEG of a preview's size."""
    if thumbnail[:3] != b"\xff\xd8\xff":
        return None
    image = Image.open(io.BytesIO(thumbnail), formats=("JPEG",))
    if image.width * image.height > 1 << 20 or min(image.size) < 16 or jpegs.settings(thumbnail).scans > 100:
        return None
    return image.convert("L")


def compare(small: Image.Image, image: Image.Image) -> tuple[float, float]:
    """(correlation, largest difference in grey levels) of a preview and its picture.

    Bars are cut off where the preview has them; brightness and contrast may differ.
    """
    cut = _without_bars(small, image.width / image.height)
    one, other = _grey(cut), _grey(image)
    spread, spread_too = one.std(), other.std()
    if spread < 2 and spread_too < 2:
        return 1.0, float(abs(one.mean() - other.mean()))
    centred, centred_too = one - one.mean(), other - other.mean()
    likeness = float((centred * centred_too).mean() / max(spread * spread_too, 1e-6))
    gain = float((centred * centred_too).mean() / max(spread_too**2, 1e-6))
    return likeness, float(np.abs(centred - np.clip(gain, 0.5, 2.0) * centred_too).max())


def _grey(image: Image.Image) -> Grey:
    small = image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"), np.float64)


def _without_bars(small: Image.Image, ratio: float) -> Image.Image:
    """Cut to the picture's shape if what is cut off is dark."""
    width, height = small.size
    if abs(width / height / ratio - 1) < 0.02:
        return small
    w, h = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - w) // 2, (height - h) // 2
    pixels = np.asarray(small, np.float64)
    # A line beside the edge may be half bar, half picture.
    edges = [pixels[: max(top - 1, 0)], pixels[h + top + 1 :]]
    edges += [pixels[:, : max(left - 1, 0)], pixels[:, w + left + 1 :]]
    dark = all(edge.size == 0 or edge.mean() < DARK for edge in edges)
    return small.crop((left, top, left + max(w, 1), top + max(h, 1))) if dark else small
