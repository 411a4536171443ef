"""What webhooks are told: the events, and the rows that carry each to the webhooks that asked for it.

The rows are inserted in the transaction that makes the event true, so that there is both or neither.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import Organisation
from detection import waking
from detection.answers import answer_of
from detection.models import Batch, Delivery, Detection, Webhook

DETECTION_COMPLETED, DETECTION_FAILED = "detection.completed", "detection.failed"
BATCH_COMPLETED, MEMBERS, TEST = "batch.completed", "member.*", "webhook.test"
BATCH_ENDS = (BATCH_COMPLETED, "batch.cancelled")  # one event: who waits for a batch waits for any end

# What a webhook can ask for, with the words of its form. ``.*`` stands for all of a kind.
CHOICES: dict[str, str] = {
    DETECTION_COMPLETED: "An image has its answer",
    DETECTION_FAILED: "An image could not be examined",
    BATCH_COMPLETED: "A batch is finished, or was cancelled",
    MEMBERS: "Somebody joined, left, was removed or got another role",
}


def detections_ended(ids: Iterable[UUID], moment: datetime | None) -> None:
    """Tells of those of ``ids`` that were completed at ``moment`` (none were, if None).

    To be called in the transaction that completes them, once their answers are written. Where nobody
    listens it costs one query for the whole batch.
    """
    if moment is None:
        return
    listened = Exists(Webhook.objects.filter(organisation=OuterRef("organisation"), active=True))
    ended = Detection.objects.filter(listened, pk__in=list(ids), completed_at=moment)
    rows = list(ended.select_related("organisation").order_by("pk"))
    if rows:
        webhooks = _listening({row.organisation_id for row in rows})
        queue(each for row in rows for each in _of_detection(row, moment, webhooks))


def heard(
    sender: Any, principal: Any = None, event: str = "", subject: Any = None, details: Any = None, **_: Any
) -> None:
    """Receives ``accounts.signals.happened``: members' comings and goings, batches' ends."""
    if not event.startswith("member.") and event not in BATCH_ENDS:
        return
    organisation = principal.organisation if principal is not None else subject.organisation
    now = timezone.now()
    if isinstance(subject, Batch):
        event = BATCH_COMPLETED
        data: dict[str, Any] = {"id": str(subject.pk), "reference": subject.reference, "state": subject.state}
        data |= {"total": subject.total, "url": _address("batches", subject.pk)}
    else:
        data = {"subject": str(subject), "by": str(principal or ""), "details": details or {}}
    _tell(organisation, event, data, now)


def delivery(webhook: Webhook, event: str, event_id: str, data: dict[str, Any], now: datetime) -> Delivery:
    """An unsaved row. ``data`` holds ids and answers, never an image: the receiver asks the API for more."""
    body = json.dumps({"type": event, "timestamp": now.isoformat(), "data": data}, separators=(",", ":"))
    return Delivery(
        webhook=webhook, event=event, event_id=event_id, body=body, created_at=now, due_at=now
    )  # fmt: skip


def new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


def queue(deliveries: Iterable[Delivery]) -> None:
    """Inserts them, and wakes the workers once they are committed."""
    if Delivery.objects.bulk_create(deliveries):
        transaction.on_commit(waking.deliveries, robust=True)


def matches(event: str, chosen: Iterable[str]) -> bool:
    kind = event.partition(".")[0]
    return event in chosen or f"{kind}.*" in chosen


def _tell(organisation: Organisation, event: str, data: dict[str, Any], now: datetime) -> None:
    data = {"organisation": organisation.slug, **data}
    event_id = new_id()
    asked = [each for each in _listening({organisation.pk}) if matches(event, each.events)]
    queue(delivery(each, event, event_id, data, now) for each in asked)


def _listening(organisations: set[UUID]) -> list[Webhook]:
    return list(Webhook.objects.filter(organisation__in=organisations, active=True))


def _of_detection(row: Detection, moment: datetime, webhooks: list[Webhook]) -> list[Delivery]:
    event = DETECTION_COMPLETED if row.verdict else DETECTION_FAILED
    event_id = new_id()
    asked = [
        each
        for each in webhooks
        if each.organisation_id == row.organisation_id and matches(event, each.events)
    ]
    return [delivery(each, event, event_id, _facts(row), moment) for each in asked]


def _facts(row: Detection) -> dict[str, Any]:
    return {
        "organisation": row.organisation.slug,
        "id": str(row.pk),
        "reference": row.reference,
        "batch": str(row.batch_id) if row.batch_id else None,
        "verdict": row.verdict or None,
        "basis": row.basis or None,
        "answer": answer_of(row.verdict, row.basis),
        "url": _address("detections", row.pk),
    }


def _address(kind: str, pk: UUID) -> str:
    """Where the API has it; a path alone where this site was not told its own address."""
    return f"{settings.SITE_URL}/api/v1/{kind}/{pk}/"
