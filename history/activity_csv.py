"""The activity as CSV, read and written piece by piece."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from channels.db import database_sync_to_async
from django.db.models import QuerySet
from django.utils import timezone

from detection.batch_results import FORMULA
from history.activity_words import words
from history.models import AuditEvent

COLUMNS = ("at", "actor", "event", "subject", "words", "details")
PIECE = 500  # rows in memory together


async def comma_separated(rows: QuerySet[AuditEvent], zone: ZoneInfo) -> AsyncIterator[bytes]:
    """RFC 4180, with a header, in UTF-8 with the mark by which spreadsheets know it; newest first.

    ``at`` is UTC (ISO 8601), ``words`` what the page says, in the time of ``zone``, ``details`` JSON.
    """
    yield b"\xef\xbb\xbf" + _lines([COLUMNS])
    before = None
    while found := await _read(rows, before, zone):
        yield _lines(line for _, line in found)
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


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[_cell(each) for each in row] for row in rows])
    return out.getvalue().encode()


def _cell(text: str) -> str:
    """A spreadsheet takes a text that begins like a formula for one, and runs it (OWASP, CSV injection)."""
    return "'" + text if text.lstrip(" \u00a0").startswith(FORMULA) else text
