"""IPTC-IIM (version 4.2), record 2: who, with what, and about what, as older programs write it."""

from __future__ import annotations

from mlcore.provenance.text import decoded

MOST_SETS = 500
MOST_TEXT = 1 << 18
NAMES = {
    5: "title", 25: "keywords", 40: "instructions", 65: "software", 80: "by", 105: "headline",
    110: "credit", 115: "source", 116: "copyright", 120: "caption", 122: "writer",
}  # fmt: skip


def read(raw: bytes) -> dict[str, str]:
    """Datasets by name, or by number where they have none here, the first of each.

    Stops at the first one that is no dataset.
    """
    found: dict[str, str] = {}
    place = 0
    for _ in range(MOST_SETS):
        if raw[place : place + 1] != b"\x1c" or place + 5 > len(raw):
            break
        record, number = raw[place + 1], raw[place + 2]
        length = int.from_bytes(raw[place + 3 : place + 5], "big")
        place += 5
        if length & 0x8000:  # an extended dataset: first the length of its length
            extra = min(length & 0x7FFF, 8)
            length = int.from_bytes(raw[place : place + extra], "big")
            place += extra
        if record == 2:
            text = decoded(raw[place : place + min(length, MOST_TEXT)])
            found.setdefault(NAMES.get(number, f"2:{number}"), text)
        place += length
    return found
