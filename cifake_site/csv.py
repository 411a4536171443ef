"""CSV that a spreadsheet opens without running any of it.

A spreadsheet takes a cell that begins like a formula for one (OWASP, CSV injection). Where cells begin
depends on who opens the file: a German Excel splits lines at semicolons, whatever the quotes say, and other
programs at tabs. So an apostrophe, which makes a cell a text, goes to the beginning of what could be taken
for a formula there, and behind each mark at which one could be made to begin.

PyPI's ``defusedcsv`` looks at the first character of a cell alone, and lets spaces hide it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

MARK = b"\xef\xbb\xbf"  # by which spreadsheets know UTF-8
BREAKS = "\t\r\n\v\f\x1c-\x1f\x85\u2028\u2029"  # where lines or cells end; commas are in quotes everywhere
HIDDEN = ' "\xa0\x00-\x1f\x85\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff'  # cut off by some
FORMULA = "=+\\-@|%\u2212\ufe62\ufe63\ufe66\ufe6b\uff05\uff0b\uff0d\uff1d\uff20\uff5c"
# Lazy, so that what is hidden is looked through once, however long it is.
_BEGINS = re.compile(f"(\\A|[;{BREAKS}])(?=[{HIDDEN}]*?[{FORMULA}{BREAKS}])")

Cell = str | int | float | None


def harmless(cell: Cell) -> Cell:
    """A text with an apostrophe wherever a formula could begin. Numbers of our own stay numbers."""
    return _BEGINS.sub(r"\1'", cell) if isinstance(cell, str) else cell


def lines(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Rows in RFC 4180 and UTF-8, every text made ``harmless``."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[harmless(cell) for cell in row] for row in rows])
    return out.getvalue().encode()
