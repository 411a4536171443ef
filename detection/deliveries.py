"""Leased rows once more: who sends which delivery, and what becomes of it. See :mod:`detection.queue`.

Two things differ from the stages' rows. Each is sent and finished by itself. And ``attempts`` counts
the tries that came to an end: a worker that dies in the middle of one costs the receiver nothing.
"""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, zip_longest
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from detection.bulk import update_rows
from detection.models import Delivery, Webhook

# Seconds between the tries, times WEBHOOK_RETRY_FACTOR: 23 hours 43 minutes in all.
PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)
JITTER = 0.1  # of a pause, so that what failed together does not come back together
EACH = 8  # at once to one webhook; to one that fails, 1
LOG_LENGTH = len(PAUSES) + 1
OFF_AFTER = timedelta(days=3)  # of nothing but failures
GONE = "It answered 410 Gone: it wants no more events."
FAILING = "Every delivery failed for three days."
KEPT = timedelta(days=30)
PART = 1000  # rows deleted at a time: writers wait for no more than that
State = Delivery.State


@dataclass(frozen=True)
class Try:
    """What became of one request. ``status`` is None where there was no answer; ``ms`` milliseconds."""

    at: datetime
    status: int | None
    ms: float
    answer: str = ""  # its first 2 KB
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def entry(self) -> dict[str, Any]:
        seen = {"status": self.status, "ms": round(self.ms, 1), "answer": self.answer, "error": self.error}
        return {"at": self.at.isoformat(), **seen}


def claim(room: int, at_work: Sequence[Delivery] = (), now: datetime | None = None) -> list[Delivery]:
    """Takes up to ``room`` deliveries that are due, or whose holder let the lease run out.

    Fair to webhooks: none has more than ``EACH`` under way here, ``at_work`` included; one that fails
    has one, and all that fail together have half of the places. So no receiver holds up the others.
    """
    now = now or timezone.now()
    busy = Counter(each.webhook_id for each in at_work)
    if room < 1 or not _due(now).exclude(webhook__in=_full(at_work, busy)).exists():
        return []  # an idle worker never takes a write lock
    with transaction.atomic():
        chosen = _chosen(room, busy, at_work, now)
        token = uuid.uuid4()
        lease = {"state": State.RUNNING, "token": token, "lease_until": _lease_end(now)}
        Delivery.objects.filter(pk__in=[each.pk for each in chosen]).update(**lease)
    for each in chosen:
        each.state, each.token = State.RUNNING, token
    return chosen


def next_due() -> datetime | None:
    """When :func:`claim` will find something, as far as is known now; of what is due already: no more."""
    now = timezone.now()
    rows = Delivery.objects.filter(webhook__active=True)
    moments = rows.aggregate(
        queued=Min("due_at", filter=Q(state=State.QUEUED)),
        lost=Min("lease_until", filter=Q(state=State.RUNNING, lease_until__gt=now)),
    )
    return min((moment for moment in moments.values() if moment is not None), default=None)


def extend(at_work: Iterable[Delivery]) -> int:
    """Keeps the leases while requests are under way; gives the number of those that are still ours."""
    return _held(at_work).update(lease_until=_lease_end(timezone.now()))


def give_back(at_work: Iterable[Delivery]) -> None:
    """Returns deliveries of which nobody knows yet whether they arrived: they are sent again."""
    now = timezone.now()
    _held(at_work).update(state=State.QUEUED, token=None, lease_until=None, due_at=now)


def save(done: Sequence[tuple[Delivery, Try]]) -> list[Webhook]:
    """Writes the ends of tries for the rows that are still ours; gives the webhooks switched off by it."""
    with transaction.atomic():
        webhooks = _locked_webhooks({each.webhook_id for each, _ in done})
        ours = _locked(each for each, _ in done)
        kept = [(ours[each.pk], seen) for each, seen in done if each.pk in ours]
        update_rows(Delivery, {each.pk: _fields(each, seen) for each, seen in kept})
        by_webhook: dict[UUID, list[Try]] = {}
        for each, seen in kept:
            by_webhook.setdefault(each.webhook_id, []).append(seen)
        tried = [(webhooks[pk], tries) for pk, tries in by_webhook.items() if pk in webhooks]
        return [webhook for webhook, tries in tried if _is_switched_off(webhook, tries)]


def switched_off(webhook: Webhook) -> None:
    """Ends what waits for a webhook that is off. In the transaction that switches it off."""
    Delivery.objects.filter(webhook=webhook, state=State.QUEUED).update(**_over(timezone.now()))


def clean_up(now: datetime | None = None) -> int:
    """Deletes what came to its end 30 days ago; gives the number of rows.

    Also ends what a worker that was at work when its webhook was switched off has left waiting.
    """
    now = now or timezone.now()
    waiting = Q(state=State.QUEUED) | Q(state=State.RUNNING, lease_until__lt=now)
    Delivery.objects.filter(waiting, webhook__active=False).update(**_over(now))
    old = Delivery.objects.filter(finished_at__lt=now - KEPT)
    total = 0
    while part := list(old.values_list("pk", flat=True)[:PART]):
        total += old.filter(pk__in=part).delete()[0]
    return total


def _due(now: datetime) -> QuerySet[Delivery]:
    waiting = Q(state=State.QUEUED, due_at__lte=now)
    abandoned = Q(state=State.RUNNING, lease_until__lt=now)
    return Delivery.objects.filter(waiting | abandoned, webhook__active=True)


def _share(webhook: Webhook) -> int:
    return 1 if webhook.failing_since else EACH


def _full(at_work: Sequence[Delivery], busy: Counter[UUID]) -> set[UUID]:
    return {each.webhook_id for each in at_work if busy[each.webhook_id] >= _share(each.webhook)}


def _chosen(room: int, busy: Counter[UUID], at_work: Sequence[Delivery], now: datetime) -> list[Delivery]:
    """The oldest of each webhook, then the second ones, and so on; of any that fail, half at most."""
    waiting = Webhook.objects.filter(Exists(_due(now).filter(webhook=OuterRef("pk"))))
    waiting = waiting.exclude(pk__in=_full(at_work, busy))
    failing = sum(each.webhook.failing_since is not None for each in at_work)
    failing_room = max(1, (room + len(at_work)) // 2) - failing
    rows: list[list[Delivery]] = []
    for webhook in waiting.order_by(F("failing_since").asc(nulls_first=True), "?")[:room]:
        if webhook.failing_since:
            failing_room -= 1
        if not webhook.failing_since or failing_room >= 0:
            rows.append(_first(webhook, _share(webhook) - busy[webhook.pk], now))
    in_turn = chain.from_iterable(zip_longest(*rows))
    return [each for each in in_turn if each is not None][:room]


def _first(webhook: Webhook, count: int, now: datetime) -> list[Delivery]:
    """As ``queue._locked``: rows that another worker is claiming are passed over."""
    due = _due(now).filter(webhook=webhook).select_for_update(skip_locked=True, of=("self",))
    rows = list(due.order_by("due_at", "pk")[:count])
    for row in rows:
        row.webhook = webhook
    return rows


def _held(at_work: Iterable[Delivery]) -> QuerySet[Delivery]:
    rows = list(at_work)
    mine = Delivery.objects.filter(pk__in=[each.pk for each in rows], state=State.RUNNING)
    return mine.filter(token__in={each.token for each in rows})


def _locked(at_work: Iterable[Delivery]) -> dict[int, Delivery]:
    """The rows that are still ours: the fence. Afresh, for a webhook may have been switched off since."""
    held = _held(at_work).select_for_update(of=("self",)).select_related("webhook")
    return {each.pk: each for each in held.order_by("pk")}


def _locked_webhooks(ids: set[UUID]) -> dict[UUID, Webhook]:
    """Before their deliveries, and in one order, as whoever changes one does: else each could wait for the
    other. NO KEY: an event that is told to several does not wait for them.
    """
    rows = Webhook.objects.select_for_update(no_key=True).filter(pk__in=ids, active=True)
    return {each.pk: each for each in rows.order_by("pk")}


def _fields(row: Delivery, seen: Try) -> dict[str, Any]:
    """What a try writes: the end, or another try after a pause."""
    tries = row.attempts + 1
    fields: dict[str, Any] = {"attempts": tries, "token": None, "lease_until": None}
    fields["log"] = [*row.log, seen.entry()][-LOG_LENGTH:]
    if seen.succeeded:
        return {**fields, "state": State.DELIVERED, "finished_at": seen.at, "due_at": row.due_at}
    if tries > len(PAUSES) or seen.status == 410 or not row.webhook.active:
        return {**fields, "state": State.DEAD, "finished_at": seen.at, "due_at": row.due_at}
    return {**fields, "state": State.QUEUED, "finished_at": None, "due_at": seen.at + _pause(tries)}


def _pause(tries: int) -> timedelta:
    spread = random.uniform(1 - JITTER, 1 + JITTER)
    return timedelta(seconds=PAUSES[tries - 1] * settings.WEBHOOK_RETRY_FACTOR * spread)


def _is_switched_off(webhook: Webhook, tries: list[Try]) -> bool:
    """Keeps since when a webhook fails; True if it has just been switched off for it."""
    if any(each.status == 410 for each in tries):
        return _switch_off(webhook, GONE)
    before = webhook.failing_since
    if any(each.succeeded for each in tries):
        webhook.failing_since = None
    elif before and tries[-1].at - before > OFF_AFTER:
        return _switch_off(webhook, FAILING)
    else:
        webhook.failing_since = before or tries[0].at
    if webhook.failing_since != before:
        webhook.save(update_fields=["failing_since"])
    return False


def _switch_off(webhook: Webhook, reason: str) -> bool:
    webhook.active, webhook.off_reason = False, reason
    webhook.save(update_fields=["active", "off_reason"])
    switched_off(webhook)
    return True


def _over(now: datetime) -> dict[str, Any]:
    return {"state": State.DEAD, "finished_at": now, "token": None, "lease_until": None}


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.LEASE_SECONDS)
