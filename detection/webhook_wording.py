"""What people read about webhooks and deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from detection import events
from detection.deliveries import PAUSES
from detection.models import Delivery, Webhook

State = Delivery.State
EVENTS = {**events.CHOICES, events.TEST: "A test"}
# Tone of the badge, and the words in it.
DELIVERY = {
    State.QUEUED: ("waiting", "Waiting"),
    State.RUNNING: ("waiting", "Being sent"),
    State.DELIVERED: ("real", "Delivered"),
    State.DEAD: ("failed", "Not delivered"),
}


def of_webhook(webhook: Webhook) -> dict[str, str]:
    if not webhook.active:
        return {"tone": "failed" if webhook.off_reason else "waiting", "words": "Switched off"}
    if webhook.failing_since:
        return {"tone": "uncertain", "words": "Failing"}
    return {"tone": "accent", "words": "On"}


def of_delivery(row: Delivery) -> dict[str, Any]:
    """What a list shows of a delivery: state, and the last answer."""
    tone, words = DELIVERY[State(row.state)]
    last = row.log[-1] if row.log else None
    if row.state == State.QUEUED and row.attempts:
        tone, words = "uncertain", "Will be tried again"
    return {
        "row": row,
        "tone": tone,
        "words": words,
        "event_words": event(row.event),
        "outcome": outcome(last) if last else "",
        "detail": _detail(row),
    }


def event(name: str) -> str:
    """The words of the form; for one of a kind, such as member.removed, those of its kind."""
    return EVENTS.get(name) or EVENTS.get(f"{name.partition('.')[0]}.*", name)


def outcome(entry: dict[str, Any]) -> str:
    """What came of one try: the answer's status, else why there was none."""
    return f"Answered {entry['status']}" if entry["status"] is not None else entry["error"]


def tries(row: Delivery) -> list[dict[str, Any]]:
    """The tries on record, the newest first, with times as times."""
    return [
        {**entry, "at": datetime.fromisoformat(entry["at"]), "outcome": outcome(entry)}
        for entry in reversed(row.log)
    ]


def _detail(row: Delivery) -> str:
    if row.state != State.DEAD:
        return ""
    if row.log and row.log[-1]["status"] == 410:
        return "The receiver answered that it wants no more events, so the webhook was switched off."
    if row.attempts > len(PAUSES):
        return "It was tried for a day. It is not tried again by itself."
    return "The webhook was switched off before this was delivered."
