"""Text out of strangers' files, made fit for people: no control characters, never long."""

from __future__ import annotations

import unicodedata
from typing import Any

WORD, SENTENCE = 80, 300  # characters: of a name; of a prompt as shown


def clean(raw: object, limit: int = WORD) -> str:
    """One line without control, bidirectional or private characters, at most ``limit`` long."""
    # What is far behind the limit is not looked at: a category costs a look-up a character.
    text = str(raw)[: 4 * limit]
    text = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " * _spaces(c) for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _spaces(c: str) -> int:
    return int(c.isspace() or c == "\0")


def decoded(raw: bytes) -> str:
    """UTF-8 where it is, UTF-16 with its mark, else Latin-1, which takes anything."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def facts(**values: object) -> dict[str, Any]:
    """Bounded JSON of a finding: empty values left out, texts shortened, numbers kept."""
    kept: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, (int, float)):
            kept[key] = value
        elif isinstance(value, (list, tuple)):
            kept[key] = [clean(item, WORD) for item in value[:20]]
        elif value:
            kept[key] = clean(value, SENTENCE)
    return kept
