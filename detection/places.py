"""How many may listen or wait at a time: in each server process, of an organisation, of one person or key.

Each open page, stream and ``?wait`` holds a place. A place costs memory and a share of every look at the
rows, so nobody gets all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.conf import settings

from accounts.access import Principal

AGAIN_SECONDS = 10  # for Retry-After


class Full(Exception):
    """There is no place. The message is a sentence; ``own``: others may still have theirs."""

    def __init__(self, sentence: str, *, own: bool) -> None:
        super().__init__(sentence)
        self.own = own


_taken: Counter[str] = Counter()


def require(principal: Principal) -> None:
    """Raises Full where no place is left for this person or key."""
    for name, most, whose in _shares(principal):
        if _taken[name] >= most:
            words = f"{whose} pages and streams are open ({most}). Close some, then try again."
            raise Full(words, own=name != "all")


@contextmanager
def taken(principal: Principal) -> Iterator[None]:
    """Holds a place, whether there is one or not: :func:`require` is to be asked before."""
    names = [name for name, _, _ in _shares(principal)]
    _taken.update(names)
    try:
        yield
    finally:
        _taken.subtract(names)
        for name in names:
            if not _taken[name]:
                del _taken[name]


def _shares(principal: Principal) -> Iterable[tuple[str, int, str]]:
    if principal.key is not None:
        yield f"key {principal.key.pk}", settings.MAX_LISTENERS_PER_PERSON, "Too many of this key's"
    elif principal.user is not None:
        yield f"person {principal.user.pk}", settings.MAX_LISTENERS_PER_PERSON, "Too many of your"
    organisation = f"organisation {principal.organisation.pk}"
    yield organisation, settings.MAX_LISTENERS_PER_ORGANISATION, "Too many of your organisation's"
    yield "all", settings.MAX_LISTENERS, "Too many"
