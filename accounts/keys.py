"""Writes of API keys: make, change, rotate, revoke.

A key belongs to its organisation, and stays when its maker goes. Each *value* of it remembers who saw
it, and is never worth more than that person's role is today (accounts.authentication).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from knox.models import get_digest_token
from knox.settings import CONSTANTS

from accounts import access, key_rules, key_selectors, usage
from accounts.access import Principal
from accounts.members import held
from accounts.models import ApiKey, KeySecret
from accounts.signals import happened

MOST_KEYS = 200  # of one organisation; revoked ones do not count
OVERLAP_HOURS = 24
ELSEWHERE = (
    "The key in use works from {} alone, and so must those that it makes or changes: name such addresses."
)
LIMITS = {"per_minute": "requests a minute", "per_month": "images a month"}
ABOVE = "The key in use has at most {limit:,} {what}, and so must those that it makes, changes or rotates."
OUTLASTS = "This key works for longer than the key in use, so a person has to do this."
DEEPEST = 5
TOO_DEEP = "The key in use was made by a key that was made by a key, and so on. Let a person make this one."


def make(
    *,
    principal: Principal,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    addresses: Sequence[str] = (),
    per_minute: int = 120,
    per_month: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and its value: that is kept nowhere and must be shown at once.

    Raises:
        PermissionDenied: the principal may not make keys, or may not itself what the key should; a key gives
            no higher limits than its own, either. What it makes ends when it does, at the latest.
        ValidationError: a field (of those above) cannot be so, or there are ``MOST_KEYS`` already.
    """
    access.require(principal, access.KEYS_WRITE)
    fields = key_rules.checked(
        name=name, scopes=scopes, addresses=addresses, per_minute=per_minute, per_month=per_month
    )
    ends = key_rules.expiry(expires_at)
    with held(principal, access.KEYS_WRITE) as principal:
        _require_no_more(principal, **fields)
        _require_room(principal)
        ends = _no_later(principal, ends)
        key = ApiKey.objects.create(
            organisation=principal.organisation,
            created_by=principal.user,
            made_by_key=principal.key,
            **fields,
        )
        value = _new_value(principal, key, ends)
        _tell("key.made", principal, key, {**fields, "expires_at": _text(ends)})
    return key, value


def change(*, principal: Principal, pk: UUID, fields: Mapping[str, Any]) -> ApiKey:
    """Changes the fields that are given: name, scopes, addresses, per_minute, per_month. At once.

    Raises:
        Http404: no such key in the organisation.
        PermissionDenied: the key may, or would, do what the principal itself may not. A key changes no limit,
            its own neither, above its own.
        ValidationError: a field cannot be so, or the key was revoked.
    """
    access.require(principal, access.KEYS_WRITE)
    values = key_rules.checked(**fields)
    with held(principal, access.KEYS_WRITE) as principal:
        key = _open_key(principal, pk)
        _require_no_wider(principal, key)
        _require_no_more(principal, **values)
        changed = {name: value for name, value in values.items() if getattr(key, name) != value}
        for name, value in changed.items():
            setattr(key, name, value)
        if changed:
            key.save(update_fields=list(changed))
            _tell("key.changed", principal, key, changed)
    return key


def rotate(
    *,
    principal: Principal,
    pk: UUID,
    overlap_hours: int = OVERLAP_HOURS,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new value for a key. The old ones go on working for ``overlap_hours``, or as long as they would.

    Raises:
        Http404: no such key in the organisation.
        PermissionDenied: the key may do what the principal may not, has higher limits, or lasts longer.
        ValidationError: the overlap or the expiry cannot be so, or the key was revoked.
    """
    access.require(principal, access.KEYS_WRITE)
    hours, ends = key_rules.overlap(overlap_hours), key_rules.expiry(expires_at)
    with held(principal, access.KEYS_WRITE) as principal:
        key = _open_key(principal, pk)
        _require_no_wider(principal, key)
        ends = _no_later(principal, ends)
        until = timezone.now() + timedelta(hours=hours)
        key.secrets.filter(Q(expiry=None) | Q(expiry__gt=until)).update(expiry=until)
        value = _new_value(principal, key, ends)
        details = {"name": key.name, "old_until": _text(until), "expires_at": _text(ends)}
        _tell("key.rotated", principal, key, details)
    return key, value


def revoke(*, principal: Principal, pk: UUID) -> ApiKey:
    """Closes a key, and the keys that it made, from the very next request on. A second time is no error.

    Raises:
        Http404: no such key in the organisation.
        PermissionDenied: it is another key, and a wider one than that which asks.
    """
    access.require(principal, access.KEYS_WRITE)
    with held(principal, access.KEYS_WRITE) as principal:
        key = _locked(principal, pk)
        if key != principal.key:  # a program may always give itself up
            _require_no_wider(principal, key)
        if key.revoked_at is None:
            for each in [key, *key_selectors.made_by(key)]:
                each.revoked_at = timezone.now()
                each.save(update_fields=["revoked_at"])
                _tell("key.revoked", principal, each, {"name": each.name})
    return key


def _locked(principal: Principal, pk: UUID) -> ApiKey:
    mine = access.scope(principal, ApiKey.objects.all(), access.KEYS_WRITE)
    return get_object_or_404(mine.select_for_update(of=("self",)), pk=pk)


def _open_key(principal: Principal, pk: UUID) -> ApiKey:
    key = _locked(principal, pk)
    if key.revoked_at is not None:
        raise ValidationError("This key was revoked, and stays so. Make a new one.", code="key_revoked")
    return key


def _require_no_wider(principal: Principal, key: ApiKey) -> None:
    """Nobody changes, closes, or gets the value of, what may do more than they may, or for longer."""
    _require_no_more(principal, **{name: getattr(key, name) for name in WIDTH})
    ends = _end_of(principal)
    if ends is not None and key.secrets.filter(Q(expiry=None) | Q(expiry__gt=ends)).exists():
        raise PermissionDenied(OUTLASTS)


WIDTH = ("scopes", "addresses", *LIMITS)  # fields of which a key gives no more than it has


def _require_no_more(principal: Principal, **fields: Any) -> None:
    """Of those fields that are given, among others."""
    if beyond := access.lacking(principal, fields.get("scopes", ())):
        raise PermissionDenied(f"You may not do yourself what this key may: {'; '.join(beyond)}.")
    if principal.key is None:
        return
    bounds = principal.key.addresses
    if "addresses" in fields and not key_rules.within(fields["addresses"], bounds):
        raise PermissionDenied(ELSEWHERE.format(", ".join(bounds)))
    for name, what in LIMITS.items():
        limit = getattr(principal.key, name)
        if name in fields and limit is not None and (fields[name] is None or fields[name] > limit):
            raise PermissionDenied(ABOVE.format(limit=limit, what=what))


def _end_of(principal: Principal) -> datetime | None:
    """When the value in use ends; None for a person, and for one without an end."""
    return principal.secret.expiry if principal.secret else None


def _no_later(principal: Principal, ends: datetime | None) -> datetime | None:
    """What a program makes ends with the value that it came in by, at the latest."""
    return min((each for each in (ends, _end_of(principal)) if each is not None), default=None)


def _require_room(principal: Principal) -> None:
    if ApiKey.objects.filter(organisation=principal.organisation, revoked_at=None).count() >= MOST_KEYS:
        raise ValidationError(f"There are {MOST_KEYS} keys already. Revoke one that is not used any more.")
    if principal.key is not None and len(usage.lineage(principal.key)) >= DEEPEST:
        raise ValidationError(TOO_DEEP)


def _new_value(principal: Principal, key: ApiKey, expiry: datetime | None) -> str:
    digest, value = get_digest_token()
    KeySecret(
        key=key,
        digest=digest,
        token_key=value[: CONSTANTS.TOKEN_KEY_LENGTH],
        expiry=expiry,
        made_by=key_selectors.behind(principal),
    ).save(force_insert=True)
    return value


def _tell(event: str, principal: Principal, key: ApiKey, details: dict[str, Any]) -> None:
    happened.send(sender=ApiKey, principal=principal, event=event, subject=key, details=details)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
