"""Reads of the record: pages of it, filtered and searched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware, now

from accounts.access import Principal
from detection import answers, selectors
from detection.answers import Answer
from detection.models import Detection

PER_PAGE = 25
ANSWERS, VERDICTS = tuple(map(str, Answer)), ("fake", "real", "uncertain")
LONGEST_SEARCH = 255


@dataclass(frozen=True)
class Filters:
    """What part of the record is asked for. ``until`` keeps pages in place while new rows come in."""

    answer: str = ""
    verdict: str = ""  # as addresses from before there were answers have it
    search: str = ""
    batch: UUID | None = None
    trashed: UUID | None = None  # what was deleted a moment ago
    until: datetime | None = None
    page: str = "1"


@dataclass(frozen=True)
class Found:
    page: Page[Detection]
    counts: dict[str, int]  # of the search, by answer; "" holds that of all
    until: datetime


def filters(asked: dict[str, str]) -> Filters:
    """Filters from an address, which anybody may have typed: what makes no sense is left out."""
    answer, verdict = asked.get("answer", ""), asked.get("verdict", "")
    return Filters(
        answer=answer if answer in ANSWERS else "",
        verdict=verdict if verdict in VERDICTS and answer not in ANSWERS else "",
        search=asked.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH],
        batch=_uuid(asked.get("batch", "")),
        trashed=_uuid(asked.get("trashed", "")),
        until=_moment(asked.get("until", "")),
        page=asked.get("page", "1"),
    )


def find(principal: Principal, asked: Filters) -> Found:
    """One page of the record, newest first, in four queries whatever its length."""
    until = asked.until or now()
    everything = selectors.history(principal, search=asked.search)
    everything = everything.filter(batch=asked.batch) if asked.batch else everything
    until_then = everything.filter(created_at__lte=until)
    # Until now is all there is, and a fifth of the counting is spared.
    counts = _counts(until_then if asked.until else everything)
    rows = until_then.filter(**answers.where(asked.answer))
    rows = rows.filter(verdict=asked.verdict) if asked.verdict else rows
    paginator = Paginator(rows, PER_PAGE)
    if not asked.verdict:  # the tabs' numbers hold it already: no second count
        paginator.__dict__["count"] = counts[asked.answer]
    page = paginator.get_page(asked.page)
    page.object_list = selectors.page_of(cast("QuerySet[Detection]", page.object_list))
    return Found(page, counts, until)


def _counts(rows: QuerySet[Detection]) -> dict[str, int]:
    by_answer = answers.counts(rows)
    return {**by_answer, "": sum(by_answer.values())}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text.replace(" ", "+"))  # a plus sign that an address lost
        # In UTC, as databases are asked: the first and last years have moments that it lacks.
        return moment.astimezone(UTC) if moment and is_aware(moment) else None
    except (ValueError, OverflowError):
        return None
