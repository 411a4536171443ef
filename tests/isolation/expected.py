"""What follows from the table and from ``accounts.access`` alone: the answer that somebody has to get."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accounts.access import ALLOWED, SCOPES
from accounts.models import Role
from tests.isolation import needs
from tests.isolation.needs import Need


class Answer(StrEnum):
    SIGN_IN = "a redirect to sign in"
    UNKNOWN = "401"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    NOT_ALLOWED = "405"
    LET_IN = "let in"
    NONE = "403 or 404, for there is none of theirs"
    NO_NEWS = "nothing but what a stranger may see"  # let in or sent away, by what the session holds


@dataclass(frozen=True)
class Who:
    """A kind of principal. ``may``: its permissions in the organisation, if it belongs to it."""

    name: str
    may: frozenset[str] = frozenset()
    signed_in: bool = False
    belongs: bool = False
    staff: bool = False
    lacks_factor: bool = False  # which the organisation asks for
    has_key: bool = False  # one that works
    key_is_theirs: bool = False  # of another organisation

    def __str__(self) -> str:
        return self.name


ROLES = [Who(str(role), ALLOWED[role], signed_in=True, belongs=True) for role in Role]
# No role has one permission alone. For the test one has, so that each page shows which it takes.
SINGLE = [
    Who(f"member with {each} alone", frozenset({each}), signed_in=True, belongs=True)
    for each in sorted(ALLOWED[Role.OWNER])
]
KEYS = [Who(f"key with {each}", frozenset({each}), has_key=True) for each in sorted(SCOPES)]
FULL_KEY = Who("key with every scope", SCOPES, has_key=True)
THEIR_KEY = Who("key of another organisation", SCOPES, has_key=True, key_is_theirs=True)
OUTSIDERS = [
    Who("anonymous"),
    Who("outsider", signed_in=True),
    Who("staff", signed_in=True, staff=True),
    Who("suspended"),  # the session is alive, but opens nothing any more
    Who("removed a second ago", signed_in=True),
    Who("revoked key"),
    Who("expired key"),
    Who("unknown key"),
    THEIR_KEY,
]
OWNER = ROLES[0]
UNSECURED = Who("owner without a second factor", OWNER.may, signed_in=True, belongs=True, lacks_factor=True)
EVERYBODY = [*OUTSIDERS, UNSECURED, *ROLES, *SINGLE, FULL_KEY, *KEYS]


def on_page(who: Who, need: Need) -> Answer:
    """Of a page of the organisation."""
    if not who.signed_in:
        return Answer.SIGN_IN
    if not who.belongs:
        return Answer.NOT_FOUND
    return Answer.LET_IN if not who.lacks_factor and _may(who, need) else Answer.FORBIDDEN


def in_api(who: Who, need: Need, *, names_object: bool) -> Answer:
    if not who.has_key:
        return Answer.UNKNOWN
    if not _may(who, need):
        return Answer.FORBIDDEN
    return Answer.NOT_FOUND if who.key_is_theirs and names_object else Answer.LET_IN


def elsewhere(who: Who, need: Need) -> Answer:
    """Of an address that belongs to no organisation."""
    signed_in = Answer.LET_IN if who.signed_in else Answer.SIGN_IN
    staff = Answer.LET_IN if who.staff else Answer.SIGN_IN
    return {
        needs.PUBLIC: Answer.LET_IN,
        needs.LINK: Answer.LET_IN,
        needs.SIGNED_IN: signed_in,
        needs.FAILED: Answer.UNKNOWN,
        needs.OWN_FACTOR: Answer.NONE if who.signed_in else Answer.SIGN_IN,
        needs.OWN_SESSION: Answer.NO_NEWS,
        needs.OFFERED: Answer.NOT_FOUND if who.signed_in else Answer.SIGN_IN,
        needs.STAFF: staff,
        needs.STAFF_DOOR: staff if who.staff or not who.signed_in else Answer.FORBIDDEN,
        needs.READ_ONLY: Answer.FORBIDDEN if who.staff else Answer.SIGN_IN,
        needs.STAFF_NOWHERE: Answer.NOT_FOUND if who.staff else Answer.SIGN_IN,
        needs.NOWHERE: Answer.NOT_FOUND,
    }[str(need)]


def _may(who: Who, need: Need) -> bool:
    if need == needs.MEMBER:
        return who.belongs
    return {need} <= who.may if isinstance(need, str) else set(need) <= who.may
