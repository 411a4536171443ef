"""What EXIF, IPTC and XMP say about where a picture comes from, and where they contradict.

None of it is proof: anyone can write or remove it. A finding says ``ai`` only where the file
states that it was generated (IPTC DigitalSourceType, a generator's own name or mark), ``camera``
where it names a camera, which never decides a verdict, ``edited`` for editors and for partly
generated pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance import blocks as containing
from mlcore.provenance import contradictions, exif, iptc, labels, statements, vocabulary, xmp
from mlcore.provenance.text import SENTENCE, clean, facts

EXTENSION = "http://iptc.org/std/Iptc4xmpExt/"
PROMPTS = ("AIPromptInformation", "AIPromptWriterName", "AISystemUsed", "AISystemVersionUsed")
MOST_FINDINGS = 24
LONGEST_DEVICE = 80  # characters


@dataclass
class Metadata:
    """One file's metadata, parsed."""

    blocks: containing.Blocks
    exif: exif.Exif
    xmp: list[xmp.Xmp]
    iptc: dict[str, str]

    def xmp_all(self, name: str, namespace: str = "") -> list[str]:
        return [text for packet in self.xmp for text in packet.all(name, namespace)]

    def xmp_first(self, name: str, namespace: str = "") -> str:
        return next(iter(self.xmp_all(name, namespace)), "")

    def text(self, key: str) -> str:
        """A PNG text or comment by its keyword, the first one."""
        return next((text for name, text in self.blocks.texts if name.lower() == key.lower()), "")


def parse(data: bytes) -> Metadata:
    """Everything of one file, within the bounds of the parts; never raises."""
    blocks = containing.read(data)
    tags = exif.read(blocks.exif)
    packets = blocks.xmp + ([tags.xmp] if tags.xmp else [])
    return Metadata(blocks, tags, [xmp.read(raw) for raw in packets], iptc.read(blocks.iptc or tags.iptc))


def read(data: bytes) -> list[Finding]:
    """Findings of one file's EXIF, IPTC and XMP, at most MOST_FINDINGS; never raises.

    Prompts and settings in text are left to :mod:`mlcore.provenance.generators`.
    """
    try:
        return findings(parse(data))
    except Exception:  # a hole in the bounds above must not cost the other parts their say
        return [_note("Metadata that cannot be read", "The file's metadata is damaged and was ignored.")]


def findings(meta: Metadata) -> list[Finding]:
    """All findings, what speaks of generation first."""
    source_types = _source_types(meta)
    named, system = _generator(meta), _ai_properties(meta)
    terms = {each.facts["digital_source_type"] for each in source_types}
    if terms & vocabulary.COMPOSITES and not any(each.says is Says.AI for each in source_types):
        named, system = [*map(_as_a_step, named)], [*map(_as_a_step, system)]
    found = [
        *source_types, *labels.midjourney(meta), *labels.grok(meta), *labels.tc260(meta),
        *labels.samsung(meta), *labels.bytedance(meta), *named, *system,
    ]  # fmt: skip
    found += [*_camera(meta), *_edited(meta), *contradictions.find(meta), *_notes(meta)]
    return found[:MOST_FINDINGS]


def _source_types(meta: Metadata) -> list[Finding]:
    # The same statement often stands twice, as an element and in a list.
    texts = dict.fromkeys(text for packet in meta.xmp for text in packet.whole("DigitalSourceType"))
    known = dict.fromkeys(filter(None, map(vocabulary.source_type, list(texts)[:20])))
    return [
        Finding(
            Source.METADATA, says, f"Source type: {words}",
            f"The file's own description says that the picture was {words}. Anyone can write or remove this."
            if says is not Says.INFO else f"The file's own description calls the picture {words}.",
            facts=facts(digital_source_type=term),
        )
        for term, says, words in list(known)[:4]
    ]  # fmt: skip


def _generator(meta: Metadata) -> list[Finding]:
    """A generator's name where programs and devices write theirs; elsewhere a whole statement only."""
    for fields, generator, edited in (
        (_programs(meta) + _devices(meta), statements.program, statements.edited_with_ai),
        (_people(meta), statements.credit, statements.credit_of_edit),
        (_captions(meta), statements.caption, statements.credit_of_edit),
    ):
        for field, text in fields:
            if edited(text):
                detail = f"The file's {field} field says “{clean(text)}”: a part of it was changed by AI."
                return [_finding(Says.EDITED, "Edited with AI", detail, field=field, text=text)]
            if name := generator(text):
                detail = f"The file's {field} field says “{clean(text)}”. Anyone can write or remove this."
                title = "Says that it was made with AI" if name == statements.NO_NAME else f"Names {name}"
                return [_finding(Says.AI, title, detail, field=field, text=text, tool=name)]
    return []


def _as_a_step(named: Finding) -> Finding:
    """A generator named beside a composite made a part of it, and not the picture."""
    if named.says is not Says.AI:
        return named
    detail = f"{named.detail} The file calls the picture edited or put together: a part of it was made by AI."
    return replace(named, says=Says.EDITED, detail=detail)


def _programs(meta: Metadata) -> list[tuple[str, str]]:
    listed = [
        ("software", meta.exif.texts.get("software", "")),
        ("IPTC software", meta.iptc.get("software", "")),
    ]
    for name in ("CreatorTool", "Software", "softwareAgent", "creatorTool"):
        listed += [(f"XMP {name}", text) for text in meta.xmp_all(name)[:10]]
    return [(name, text) for name, text in [*listed, ("text “Software”", meta.text("Software"))] if text]


def _devices(meta: Metadata) -> list[tuple[str, str]]:
    tags = meta.exif.texts
    return [(name, tags[name]) for name in ("make", "model", "host") if tags.get(name)]


def _people(meta: Metadata) -> list[tuple[str, str]]:
    """Whose picture it is: people and companies, some of them called like a generator."""
    listed = [(name, meta.exif.texts.get(name, "")) for name in ("artist", "copyright", "xp_author")]
    listed += [(f"IPTC {name}", meta.iptc.get(name, "")) for name in ("credit", "source", "by", "copyright")]
    for name in ("Credit", "Source", "creator", "rights"):
        listed += [(f"XMP {name}", text) for text in meta.xmp_all(name)[:10]]
    listed += [(f"text “{key}”", meta.text(key)) for key in ("Source", "Author", "Copyright")]
    return [(name, text) for name, text in listed if text]


def _captions(meta: Metadata) -> list[tuple[str, str]]:
    listed = [(name, meta.exif.texts.get(name, "")) for name in ("description", "comment", "xp_comment")]
    listed += [(f"IPTC {name}", meta.iptc.get(name, "")) for name in ("caption", "instructions")]
    listed += [("XMP description", text) for text in meta.xmp_all("description")[:10]]
    listed += [(f"text “{key}”", meta.text(key)) for key in ("Description", "Comment", "Disclaimer")]
    return [(name, text) for name, text in listed if text]


def _ai_properties(meta: Metadata) -> list[Finding]:
    """IPTC Photo Metadata 2025.1: properties that only generated or partly generated pictures have."""
    known = {name: meta.xmp_first(name, EXTENSION) for name in PROMPTS}
    if not any(known.values()):
        return []
    system = clean(known["AISystemUsed"] or "a system that is not named")
    detail = f"The file says which AI system was used: {system}. Anyone can write or remove this."
    return [_finding(Says.AI, "AI system named", detail, system=system, prompt=known["AIPromptInformation"])]


def _camera(meta: Metadata) -> list[Finding]:
    tags, numbers = meta.exif.texts, meta.exif.numbers
    make, model = clean(tags.get("make", "")), clean(tags.get("model", ""))
    if not make or not model or any(map(_is_no_device, (tags["make"], tags["model"]))):
        return []
    name = model if model.lower().startswith(make.lower().split(" ")[0]) else f"{make} {model}"
    settings = [key for key in ("exposure", "aperture", "iso", "focal_length") if key in numbers]
    more = "" if settings else " It gives no exposure settings, which cameras do."
    detail = f"The file says that it was taken with {name}. This can be copied from another file.{more}"
    return [
        _finding(
            Says.CAMERA, f"Names a camera: {clean(name, 60)}", detail, make=make, model=model,
            lens=tags.get("lens", ""), software=tags.get("software", ""), taken=tags.get("taken", ""),
            exposure_settings=len(settings), gps=meta.exif.gps, composite=tags.get("composite", ""),
        )
    ]  # fmt: skip


def _is_no_device(text: str) -> bool:
    """Generators write their names into Make and Model, and ComfyUI its whole graph."""
    return len(text) > LONGEST_DEVICE or "{" in text or bool(statements.program(text))


def _edited(meta: Metadata) -> list[Finding]:
    for field, text in _programs(meta):
        if vocabulary.EDITORS.search(text[:500]):
            name = clean(text, 60)
            detail = f"The file was saved by {name}, a picture editor. This alone says nothing about AI."
            actions = list(dict.fromkeys(meta.xmp_all("action")))[:10]
            return [
                _finding(Says.EDITED, f"Saved by {name}", detail, field=field, software=text, actions=actions)
            ]
    return []


def _notes(meta: Metadata) -> list[Finding]:
    found = []
    if meta.iptc.get("instructions", "").startswith("FBMD"):
        detail = "Facebook or Instagram left its mark in the file: it was downloaded from there."
        found.append(_note("Passed through Facebook or Instagram", detail))
    refused = next((packet.refused for packet in meta.xmp if packet.refused), "")
    if meta.blocks.cut or refused or meta.exif.loops:
        detail = "A part of the file's metadata is far too large or damaged and was not read."
        found.append(_note("Metadata left out", detail, left_out=meta.blocks.cut, xmp=refused))
    return found


def _finding(says: Says, title: str, detail: str, **values: object) -> Finding:
    return Finding(Source.METADATA, says, title, clean(detail, SENTENCE + 200), facts=facts(**values))


def _note(title: str, detail: str, **values: object) -> Finding:
    return _finding(Says.INFO, title, detail, **values)
