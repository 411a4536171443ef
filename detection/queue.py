"""Leased rows: how work is claimed, kept, finished and given back. The StageRun is the job.

Whoever claims writes a token, the fence: every later write filters on it, so that a worker
which lost its lease (and whose rows another has taken over) changes nothing any more.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Min, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from detection import events, joining, plan, services
from detection.bulk import update_rows
from detection.models import Detection, StageRun
from detection.push import Change

MAX_ATTEMPTS = 4
# A batch lies in memory as a whole, its files in the consumer and in the model process, its decoded
# pictures in the latter: so many pixels are 100 MB. It is also the piece of work that another
# organisation's single image waits for, in a second or so.
BATCH_PIXELS, BATCH_BYTES = 32_000_000, 64 * 1024 * 1024
CONSUMERS = 4  # whose claims may be under way at the same moment: each passes over the others' rows
ROLL_OUT = timedelta(hours=1)
State = StageRun.State
_served: dict[str, Any] = {}  # by lane, the organisation whose row was claimed last in this process


@dataclass(frozen=True)
class Claim:
    """Rows of one stage that are ours until the lease runs out."""

    token: uuid.UUID
    stage: str
    runs: tuple[StageRun, ...]  # with their detections, which ask for the same model

    @property
    def model(self) -> str:
        return self.runs[0].detection.model_asked

    @property
    def changes(self) -> list[Change]:
        return [Change(run.detection_id, run.detection.organisation_id) for run in self.runs]


def claim(lane: str, now: datetime | None = None) -> Claim | None:
    """Takes the next batch of a lane: rows that are due, or whose holder let the lease run out.

    Organisations take turns. A row that was tried before comes alone, so that a file which kills the
    model process takes no others with it a second time.
    """
    now = now or timezone.now()
    if not _due(lane, now).exists():  # an idle consumer never takes a write lock
        return None
    with transaction.atomic():
        chosen = _chosen(lane, now)
        if not chosen:
            return None
        token = uuid.uuid4()
        ours = StageRun.objects.filter(pk__in=[run.pk for run in chosen])
        ours.update(
            state=State.RUNNING,
            token=token,
            lease_until=_lease_end(now),
            attempts=F("attempts") + 1,
            started_at=now,
        )
        services.bump(run.detection_id for run in chosen)
    for run in chosen:
        run.state, run.token, run.attempts, run.started_at = State.RUNNING, token, run.attempts + 1, now
    return Claim(token, chosen[0].stage, tuple(chosen))


def next_due(lane: str) -> datetime | None:
    """When :func:`claim` will find something, as far as is known now: a retry, or the end of a lease."""
    rows = StageRun.objects.filter(lane=lane, stage__in=list(plan.by_name()))
    moments = rows.aggregate(
        queued=Min("due_at", filter=Q(state=State.QUEUED)),
        lost=Min("lease_until", filter=Q(state=State.RUNNING, attempts__lt=MAX_ATTEMPTS)),
    )
    return min((moment for moment in moments.values() if moment is not None), default=None)


def bury(lane: str, now: datetime | None = None) -> list[Change]:
    """Fails the rows whose last allowed attempt was never finished: their holders died."""
    now = now or timezone.now()
    lost = Q(state=State.RUNNING, lease_until__lt=now, attempts__gte=MAX_ATTEMPTS)
    detail = f"Each of {MAX_ATTEMPTS} attempts ended without an answer."
    return _end(
        StageRun.objects.filter(lost, lane=lane),
        {**_over(State.FAILED, now), "error_code": "worker_lost", "error_detail": detail},
    )


def retire(lane: str, now: datetime | None = None) -> list[Change]:
    """Skips the rows of stages that have left the list, so that their detections come to an end.

    Not at once: while a new version is rolled out, consumers of the old one do not know its stages.
    """
    now = now or timezone.now()
    past = now - ROLL_OUT
    idle = Q(state=State.QUEUED, due_at__lt=past) | Q(state=State.RUNNING, lease_until__lt=past)
    detail = "This examination is no longer made here."
    return _end(
        StageRun.objects.filter(idle, lane=lane).exclude(stage__in=list(plan.by_name())),
        {**_over(State.SKIPPED, now), "error_code": "no_such_stage", "error_detail": detail},
    )


def extend(claim: Claim) -> int:
    """Keeps the lease while the batch is at work; gives the number of rows that are still ours."""
    return _held(claim).update(lease_until=_lease_end(timezone.now()))


def give_back(claim: Claim) -> None:
    """Returns rows untouched, as on a clean stop: the attempt does not count."""
    with transaction.atomic():
        _held(claim).update(
            state=State.QUEUED,
            token=None,
            lease_until=None,
            attempts=F("attempts") - 1,
            due_at=timezone.now(),
        )
        services.bump(run.detection_id for run in claim.runs)


def failure_fields(
    run: StageRun, now: datetime, code: str, detail: str, *, final: bool, alone: bool
) -> dict[str, Any]:
    """What a failed attempt writes: another try after a pause, or the end with its reason.

    Who failed in company (``alone`` False) may be innocent and tries again without a pause.
    """
    reason = {"error_code": code, "error_detail": detail}
    if final or run.attempts >= MAX_ATTEMPTS:
        return {**_over(State.FAILED, now), **reason}
    pause = settings.RETRY_SECONDS * 2 ** (run.attempts - 1) if alone else 0
    return {
        "state": State.QUEUED,
        "token": None,
        "lease_until": None,
        "due_at": now + timedelta(seconds=pause),
        **reason,
    }


def close(claim: Claim, fields: dict[int, dict[str, Any]]) -> set[int]:
    """Writes the ends of attempts, by primary key, for the rows that are still ours: the fence.

    Gives their primary keys. The rows are locked from the look at their tokens to the commit
    (on SQLite the whole database is), so no other can take them over in between.
    """
    ours = set(_held(claim).select_for_update().order_by("pk").values_list("pk", flat=True))
    update_rows(StageRun, {pk: values for pk, values in fields.items() if pk in ours})
    return ours


def finished_fields(run: StageRun, state: str, now: datetime, **fields: Any) -> dict[str, Any]:
    """What a row of ours gets that has come to its end, times in milliseconds included."""
    waited = (run.started_at or run.queued_at) - run.queued_at
    queued_ms = max(0.0, waited.total_seconds() * 1000)
    blank = {"error_code": "", "error_detail": "", "remedy": ""}
    return {**_over(state, now), **blank, "queued_ms": queued_ms, **fields}


def _over(state: str, now: datetime) -> dict[str, Any]:
    return {"state": state, "finished_at": now, "token": None, "lease_until": None}


def _due(lane: str, now: datetime) -> QuerySet[StageRun]:
    waiting = Q(state=State.QUEUED, due_at__lte=now)
    abandoned = Q(state=State.RUNNING, lease_until__lt=now, attempts__lt=MAX_ATTEMPTS)
    return StageRun.objects.filter(waiting | abandoned, lane=lane, stage__in=list(plan.by_name()))


def _chosen(lane: str, now: datetime) -> list[StageRun]:
    """Of the lane's first stage, in the order of the list, that has anything due."""
    for stage in plan.runs(lane):
        due = _due(lane, now).filter(stage=stage.name)
        if rows := _locked(due, _in_turn(due, CONSUMERS * stage.batch, _served.get(lane)), stage.batch):
            chosen = _choose(rows)
            _served[lane] = chosen[-1].detection.organisation_id
            return chosen
    return []


def _in_turn(due: QuerySet[StageRun], limit: int, after: Any) -> list[int]:
    """Primary keys in the order in which they are to be claimed: first what was sent by itself, then what
    came in an order of thousands (:mod:`detection.batch_worker`); of each organisation one, oldest first,
    then of each the second, and so on, beginning behind the organisation that was served last.
    """
    oldest_first = Window(
        RowNumber(), partition_by=[F("in_batch"), F("organisation")], order_by=[F("due_at"), F("pk")]
    )
    waiting = Case(When(organisation__gt=after, then=0), default=1) if after is not None else Value(0)
    rows = due.annotate(
        in_batch=Case(When(detection__batch__isnull=True, then=0), default=1),
        organisation=F("detection__organisation"),
    ).annotate(place=oldest_first, after=waiting)
    ordered = rows.order_by("in_batch", "place", "after", "organisation")
    return list(ordered.values_list("pk", flat=True)[:limit])


def _locked(due: QuerySet[StageRun], keys: list[int], limit: int) -> list[StageRun]:
    """As many as could make a batch, in the order of the keys.

    Rows that another consumer is claiming are passed over (PostgreSQL). SQLite has no row
    locks and needs none: its transactions are IMMEDIATE, one writer at a time.
    """
    rows = due.select_related("detection").select_for_update(skip_locked=True, of=("self",))
    for start in range(0, len(keys), limit):
        wanted = keys[start : start + limit]
        if found := {run.pk: run for run in rows.filter(pk__in=wanted)}:
            return [found[key] for key in wanted if key in found]
    return []


def _choose(rows: list[StageRun]) -> list[StageRun]:
    """The first, and with it those that may share its batch."""
    if rows[0].attempts:
        return rows[:1]
    model = rows[0].detection.model_asked
    return _within_memory([run for run in rows if not run.attempts and run.detection.model_asked == model])


def _within_memory(runs: Sequence[StageRun]) -> list[StageRun]:
    """The first, however large, and those that fit in with it."""
    pixels = size = 0
    for count, run in enumerate(runs):
        facts = run.detection.facts
        pixels += facts["width"] * facts["height"]
        size += facts["bytes"]
        if count and (pixels > BATCH_PIXELS or size > BATCH_BYTES):
            return list(runs[:count])
    return list(runs)


def _end(rows: QuerySet[StageRun], fields: dict[str, Any]) -> list[Change]:
    """Brings rows to their end that nobody holds; gives what has changed."""
    if not rows.exists():
        return []
    with transaction.atomic():
        locked = rows.select_for_update(skip_locked=True, of=("self",))
        ended = list(locked.select_related("detection").order_by("pk"))
        StageRun.objects.filter(pk__in=[run.pk for run in ended]).update(**fields)
        ids = [run.detection_id for run in ended]
        moment = services.settle(ids)
        waited = {each.detection_id: each.detection for each in ended if each.stage in joining.DECIDING}
        update_rows(Detection, joining.columns(waited.values(), {}) if waited else {})
        events.detections_ended(ids, moment)
    return [Change(run.detection_id, run.detection.organisation_id) for run in ended]


def _held(claim: Claim) -> QuerySet[StageRun]:
    return StageRun.objects.filter(
        pk__in=[run.pk for run in claim.runs], token=claim.token, state=State.RUNNING
    )


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)
