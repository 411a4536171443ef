"""What people have chosen themselves, in a mail that bears this site's name: words, and never a link.

Mail programs make links of addresses in plain text. So a name is put such that none is: dots and colons
between letters get a space, slashes go.
"""

from __future__ import annotations

import re
import unicodedata

MOST = 60  # characters
ADDRESS = re.compile(r"[^\s@/:]+@[^\s@/:]+")
DOTS = str.maketrans(dict.fromkeys("。｡．․", "."))


def words(text: str, most: int = MOST) -> str:
    """One line of at most ``most`` characters, in which no mail program finds a web address.

    An e-mail address alone stays as it is: people without a name are known by theirs.
    """
    line = " ".join("".join(each if _is_shown(each) else " " for each in text).split())
    if not ADDRESS.fullmatch(line) or len(line) > most:
        line = unicodedata.normalize("NFKC", line).translate(DOTS)
        line = re.sub(r"[/\\]{2,}", " ", line)
        line = re.sub(r"(?<=\w)([.:])(?=[\w/\\])", r"\1 ", line)
        line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _is_shown(character: str) -> bool:
    """No control characters, and none that hide or turn what follows."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
