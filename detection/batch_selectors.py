"""Reads of batches: each takes the principal and sees that organisation's alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access
from accounts.access import Principal
from detection import answers
from detection.batch_services import OPEN, UNDECIDED
from detection.models import Batch, BatchEntry, Detection

VERDICTS = ("fake", "real", "uncertain")
PACE = timedelta(minutes=2)  # over which the speed is measured
ENOUGH = 10  # images in that time: fewer say nothing about the rest
CHUNK = 500  # rows of results in one query


def batches(principal: Principal) -> QuerySet[Batch]:
    """The organisation's, the newest first.

    Raises:
        PermissionDenied: the principal may not see results.
    """
    mine = access.scope(principal, Batch.objects.select_related("submitted_by", "submitted_key"))
    return mine.order_by("-created_at", "id")


def batch(principal: Principal, pk: UUID) -> Batch:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(batches(principal), pk=pk)


@dataclass(frozen=True)
class Progress:
    """How far a batch is: ``entries`` by state; of those examined, ``verdicts`` and ``answers``.

    Each of the two has the number of those that got none, as "none".
    """

    total: int
    entries: dict[str, int]
    verdicts: dict[str, int]
    answers: dict[str, int]
    examined: int
    seconds_left: int | None  # None: unknown

    @property
    def finished(self) -> int:
        """Images of which nothing more will come."""
        out = self.entries["refused"] + self.entries["cancelled"]
        return min(self.total, self.examined + out)

    @property
    def percent(self) -> int:
        return 100 * self.finished // self.total if self.total else 100


def progress(found: Batch) -> Progress:
    return progresses([found])[found.pk]


def progresses(found: list[Batch]) -> dict[UUID, Progress]:
    """Of several batches, in four queries."""
    ids = [each.pk for each in found]
    states = _counts(BatchEntry.objects.filter(batch__in=ids), "state")
    detections = Detection.objects.filter(batch__in=ids)
    # What was deleted since was examined, too: its entry is all that there is to see of it.
    gone = Q(detection=None) | Q(detection__deleted_at__isnull=False)
    deleted = _counts(BatchEntry.objects.filter(gone, batch__in=ids, state="accepted"), "state")
    answered = _answers(detections.exclude(completed_at=None))
    recent = _counts(detections.filter(completed_at__gte=timezone.now() - PACE), "batch")
    return {
        each.pk: _progress(
            each,
            states.get(each.pk, {}),
            answered.get(each.pk, []),
            sum(deleted.get(each.pk, {}).values()),
            sum(recent.get(each.pk, {}).values()),
        )
        for each in found
    }


def entries(found: Batch, after: int = 0, limit: int = CHUNK) -> list[BatchEntry]:
    """The next entries after a number, with their detections: a stream of results is read so."""
    kept = Prefetch("detection", Detection.objects.all())  # a join would see what is in the trash
    rows = BatchEntry.objects.filter(batch=found, number__gt=after).prefetch_related(kept)
    return list(rows.order_by("number")[:limit])


def refused(found: Batch, limit: int) -> list[BatchEntry]:
    """The first of those that could not be taken in, for a page."""
    return list(found.entries.filter(state=BatchEntry.State.REFUSED).order_by("number")[:limit])


def _counts(rows: QuerySet[Any], field: str) -> dict[UUID, dict[str, int]]:
    found: dict[UUID, dict[str, int]] = {}
    for pk, value, count in rows.order_by().values_list("batch", field).annotate(count=Count("pk")):
        found.setdefault(pk, {})[value] = count
    return found


def _answers(rows: QuerySet[Detection]) -> dict[UUID, list[tuple[str, str, int]]]:
    """(verdict, basis, count), by batch."""
    found: dict[UUID, list[tuple[str, str, int]]] = {}
    for pk, *row in rows.order_by().values_list("batch", "verdict", "basis").annotate(Count("pk")):
        found.setdefault(pk, []).append(tuple(row))
    return found


def _progress(
    found: Batch, states: dict[str, int], answered: list[tuple[str, str, int]], deleted: int, recent: int
) -> Progress:
    known = {str(state): states.get(state, 0) for state in BatchEntry.State}
    examined = sum(count for _, _, count in answered) + deleted
    # A detection whose stages have failed has come to its end without a verdict.
    verdicts = dict.fromkeys([*VERDICTS, "none"], 0)
    for verdict, _, count in answered:
        verdicts[verdict or "none"] += count
    by_answer = answers.counted(answered)
    by_answer["none"] = by_answer.pop("")
    waiting = known["accepted"] - examined + sum(known[state] for state in UNDECIDED)
    left = _seconds_left(found, waiting, recent) if found.state in OPEN else None
    return Progress(found.total, known, verdicts, by_answer, examined, left)


def _seconds_left(found: Batch, waiting: int, recent: int) -> int | None:
    """At the pace of the last two minutes; None while that is no pace to speak of."""
    if recent < ENOUGH:
        return None
    span = min(PACE, timezone.now() - found.created_at)
    return round(waiting * span.total_seconds() / recent)
