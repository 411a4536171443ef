"""Log lines without what opens something: links that were mailed, keys, codes of sign-on.

Every handler writes through ``Formatter``, so nothing gets past it, whichever library wrote the line: a path,
a query, a traceback.
"""

from __future__ import annotations

import logging
import re

HIDDEN = "[hidden]"
# A path may stand within a query: "/" as it is, or as %2F, or as %252F.
SLASH = r"(?:/|%(?:25)*2[Ff])"
REST = r"[^/\s?&#\"'<>%,;)\]}]+"
SECRETS = [
    re.compile(rf"(invitations{SLASH})(?!api){REST}"),
    re.compile(rf"(password{SLASH}reset{SLASH}key{SLASH})(?!done){REST}"),
    re.compile(rf"(confirm-email{SLASH}){REST}"),
    re.compile(r"()\bcfk_\w+"),
    re.compile(r"()\bwhsec_[\w+/=]+"),
    re.compile(r"((?:[?&]|%3F|%26)(?:code|state|token|key|session_state)(?:=|%3D))[^&\s\"'#]+", re.I),
]


def without_secrets(text: str) -> str:
    for each in SECRETS:
        text = each.sub(rf"\g<1>{HIDDEN}", text)
    return text


class Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))
