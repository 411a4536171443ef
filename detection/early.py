"""Sentences that the browser shows before it sends a file: the server's own words, ahead of time.

They are got by asking ``mlcore.imaging`` itself, with ``{name}`` as the file's name, so the
browser and the server cannot come to say different things.
"""

from __future__ import annotations

from functools import cache

from mlcore import imaging
from mlcore.errors import ImageRefused

NAME = "{name}"
# Types that a browser is sure about, each with the first bytes of such a file.
OTHER_TYPES = {
    "application/pdf": b"%PDF-1.7",
    "image/svg+xml": b"<svg xmlns=''>",
    "text/plain": b"text",
    "text/html": b"<!doctype html>",
    "video/webm": b"\x1aE\xdf\xa3",
    "video/mp4": b"\0\0\0\x18ftypisom",
    "video/quicktime": b"\0\0\0\x14ftypqt  ",
    "application/zip": b"PK\3\4",
}


@cache
def early_checks(max_bytes: int) -> dict[str, object]:
    """What can be told without sending: ``max_bytes`` and the sentences, by reason."""
    limits = imaging.Limits(bytes=max_bytes)
    return {
        "max_bytes": max_bytes,
        "empty": _refusal(b"", limits),
        "too_large": _refusal(bytes(limits.bytes + 1), limits),
        "types": {mime: _refusal(head, limits) for mime, head in OTHER_TYPES.items()},
    }


def _refusal(data: bytes, limits: imaging.Limits) -> str:
    try:
        imaging.examine(data, NAME, limits)
    except ImageRefused as refused:
        return str(refused)
    raise AssertionError("such a file must be refused")
