"""Reads of what was used: by day, and this month by key. Days and months are those of UTC."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q, QuerySet, Sum

from accounts import access, storage, usage
from accounts.access import USAGE_READ, Principal
from accounts.models import ApiKey, Usage
from accounts.storage import Room

logger = logging.getLogger(__name__)

BY_PEOPLE = Q(key=None)


@dataclass(frozen=True)
class Day:
    """``by_people`` and ``by_keys`` are images; ``requests``, of keys, hold those that were ``refused``."""

    day: date
    by_people: int = 0
    by_keys: int = 0
    requests: int = 0
    refused: int = 0

    @property
    def images(self) -> int:
        return self.by_people + self.by_keys


@dataclass(frozen=True)
class Share:
    """Part of a month: of one key, or of people together (``key`` None)."""

    key: ApiKey | None
    images: int
    requests: int
    refused: int

    @property
    def quota(self) -> int | None:
        return self.key.per_month if self.key else None


def days(principal: Principal, count: int) -> list[Day]:
    """The last ``count`` days, today's as the last; those without use as well.

    Raises:
        PermissionDenied: the principal may not see usage.
    """
    first = usage.today() - timedelta(days=count - 1)
    found = _rows(principal).filter(day__gte=first).values("day").order_by("day")
    by_day = {each["day"]: Day(**each) for each in found.annotate(**_sums())}
    every = [first + timedelta(days=number) for number in range(count)]
    return [by_day.get(day) or Day(day) for day in every]


def stored(principal: Principal) -> Room:
    """Bytes of all files of the organisation, and how many they may be.

    Raises:
        PermissionDenied: the principal may not see usage.
    """
    access.require(principal, USAGE_READ)
    return storage.room(principal.organisation.pk)


def month(principal: Principal) -> list[Share]:
    """This month by key, the busiest first, those without use only while they are not revoked.

    Raises:
        PermissionDenied: the principal may not see usage.
    """
    rows = _rows(principal).filter(day__gte=usage.today().replace(day=1))
    sums = {name: Sum(name) for name in ("images", "requests", "refused")}
    used: dict[Any, Any] = {each["key"]: each for each in rows.values("key").order_by().annotate(**sums)}
    mine = ApiKey.objects.filter(organisation=principal.organisation).order_by("name", "pk")
    keys = mine.filter(Q(revoked_at=None) | Q(pk__in=[key for key in used if key is not None]))
    shares = [_share(key, used.get(key.pk)) for key in keys]
    shares.sort(key=lambda share: (-share.images, -share.requests))
    return [*shares, _share(None, used.get(None))]


def _share(key: ApiKey | None, row: Any) -> Share:
    return Share(key, row["images"], row["requests"], row["refused"]) if row else Share(key, 0, 0, 0)


def _rows(principal: Principal) -> QuerySet[Usage, Any]:
    mine = access.scope(principal, Usage.objects.all(), USAGE_READ)
    try:
        usage.flush()  # what this process has not written yet
    except DatabaseError:
        logger.exception("Usage could not be written; it is kept for the next time.")
    return mine


def _sums() -> dict[str, Any]:
    return {
        "by_people": Sum("images", filter=BY_PEOPLE, default=0),
        "by_keys": Sum("images", filter=~BY_PEOPLE, default=0),
        "requests": Sum("requests"),
        "refused": Sum("refused"),
    }
