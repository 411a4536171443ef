"""Entries of batches as leased rows, like the stages' (see :mod:`detection.queue`): the entry is the job.

Organisations take turns, and so do the open batches of each, an entry at a time: a batch of ten does not
wait for one of ten thousand, nor an organisation with one batch for another with twenty.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from detection.batch_services import OPEN, UNDECIDED, drop_archive, end
from detection.models import Batch, BatchEntry, Detection

MAX_ATTEMPTS = 4
REMOTE_PAUSE = 10.0  # seconds in the place of RETRY_SECONDS: a server in trouble takes longer
State = BatchEntry.State
_LAST: dict[Any, UUID] = {}  # by organisation, the batch of which this process has taken an entry last


class LeaseLost(Exception):
    """Another has taken the entry over, or its batch was cancelled: nothing of ours may stay."""


def claim(after: UUID | None = None, now: datetime | None = None) -> BatchEntry | None:
    """The next entry of the open batch that follows ``after``, with its batch; None if nothing is due."""
    now = now or timezone.now()
    if (batch := _next_batch(after, now)) is None:  # an idle worker never takes a write lock
        return None
    with transaction.atomic():
        # The batch before its entries, as who cancels it does: the other way each could wait for the other.
        Batch.objects.filter(pk=batch, state=Batch.State.QUEUED).update(state=Batch.State.RUNNING)
        rows = _due(now).filter(batch=batch).select_for_update(skip_locked=True, of=("self",))
        entry = rows.select_related("batch__organisation").order_by("number").first()
        if entry is None:  # another worker has it
            return None
        entry.state, entry.token, entry.attempts = State.RUNNING, uuid.uuid4(), entry.attempts + 1
        entry.lease_until = now + timedelta(seconds=settings.LEASE_SECONDS + settings.REMOTE_SECONDS)
        entry.save(update_fields=["state", "token", "attempts", "lease_until"])
    _LAST[entry.batch.organisation_id] = batch
    return entry


def any_open() -> bool:
    return Batch.objects.filter(state__in=OPEN).exists()


def accept(entry: BatchEntry, detection: Detection) -> None:
    """To be called in the transaction that makes the detection: there are both, or neither.

    Raises:
        LeaseLost: the entry is not ours any more.
    """
    blank = {"error_code": "", "error_detail": ""}
    if not _held(entry).update(state=State.ACCEPTED, detection=detection, **_FREE, **blank):
        raise LeaseLost


def refuse(entry: BatchEntry, code: str, detail: str) -> None:
    _held(entry).update(state=State.REFUSED, error_code=code[:60], error_detail=detail, **_FREE)


def refuse_rest(entry: BatchEntry, code: str, detail: str) -> None:
    """This one, and all of its batch that nobody has begun. Those at work hear it for themselves."""
    with transaction.atomic():
        # The batch first, as in ``claim``.
        batch = Batch.objects.select_for_update(of=("self",)).get(pk=entry.batch_id)
        refuse(entry, code, detail)
        rest = batch.entries.filter(state=State.QUEUED)
        rest.update(state=State.REFUSED, error_code=code[:60], error_detail=detail)


def put_off(entry: BatchEntry, code: str, detail: str) -> None:
    """Another try after a pause that doubles; after the last one it is refused."""
    if entry.attempts >= MAX_ATTEMPTS:
        refuse(entry, code, detail)
        return
    first = REMOTE_PAUSE * settings.RETRY_SECONDS if entry.is_url else settings.RETRY_SECONDS
    due = timezone.now() + timedelta(seconds=first * 2 ** (entry.attempts - 1))
    reason = {"error_code": code[:60], "error_detail": detail}
    _held(entry).update(state=State.QUEUED, due_at=due, **_FREE, **reason)


def bury(now: datetime | None = None) -> int:
    """Refuses entries whose last allowed attempt was never finished: their workers died."""
    now = now or timezone.now()
    lost = BatchEntry.objects.filter(
        batch__state__in=OPEN, state=State.RUNNING, lease_until__lt=now, attempts__gte=MAX_ATTEMPTS
    )
    if not lost.exists():
        return 0
    detail = f"Each of {MAX_ATTEMPTS} attempts ended without an answer. Send this image by itself."
    return lost.update(state=State.REFUSED, error_code="worker_lost", error_detail=detail, **_FREE)


def finish() -> list[Batch]:
    """Ends the batches on all of whose images every stage has reported; gives them.

    A zip goes as soon as its files are in.
    """
    undecided = BatchEntry.objects.filter(batch=OuterRef("pk"), state__in=UNDECIDED)
    fed = list(Batch.objects.filter(~Exists(undecided), state__in=OPEN))
    for batch in fed:
        if batch.archive:
            _drop_archive(batch.pk)
    waiting = Detection.objects.filter(batch=OuterRef("pk"), completed_at=None)
    over = Batch.objects.filter(~Exists(waiting), pk__in=[batch.pk for batch in fed])
    return [batch for batch in over if _finished(batch.pk)] if fed else []


def _drop_archive(pk: UUID) -> None:
    """Of several workers that see the same, one does it: its bytes are given back once."""
    with transaction.atomic():
        if batch := Batch.objects.select_for_update(of=("self",)).filter(pk=pk).first():
            drop_archive(batch)


def _finished(pk: UUID) -> bool:
    """Of several workers that see the same, one does it."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update(of=("self",)).filter(pk=pk, state__in=OPEN).first()
        if batch is None:
            return False
        any_in = batch.entries.filter(state=State.ACCEPTED).exists()
        nothing = (
            "" if any_in else "None of its images could be taken in. The results say why, image by image."
        )
        end(batch, Batch.State.DONE if any_in else Batch.State.FAILED, nothing)
    return True


def _next_batch(after: UUID | None, now: datetime) -> UUID | None:
    """Organisations take turns, and within each of them its batches."""
    due = _due(now).filter(batch=OuterRef("pk"))
    batches = Batch.objects.filter(Exists(due), state__in=OPEN).order_by("organisation", "pk")
    last = Batch.objects.filter(pk=after).first() if after else None
    if last is None:
        return batches.values_list("pk", flat=True).first()
    ahead = batches.filter(organisation__gt=last.organisation_id).first() or batches.first()
    if ahead is None:
        return None
    # Of the organisation whose turn it is, the batch behind the one that was worked at last.
    own = batches.filter(organisation=ahead.organisation_id)
    at = _LAST.get(ahead.organisation_id)
    chosen = (own.filter(pk__gt=at).first() if at else None) or own.first()
    return chosen.pk if chosen else None


def _due(now: datetime) -> QuerySet[BatchEntry]:
    waiting = Q(state=State.QUEUED, due_at__lte=now)
    abandoned = Q(state=State.RUNNING, lease_until__lt=now, attempts__lt=MAX_ATTEMPTS)
    return BatchEntry.objects.filter(waiting | abandoned)


def _held(entry: BatchEntry) -> QuerySet[BatchEntry]:
    """The fence: whoever lost the lease changes nothing."""
    return BatchEntry.objects.filter(pk=entry.pk, token=entry.token, state=State.RUNNING)


_FREE: dict[str, None] = {"token": None, "lease_until": None}
