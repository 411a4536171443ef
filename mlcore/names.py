"""Names of files, for people: what displays is kept, what steers displays is not."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

LONGEST = 255
JOINERS = "\u200c\u200d"  # within Persian words and families of emoji
BLACK_FLAG, TAGS = (
    "\U0001f3f4",
    range(0xE0020, 0xE0080),
)  # of which the flags of England, Scotland, Wales are made
# Format characters that are signs of their own: Arabic and Kaithi numbers, the end of a verse.
SHOWN_FORMATS = {
    *map(chr, range(0x600, 0x606)), "\u06dd", "\u070f", "\u0890", "\u0891", "\u08e2",
    "\U000110bd", "\U000110cd",
}  # fmt: skip


def clean_name(raw: str) -> str:
    """A file's name for people: last part of any path, no control or bidi characters, 1–255 long.

    What is too long is shortened in the middle, so that the ending stays. A character that this
    Python's Unicode does not know yet, such as a new emoji, stays.
    """
    parts = [part for part in raw.replace("\\", "/").split("/") if part.strip(". \t\r\n\0")]
    name = "".join(_shown(parts[-1] if parts else ""))
    name = _joined(unicodedata.normalize("NFC", " ".join(name.split())))
    if not name.strip(". "):
        return "image"
    suffix = PurePosixPath(name).suffix
    suffix = suffix if len(suffix) <= 16 else ""
    if len(name) <= LONGEST:
        return name
    return name[: LONGEST - 1 - len(suffix)].rstrip(" " + JOINERS) + "…" + suffix


def _shown(name: str) -> list[str]:
    shown: list[str] = []
    for each in name:
        last = shown[-1] if shown else ""
        if each.isspace():
            shown.append(" ")
        elif ord(each) in TAGS:
            shown += [each] if last == BLACK_FLAG or (last and ord(last) in TAGS) else []
        elif _displays(each):
            shown.append(each)
    return shown


def _displays(each: str) -> bool:
    kind = unicodedata.category(each)
    if kind == "Cn":
        return not _is_ignorable(ord(each))
    return each in JOINERS or each in SHOWN_FORMATS or kind[0] not in "CZ"


def _is_ignorable(code: int) -> bool:
    """Unassigned, and never to be shown (DerivedCoreProperties.txt; non-characters)."""
    ignorable = code == 0x2065 or 0xFFF0 <= code <= 0xFFF8 or 0xE0000 <= code <= 0xE0FFF
    return ignorable or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def _joined(name: str) -> str:
    """Joiners only between what they can join."""
    return "".join(each for place, each in enumerate(name) if each not in JOINERS or _joins(name, place))


def _joins(name: str, place: int) -> bool:
    around = name[place - 1 : place] + name[place + 1 : place + 2]
    return len(around) == 2 and all(unicodedata.category(each) in JOINED for each in around)


JOINED = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Sm", "Sc", "Sk", "So", "Cn"}
