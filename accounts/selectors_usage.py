"""Reads of what was used. Days and months are those of UTC, as in accounts.usage."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet, Sum

from accounts import access
from accounts.access import USAGE_READ, Principal
from accounts.models import ApiKey, Usage
from accounts.usage import today

COUNTED = ("requests", "images", "refused")


def usage_by_day(principal: Principal, days: int) -> list[dict[str, Any]]:
    """The last ``days`` days, today's last, each with its sums; a day without any use has zeros.

    Raises:
        PermissionDenied: the principal may not see what was used.
    """
    first = today() - timedelta(days=days - 1)
    found = {row["day"]: row for row in _sums(_since(principal, first).values("day"))}
    wanted = [first + timedelta(days=number) for number in range(days)]
    return [{**dict.fromkeys(COUNTED, 0), **found.get(day, {}), "day": day} for day in wanted]


def usage_of_month(principal: Principal) -> dict[str, int]:
    """Sums since the month began."""
    sums = {name: Sum(name, default=0) for name in COUNTED}
    return _since(principal, today().replace(day=1)).aggregate(**sums)


def usage_by_key(principal: Principal) -> list[dict[str, Any]]:
    """Sums since the month began of each key that is in force or was used, with its name and quota."""
    found = {
        row["key"]: row
        for row in _sums(_since(principal, today().replace(day=1)).values("key"))
        if row["key"]
    }
    keys = ApiKey.objects.filter(organisation=principal.organisation).order_by("-created_at", "pk")
    return [
        {
            **{name: found.get(key.pk, {}).get(name, 0) for name in COUNTED},
            "id": key.pk,
            "name": key.name,
            "per_month": key.per_month,
        }
        for key in keys
        if key.revoked_at is None or key.pk in found
    ]


def _since(principal: Principal, first: date) -> QuerySet[Usage]:
    return access.scope(principal, Usage.objects.all(), USAGE_READ).filter(day__gte=first)


def _sums(rows: Any) -> Any:
    return rows.annotate(**{name: Sum(name) for name in COUNTED}).order_by()
