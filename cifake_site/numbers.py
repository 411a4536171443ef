"""Numbers in text from outside, for a database: whoever wrote it may have written anything."""

from __future__ import annotations

LARGEST_ID = 2**63 - 1  # of a row, in every database of ours


def whole(text: str, most: int = LARGEST_ID) -> int | None:
    """0 to ``most``, in plain digits; None for everything else.

    Never by ``int`` alone: that takes other scripts' digits, spaces and underscores, raises ValueError
    above 4,300 digits, and what it gives may be larger than a column.
    """
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)):
        return None
    number = int(text)
    return number if number <= most else None
