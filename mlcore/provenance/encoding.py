"""How a file was compressed, and whether its embedded preview shows the same picture.

None of it tells generated from taken: generators, editors and messengers save with the same
libraries. It tells what happened on the way, for whoever weighs the other findings.
"""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance import blocks as containing
from mlcore.provenance import exif, jpegs, previews
from mlcore.provenance.text import facts

PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with transparency", 6: "RGB with transparency"}


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
    small = _opened(exif.read(containing.read(data).exif).thumbnail) if image is not None else None
    if image is None or small is None:
        return []
    likeness = previews.compare(small, image)
    if likeness.same:
        return []
    values = {"edges_agree": likeness.edges, "largest_difference": likeness.local}
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
