"""One request to one webhook, signed as Standard Webhooks says (standardwebhooks.com)."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from standardwebhooks import Webhook as Signer

from detection.deliveries import Try
from detection.models import Delivery, Webhook
from detection.remote import REDIRECTS, Limits, RemoteError, open_url

ANSWER_BYTES = 2048  # of the receiver's answer are kept
LIMITS = Limits(ANSWER_BYTES, seconds=10.0, cut=True)
REDIRECTED = "It answered with a redirect, and those are not followed. Give the webhook the last address."


def send(delivery: Delivery) -> Try:
    """Sends a delivery once. Never raises: whatever happens is a Try, for the record."""
    now, began = datetime.now(UTC), time.perf_counter()
    status, answer, error = _answered(delivery, now)
    return Try(now, status, (time.perf_counter() - began) * 1000, answer, error)


def headers(webhook: Webhook, event_id: str, body: str, now: datetime) -> dict[str, str]:
    """Those of the standard; while a secret is being replaced, a signature by each of the two."""
    secrets = [webhook.secret]
    if webhook.old_secret and webhook.old_secret_until and now < webhook.old_secret_until:
        secrets.append(webhook.old_secret)
    return {
        "Content-Type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(each).sign(event_id, now, body) for each in secrets),
    }


def _answered(delivery: Delivery, now: datetime) -> tuple[int | None, str, str]:
    """Status, the beginning of the answer, and what went wrong, in words."""
    webhook, body = delivery.webhook, delivery.body
    try:
        signed = headers(webhook, delivery.event_id, body, now)
        answer = open_url("POST", webhook.url, body=body.encode(), headers=signed, limits=LIMITS)
    except RemoteError as error:
        return None, "", str(error)
    except Exception as error:  # whatever a receiver sends, or a secret is, stops no other's deliveries
        return None, "", f"The request failed: {type(error).__name__}."
    return answer.status, _text(answer.body), REDIRECTED if answer.status in REDIRECTS else ""


def _text(body: bytes) -> str:
    """PostgreSQL keeps no zero characters."""
    return body.decode("utf-8", "replace").replace("\0", "\ufffd")
