"""IPTC-IIM (version 4.2), record 2: who, with what, and about what, as older programs write it."""

from __future__ import annotations

from mlcore.provenance.text import decoded

MOST_SETS = 500
MOST_TEXT = 1 << 14
NAMES = {
    5: "title", 25: "keywords", 40: "instructions", 65: "software", 80: "by", 105: "headline",
    110: "credit", 115: "source", 116: "copyright", 120: "caption",
}  # fmt: skip


def read(raw: bytes) -> dict[str, str]:
    """Datasets by name, the first of each; stops at the first one that is no dataset."""
    found: dict[str, str] = {}
    place = 0
    for _ in range(MOST_SETS):
        if raw[place : place + 1] != b"\x1c" or place + 5 > len(raw):
            break
        record, number = raw[place + 1], raw[place + 2]
        length = int.from_bytes(raw[place + 3 : place + 5], "big")
        place += 5
        if length & 0x8000:  # an extended dataset: the length's own length, which nobody needs
            break
        if record == 2 and number in NAMES:
            found.setdefault(NAMES[number], decoded(raw[place : place + length][:MOST_TEXT]))
        place += length
    return found
