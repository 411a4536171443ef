"""What part of the activity is asked for: by whom, of which kind, on which days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Max, QuerySet
from django.utils.timezone import get_current_timezone

from cifake_site.numbers import whole
from history.models import AuditEvent

KINDS = {
    "member": "Members",
    "invitation": "Invitations",
    "organisation": "Settings",
    "key": "API keys",
    "webhook": "Webhooks",
    "batch": "Batches",
    "detection": "Results",
}
PERSON, KEY = "person-", "key-"
OTHERS = "others"  # CIFAKE itself, the invited, and accounts that are gone


@dataclass(frozen=True)
class Filters:
    """``first`` and ``last`` are days, both included, in the organisation's time zone."""

    who: str = ""
    kind: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def query(self) -> str:
        """As in an address; empty if everything is asked for."""
        asked = {"who": self.who, "kind": self.kind, "from": self.first, "to": self.last}
        return urlencode({name: value for name, value in asked.items() if value})


@dataclass(frozen=True)
class Actor:
    """``who`` as filters take it; called as the record did when they last did something."""

    who: str
    words: str


NOBODY = Actor(OTHERS, "Others: invited people, deleted accounts, CIFAKE itself")


def filters(asked: Mapping[str, str]) -> Filters:
    """Filters from an address, which anybody may have typed: what makes no sense is left out."""
    who, kind = asked.get("who", ""), asked.get("kind", "")
    return Filters(
        who=who if who == OTHERS or _actor(who) else "",
        kind=kind if kind in KINDS else "",
        first=_day(asked.get("from", "")),
        last=_day(asked.get("to", "")),
    )


def narrowed(rows: QuerySet[AuditEvent], asked: Filters) -> QuerySet[AuditEvent]:
    """Those of ``rows`` that are asked for. Days begin at midnight of the time zone in force."""
    if asked.who:
        rows = rows.filter(**(_actor(asked.who) or {"user": None, "key": None}))
    if asked.kind:
        rows = rows.filter(event__startswith=f"{asked.kind}.")
    if asked.first:
        rows = rows.filter(at__gte=_midnight(asked.first))
    if asked.last:
        rows = rows.filter(at__lt=_midnight(asked.last + timedelta(days=1)))
    return rows


def actors(rows: QuerySet[AuditEvent]) -> list[Actor]:
    """Who stands in ``rows``, by name, in one query; ``OTHERS`` as the last.

    By the words of the record: what those who have left are called today is nobody's business here.
    """
    newest = rows.order_by().values("user", "key").annotate(newest=Max("pk")).values("newest")
    found = AuditEvent.objects.filter(pk__in=newest).order_by("actor").values_list("user", "key", "actor")
    known, others = [], False
    for user, key, actor in found:
        who = who_did(user, key)
        if who == OTHERS:
            others = True
        else:
            known.append(Actor(who, actor))
    return [*known, NOBODY] if others else known


def who_did(user: int | None, key: UUID | None) -> str:
    """As filters take it."""
    if user is not None:
        return f"{PERSON}{user}"
    return OTHERS if key is None else f"{KEY}{key}"


def _actor(who: str) -> dict[str, Any] | None:
    person, key = who.removeprefix(PERSON), who.removeprefix(KEY)
    if who.startswith(PERSON) and (number := whole(person)) is not None:
        return {"user": number}
    if who.startswith(KEY):
        try:
            return {"key": UUID(key)}
        except ValueError:
            return None
    return None


def _day(text: str) -> date | None:
    """Within the years that have a next day, and a midnight in UTC, wherever one is."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1 < day.year < 9999 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=get_current_timezone())
