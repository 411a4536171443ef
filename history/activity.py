"""What happened in an organisation, as people would say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils.timezone import localtime

from accounts import access
from accounts.access import AUDIT_READ, Principal
from cifake_site.numbers import whole
from history.activity_filter import Filters, narrowed
from history.activity_words import words
from history.models import AuditEvent

PER_PAGE = 50
EVERYTHING = Filters()


@dataclass(frozen=True)
class Entry:
    event: AuditEvent
    words: str
    details: list[tuple[str, str]]

    @property
    def day(self) -> date:
        """In the organisation's time zone, which pages are shown in."""
        return localtime(self.event.at).date()


@dataclass(frozen=True)
class Activity:
    entries: list[Entry]
    older: int | None  # ``before`` of the next page


def events(principal: Principal) -> QuerySet[AuditEvent]:
    """Newest first.

    Raises:
        PermissionDenied: the principal may not read the activity.
    """
    return access.scope(principal, AuditEvent.objects.all(), AUDIT_READ).order_by("-id")


def page(principal: Principal, asked: Filters = EVERYTHING, before: str = "") -> Activity:
    """One page; ``before`` is the number that the page before named, so rows stay put as new ones come."""
    rows = narrowed(events(principal), asked)
    if (number := whole(before)) is not None:
        rows = rows.filter(pk__lt=number)
    found = list(rows[: PER_PAGE + 1])
    shown = found[:PER_PAGE]
    return Activity([_entry(each) for each in shown], shown[-1].pk if len(found) > PER_PAGE else None)


def _entry(event: AuditEvent) -> Entry:
    return Entry(event, *words(event.event, event.subject, event.details))
