"""Reads of API keys: whether a key works, for how long, and how much of its month is used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, usage
from accounts.access import ALLOWED, KEYS_READ, PERMISSIONS, SCOPES, Principal
from accounts.models import ApiKey, KeySecret, Membership, Usage, User

MOST_REVOKED = 50  # a program may make and revoke a key a day, for years
WORKS, EXPIRED, CLOSED, REVOKED = "works", "expired", "closed", "revoked"


@dataclass(frozen=True)
class Card:
    """A key as its organisation sees it. ``values`` are those that open something, the newest first."""

    key: ApiKey
    state: str  # one of the four above
    prefix: str  # of the newest value; "" if there is none any more
    expires_at: datetime | None  # of the newest value
    values: list[Any]
    may: list[str]  # in words
    withheld: list[str]  # what the newest value may not, as who saw it may not today
    images: int  # this month


def with_maker() -> QuerySet[KeySecret, Any]:
    """Secrets with ``maker_role``: the role today of who saw the value; None once they are shut out."""
    maker = Membership.objects.filter(
        user=OuterRef("made_by"), user__is_active=True, organisation=OuterRef("key__organisation")
    )
    secrets: QuerySet[KeySecret, Any] = KeySecret.objects.all()
    rows = secrets.select_related("key__organisation", "made_by")
    return rows.annotate(maker_role=Subquery(maker.values("role")))


def is_closed(secret: Any) -> bool:
    """Who saw it has left, or is suspended. Nobody saw what was made on the machine itself."""
    return secret.made_by_id is not None and secret.maker_role is None


def is_expired(secret: Any) -> bool:
    return secret.expiry is not None and secret.expiry <= timezone.now()


def program(secret: Any) -> Principal:
    """Who comes in by a value of ``with_maker()`` that opens something: the key, in its organisation."""
    key = secret.key
    if secret.made_by_id is not None:
        # Not saved: a value can do no more than the person who saw it may do today.
        key.scopes = [each for each in key.scopes if each in ALLOWED[secret.maker_role]]
    return Principal(None, key.organisation, "key", key, secret)


def program_now(principal: Principal) -> Principal:
    """A program as it is now, and not as it was when its request came in.

    Raises:
        Http404: the key was revoked, or the value opens nothing any more.
    """
    if principal.secret is None:
        get_object_or_404(ApiKey, pk=principal.key and principal.key.pk, revoked_at=None)
        return principal
    secret: Any = get_object_or_404(with_maker(), pk=principal.secret.pk, key__revoked_at=None)
    if is_expired(secret) or is_closed(secret):
        raise Http404
    return program(secret)


def behind(principal: Principal) -> User | None:
    """Who sees what the principal is given: for a program, the person who saw the value it came in by."""
    if principal.key is None:
        return principal.user
    newest = principal.key.secrets.order_by("-created").select_related("made_by")
    secret = principal.secret or newest.first()
    return secret.made_by if secret else None


def made_by(key: ApiKey) -> list[ApiKey]:
    """The open keys that a key made, those that these made, and so on: they go with it."""
    found: list[ApiKey] = []
    makers = [key]
    while makers := list(ApiKey.objects.filter(made_by_key__in=makers)):
        found += makers
    return [each for each in found if each.revoked_at is None]


def cards(principal: Principal) -> list[Card]:
    """The organisation's keys: those that work first, then the newest; of those revoked the last few.

    Raises:
        PermissionDenied: the principal may not see keys.
    """
    keys = _keys(principal)
    found = [_card(key) for key in keys.filter(revoked_at=None)]
    revoked = keys.exclude(revoked_at=None).order_by("-revoked_at")[:MOST_REVOKED]
    return [*sorted(found, key=lambda card: card.state != WORKS), *map(_card, revoked)]


def card(principal: Principal, pk: UUID) -> Card:
    """Raises Http404 for another organisation's key, as for none."""
    return _card(get_object_or_404(_keys(principal), pk=pk))


def _keys(principal: Principal) -> QuerySet[ApiKey, Any]:
    month = Usage.objects.filter(key=OuterRef("pk"), day__gte=usage.today().replace(day=1))
    images = month.order_by().values("key").annotate(total=Sum("images")).values("total")
    mine = access.scope(principal, ApiKey.objects.select_related("created_by"), KEYS_READ)
    secrets = Prefetch("secrets", with_maker().order_by("-created"))
    return mine.prefetch_related(secrets).annotate(images=Subquery(images)).order_by("-created_at", "pk")


def _card(key: Any) -> Card:
    secrets = list(key.secrets.all())
    newest = secrets[0] if secrets else None
    return Card(
        key=key,
        state=_state(key, secrets),
        prefix=newest.token_key if newest else "",
        expires_at=newest.expiry if newest else None,
        values=[each for each in secrets if not is_expired(each) and not is_closed(each)],
        may=_in_words(key.scopes),
        withheld=_withheld(key, newest),
        images=key.images or 0,
    )


def _in_words(scopes: list[str]) -> list[str]:
    if set(scopes) >= SCOPES:
        return ["Everything that a key can be allowed"]
    return [PERMISSIONS[each] for each in scopes if each in PERMISSIONS]


def _state(key: ApiKey, secrets: list[Any]) -> str:
    if key.revoked_at is not None:
        return REVOKED
    if any(not is_expired(each) and not is_closed(each) for each in secrets):
        return WORKS
    return EXPIRED if secrets and is_expired(secrets[0]) else CLOSED


def _withheld(key: ApiKey, newest: Any) -> list[str]:
    if newest is None or newest.made_by_id is None or newest.maker_role is None:
        return []
    return [PERMISSIONS[each] for each in key.scopes if each not in ALLOWED[newest.maker_role]]
