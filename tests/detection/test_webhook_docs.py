"""The samples of docs/webhooks.md do what they say."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from standardwebhooks import WebhookVerificationError

from detection import deliveries, events, sending, webhooks
from detection.models import Webhook

BODY = '{"type":"webhook.test","data":{}}'
TEXT = Path(settings.BASE_DIR, "docs", "webhooks.md").read_text()
OTHER = webhooks._secret()


def sample(name: str) -> Any:
    """The function of this name, from the block of the page that defines it."""
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", TEXT, re.S) if f"def {name}(" in each]
    space: dict[str, Any] = {}
    exec(compile(code, "docs/webhooks.md", "exec"), space)
    return space[name]


def signed(age: timedelta = timedelta(0), **fields) -> tuple[str, dict[str, str]]:
    secret = webhooks._secret()
    webhook = Webhook(secret=secret, **fields)
    return secret, sending.headers(webhook, "msg_1", BODY, datetime.now(UTC) - age)


def test_the_sample_with_the_library_verifies_and_drops_doubles():
    receive = sample("receive")
    secret, headers = signed()
    assert receive(secret, headers, BODY.encode()) == {"type": "webhook.test", "data": {}}
    assert receive(secret, headers, BODY.encode()) is None
    for wrong in ((OTHER, headers, BODY.encode()), (secret, headers, BODY.encode() + b" ")):
        with pytest.raises(WebhookVerificationError):
            receive(*wrong)


def test_the_sample_without_a_library_verifies():
    verify = sample("verify")
    secret, headers = signed()
    assert verify(secret, headers, BODY.encode())
    assert not verify(OTHER, headers, BODY.encode())
    assert not verify(secret, headers, BODY.encode() + b" ")
    assert not verify(secret, {**headers, "webhook-id": "msg_2"}, BODY.encode())
    secret, headers = signed(timedelta(minutes=6))
    assert not verify(secret, headers, BODY.encode())


def test_both_samples_take_either_secret_while_one_is_replaced():
    until = datetime.now(UTC) + timedelta(hours=1)
    secret, headers = signed(old_secret=OTHER, old_secret_until=until)
    assert [sample("verify")(each, headers, BODY.encode()) for each in (secret, OTHER)] == [True, True]
    assert [bool(sample("receive")(each, headers, BODY.encode())) for each in (secret, OTHER)] == [True, True]


def test_the_page_knows_the_events_and_the_pauses():
    for event in (*events.CHOICES, events.TEST):
        assert f"`{event}`" in TEXT
    words = "5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 8 h and 8 h"
    assert words in TEXT
    units = {"s": 1, "min": 60, "h": 3600}
    told = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", words)]
    assert told == list(deliveries.PAUSES)
