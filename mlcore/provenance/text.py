"""Text out of strangers' files: decoded whatever its encoding, and made fit for people."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

WORD, SENTENCE = 80, 300  # characters: of a name; of a prompt as shown
SAMPLE = 400  # characters by which an encoding is told
COMMENT_CODES = {b"ASCII", b"JIS", b"UNICODE", b""}
CONTROL = re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f\ufffd]")
PRINTABLE = re.compile(r"[ -~]")
JAPANESE = ("iso2022_jp", "utf-8", "shift_jis", "euc_jp")


def clean(raw: object, limit: int = WORD) -> str:
    """One line without control, bidirectional or private characters, at most ``limit`` long."""
    # What is far behind the limit is not looked at: a category costs a look-up a character.
    text = str(raw)[: 4 * limit]
    text = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " * _spaces(c) for c in text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _spaces(c: str) -> int:
    return int(c.isspace() or c == "\0")


def decoded(raw: bytes, big_endian: bool = False) -> str:
    """UTF-8 where it is, UTF-16 by its mark or where nothing else reads as text, else Western European.

    Which UTF-16 is told by what comes out, not by zero bytes, of which Chinese has none; ``big_endian``
    decides where both read equally well.
    """
    raw = raw.rstrip(b"\0") + b"\0" * (len(raw.rstrip(b"\0")) % 2)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    narrow, is_utf8 = _narrow(raw)
    if reads_as_text(narrow) or (is_utf8 and not narrow.isascii() and "\0" not in narrow):
        return narrow
    wide = _wide(raw, big_endian)
    return wide if likelihood(wide) > 0.3 else narrow


def _narrow(raw: bytes) -> tuple[str, bool]:
    try:
        return raw.rstrip(b"\0").decode("utf-8"), True
    except UnicodeDecodeError:
        return raw.rstrip(b"\0").decode("cp1252", "replace"), False


def reads_as_text(text: str) -> bool:
    """Whether one byte was one letter: no control characters, or few among much plain ASCII.

    Of UTF-16 read as bytes about half is printable; columns of tabs are half a script's high bytes.
    """
    sample = text[:SAMPLE]
    controls = len(CONTROL.findall(sample))
    tabs = sample.count("\t") > len(sample) / 5
    return not (controls or tabs) or len(PRINTABLE.findall(sample)) >= 0.75 * len(sample)


def _wide(raw: bytes, big_endian: bool) -> str:
    """UTF-16 in the order that reads better."""
    orders = ("utf-16-be", "utf-16-le") if big_endian else ("utf-16-le", "utf-16-be")
    return max((raw.decode(order, "replace") for order in orders), key=likelihood)


def user_comment(raw: bytes, big_endian: bool = False) -> str:
    """EXIF's UserComment: eight bytes name its code (CIPA DC-008, 4.6.5), which few writers mean.

    "UNICODE" stands before UTF-16 of either order and before UTF-8, in any case, or is left out.
    """
    code = raw[:8].rstrip(b"\0 ").upper()
    body = raw[8:] if code in COMMENT_CODES else raw
    if code == b"UNICODE":
        text = _said_to_be_unicode(body, big_endian)
    elif code == b"JIS":
        text = _japanese(body) or decoded(body, big_endian)
    else:
        text = decoded(body, big_endian)
    return text.removeprefix("\ufeff").strip("\0 ")


def _said_to_be_unicode(raw: bytes, big_endian: bool) -> str:
    """UTF-16 unless it is UTF-8 or has a mark."""
    try:
        narrow = raw.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        narrow = "\0"
    marked = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    return decoded(raw) if marked or reads_as_text(narrow) else _wide(raw, big_endian)


def _japanese(raw: bytes) -> str:
    """ISO 2022 or one of its rivals; "" where it is none of them."""
    raw = raw.rstrip(b"\0")
    for name in JAPANESE if b"\0" not in raw else ():
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            continue
    return ""


def likelihood(text: str) -> float:
    """How much decoded text reads like text: 2 for ASCII, about 1 for any script, below 0 for noise.

    Text read in the wrong byte order has characters that end in a zero byte, that do not exist, or
    that come from all over Unicode.
    """
    sample = text[:SAMPLE].rstrip("\0\ufffd")
    if not sample:
        return -3.0
    spread = len({ord(c) >> 8 for c in sample})
    return (sum(map(_likelihood, sample)) - 0.5 * spread) / len(sample)


def _likelihood(c: str) -> int:
    if " " <= c <= "~" or c in "\n\r\t":
        return 2
    if unicodedata.category(c)[0] == "C" or c == "\ufffd":
        return -3
    return 1 if ord(c) & 0xFF else -1


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
