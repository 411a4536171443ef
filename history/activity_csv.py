"""The activity as CSV, read and written piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC
from zoneinfo import ZoneInfo

from channels.db import database_sync_to_async
from django.db.models import QuerySet
from django.utils import timezone

from cifake_site import csv
from history.activity_words import words
from history.models import AuditEvent

COLUMNS = ("at", "actor", "event", "subject", "words", "details")
PIECE = 500  # rows in memory together


async def comma_separated(rows: QuerySet[AuditEvent], zone: ZoneInfo) -> AsyncIterator[bytes]:
    """RFC 4180, with a header, in UTF-8 with the mark by which spreadsheets know it; newest first.

    ``at`` is UTC (ISO 8601), ``words`` what the page says, in the time of ``zone``, ``details`` JSON.
    """
    yield csv.MARK + csv.lines([COLUMNS])
    before = None
    while found := await _read(rows, before, zone):
        yield csv.lines(line for _, line in found)
        before = found[-1][0]


@database_sync_to_async
def _read(rows: QuerySet[AuditEvent], before: int | None, zone: ZoneInfo) -> list[tuple[int, list[str]]]:
    if before is not None:
        rows = rows.filter(pk__lt=before)
    with timezone.override(zone):
        return [(event.pk, _line(event)) for event in rows[:PIECE]]


def _line(event: AuditEvent) -> list[str]:
    said, _ = words(event.event, event.subject, event.details)
    details = json.dumps(event.details, ensure_ascii=False)
    return [event.at.astimezone(UTC).isoformat(), event.actor, event.event, event.subject, said, details]
