"""How many invitations may be sent: mail in somebody else's name must not become a nuisance.

Counted in the cache, as allauth's limits are; in the scaled set-up all processes share it.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from django.core.cache import cache
from django.utils import timezone

from accounts import key_selectors
from accounts.access import Principal
from accounts.errors import Refused

A_DAY = 100  # by one organisation, and by one person in all of theirs, themselves or by programs (UTC days)
A_DAY_TO_ONE = 5  # from one organisation to one mailbox
DAY_SECONDS = 24 * 60 * 60

TOO_MANY = (
    "{limit} invitations can be sent in a day. This would be more, so none was sent. "
    "Send fewer, or go on tomorrow."
)
TOO_OFTEN = "{email} has been sent {limit} invitations today. Wait until tomorrow."


def spend(principal: Principal, emails: list[str]) -> None:
    """Counts one letter to each address, or none of them.

    Raises:
        Refused: ``invitation_limit``.
    """
    here = f"organisation:{principal.organisation.pk}"
    counts = Counter({here: len(emails)})
    person = key_selectors.behind(principal)  # of a program, who saw its value
    if person is not None:
        counts[f"person:{person.pk}"] = len(emails)
    for email in emails:
        counts[_to(here, email)] = 1
    over = [name for name, count in counts.items() if _add(name, count) > _limit(name)]
    if over:
        for name, count in counts.items():
            _add(name, -count)
        raise Refused("invitation_limit", _sentence(over[0], here, emails))


def _sentence(over: str, here: str, emails: list[str]) -> str:
    email = next((each for each in emails if _to(here, each) == over), None)
    words = TOO_OFTEN if email else TOO_MANY
    return words.format(email=email, limit=_limit(over))


def _limit(name: str) -> int:
    return A_DAY_TO_ONE if ":to:" in name else A_DAY


def _to(here: str, email: str) -> str:
    return f"{here}:to:{sha256(email.encode()).hexdigest()}"


def _add(name: str, count: int) -> int:
    key = f"invitations:{timezone.now():%Y-%m-%d}:{name}"
    if cache.add(key, count, DAY_SECONDS):
        return count
    try:
        return cache.incr(key, count)
    except ValueError:  # a full cache has dropped it in between
        return count
