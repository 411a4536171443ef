"""Every text that a file carries, gathered once from wherever a program may have put it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlcore.provenance.metadata import Metadata
from mlcore.provenance.text import clean, user_comment

SHORTEST = 16  # characters; no prompt with its settings is shorter
MOST_TEXTS = 600
NUMBERS = re.compile(r"\s*\d{1,3}(?:, ?\d{1,3}){15,}\s*(?:\.\.\.)?\s*")


@dataclass(frozen=True)
class Text:
    """``where`` it stood, in words; ``key`` is a PNG keyword or "" where the place has none."""

    where: str
    key: str
    text: str


def gather(meta: Metadata) -> list[Text]:
    """All of a file's texts: PNG, comments, EXIF, IPTC and XMP, at most MOST_TEXTS."""
    return [text for _, text in zip(range(MOST_TEXTS), _texts(meta), strict=False)]


def records(meta: Metadata) -> list[dict[str, str]]:
    """Texts that stand beside one another under names of their own: PNG keywords, XMP properties."""
    found = [dict(reversed(meta.blocks.texts))]
    found += [{name: text for _, name, text in reversed(packet.properties)} for packet in meta.xmp]
    return [record for record in found if len(record) > 1]


def _texts(meta: Metadata) -> Iterator[Text]:
    for key, text in meta.blocks.texts:
        yield Text(f"text “{clean(key, 40)}”", key, _from_numbers(key, text))
    for name, text in meta.exif.texts.items():
        yield Text(f"EXIF {name}", "", text)
    for tag, text in meta.exif.others:
        yield Text(f"EXIF tag {tag}", "", text)
    for name, text in meta.iptc.items():
        yield Text(f"IPTC {name}", "", text)
    for packet in meta.xmp:
        for _, name, text in packet.properties:
            if len(text) >= SHORTEST:
                yield Text(f"XMP {clean(name, 40)}", "", text)


def _from_numbers(key: str, text: str) -> str:
    """ImageMagick copies EXIF into PNG text, bytes as decimal numbers."""
    if not key.lower().startswith("exif:") or not NUMBERS.fullmatch(text[:200_000]):
        return text
    numbers = [int(number) for number in re.findall(r"\d{1,3}", text)]
    return user_comment(bytes(number & 0xFF for number in numbers))
