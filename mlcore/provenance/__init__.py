"""What a picture's file says about its origin: signatures, metadata, generators' marks, compression.

Each part reads bytes that anybody may have written. One that fails costs its own findings only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from mlcore import containers
from mlcore.contracts import Finding, Provenance, Says, Source
from mlcore.provenance import blocks, bounds, contradictions, exif_table, summary

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024 * 1024
MIMES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}

Part = Callable[[bytes, "Image.Image | None", "Path | None"], list[Finding]]


def examine(data: bytes, image: Image.Image | None, *, trust_dir: Path | None) -> Provenance:
    """Everything that a file says about its origin. Never raises.

    Args:
        data: the file, byte for byte.
        image: the same picture decoded, for what is hidden in pixels; None leaves that out.
        trust_dir: folder of the C2PA trust lists (:mod:`mlcore.provenance.trust`); None: not checked.

    Findings are strongest first, at most ``bounds.MOST_FINDINGS``, each within the bounds set there.
    """
    found: list[Finding] = []
    for source, part in PARTS.items():
        found += _guarded(source, part, data, image, trust_dir)
    found += contradictions.between(found)
    # Cut only once sorted: no flood of weak findings can push a strong one out.
    findings = summary.strongest_first(found)
    word, sentence = summary.summarise(findings)
    table = _exif(data)
    return Provenance(word, sentence, tuple(findings[: bounds.MOST_FINDINGS]), tuple(table.rows), table.place)


def _exif(data: bytes) -> exif_table.Table:
    try:
        return exif_table.read(blocks.read(data).exif) if len(data) <= MOST_BYTES else exif_table.Table()
    except Exception:
        log.exception("Provenance: the EXIF table failed")
        return exif_table.Table()


def _guarded(
    source: Source, part: Part, data: bytes, image: Image.Image | None, trust_dir: Path | None
) -> list[Finding]:
    if len(data) > MOST_BYTES:
        return [_not_read(source, "The file is too large to be searched for it.")]
    try:
        found = part(data, image, trust_dir)
        return [bounds.finding(each) for each in summary.strongest_first(found)[: bounds.MOST_FINDINGS]]
    except Exception:
        log.exception("Provenance: the part %s failed", source)
        return [_not_read(source, "This part of the file could not be read. The others were.")]


def _not_read(source: Source, why: str) -> Finding:
    return Finding(source, Says.INFO, "Not searched", why, facts={"searched": False})


def _c2pa(data: bytes, image: Image.Image | None, trust_dir: Path | None) -> list[Finding]:
    from mlcore.provenance import c2pa

    names = containers.formats(data[:64])
    mime = next((MIMES[name] for name in names if name in MIMES), "")
    return c2pa.read(data, mime, trust_dir) if mime else []


def _metadata(data: bytes, image: Image.Image | None, trust_dir: Path | None) -> list[Finding]:
    from mlcore.provenance import metadata

    return metadata.read(data)


def _generators(data: bytes, image: Image.Image | None, trust_dir: Path | None) -> list[Finding]:
    from mlcore.provenance import generators

    return generators.read(data, pixels=image is not None)


def _watermark(data: bytes, image: Image.Image | None, trust_dir: Path | None) -> list[Finding]:
    from mlcore.provenance import watermark

    return watermark.read(image) if image else []


def _encoding(data: bytes, image: Image.Image | None, trust_dir: Path | None) -> list[Finding]:
    from mlcore.provenance import encoding

    return encoding.read(data, image)


PARTS: dict[Source, Part] = {
    Source.C2PA: _c2pa,
    Source.METADATA: _metadata,
    Source.GENERATOR: _generators,
    Source.WATERMARK: _watermark,
    Source.ENCODING: _encoding,
}
