"""Making, changing and deleting webhooks: who may, what is refused, what is on record."""

from __future__ import annotations

import base64
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.http import Http404
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from accounts.errors import Refused
from accounts.signals import happened
from detection import sending, webhooks
from detection.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

URL = "https://192.0.43.8/hook"  # a public address: no name server is asked
CHOSEN = ["detection.completed", "member.*"]


@pytest.fixture
def make(principal):
    def make(principal=principal, url=URL, events=CHOSEN, **fields) -> Webhook:
        return webhooks.make(principal=principal, url=url, events=events, **fields)

    return make


@pytest.fixture
def record():
    heard: list[tuple] = []

    def hear(sender, principal, event, subject, details, **_):
        heard.append((event, details))

    happened.connect(hear)
    yield heard
    happened.disconnect(hear)


def test_a_new_webhook_is_on_and_has_a_secret_as_the_standard_says(make, principal, record):
    webhook = make(events=reversed(CHOSEN), description="Content system")
    assert (webhook.url, webhook.events, webhook.active) == (URL, CHOSEN, True)
    assert (webhook.organisation, webhook.created_by) == (principal.organisation, principal.user)
    prefix, _, secret = webhook.secret.partition("_")
    assert prefix == "whsec"
    assert 24 <= len(base64.b64decode(secret, validate=True)) <= 64
    assert make().secret != webhook.secret
    assert record[0] == ("webhook.made", {"url": URL, "events": CHOSEN})
    assert webhook.secret not in str(record)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/", "not an address on the public Internet"),
        ("http://[::1]/", "not an address on the public Internet"),
        ("http://10.0.0.7/", "not an address on the public Internet"),
        ("http://169.254.169.254/latest/meta-data/", "not an address on the public Internet"),
        ("http://2130706433/", "four numbers"),
        ("ftp://192.0.43.8/", "http:// or https://"),
        ("https://me:secret@192.0.43.8/", "password"),
        ("https://192.0.43.8:6379/", "Port 6379"),
        ("", "http:// or https://"),
    ],
)
def test_an_address_that_must_not_be_asked_is_refused(make, url, words):
    with pytest.raises(ValidationError) as refused:
        make(url=url)
    assert words in refused.value.message_dict["url"][0]
    assert not Webhook.objects.exists()


def test_a_change_of_the_address_is_checked_as_well(make, principal):
    webhook = make()
    with pytest.raises(ValidationError):
        webhooks.change(principal=principal, pk=webhook.pk, url="http://127.0.0.1/")
    webhook.refresh_from_db()
    assert webhook.url == URL


@pytest.mark.parametrize("events", [[], ["detection.exploded"], ["webhook.test"]])
def test_events_are_known_ones_and_at_least_one(make, events):
    with pytest.raises(ValidationError) as refused:
        make(events=events, description="x" * 201)
    assert set(refused.value.message_dict) == {"events", "description"}


def test_an_organisation_has_so_many_webhooks_and_no_more(make, monkeypatch, make_principal):
    monkeypatch.setattr(webhooks, "MOST", 1)
    make()
    with pytest.raises(Refused, match="webhooks"):
        make()
    make(make_principal())


@pytest.mark.parametrize("role", ["member", "auditor"])
def test_who_may_not(make, principal, make_principal, role):
    webhook = make()
    other = make_principal(role, principal.organisation)
    acts = [
        lambda: make(other),
        lambda: webhooks.change(principal=other, pk=webhook.pk, active=False),
        lambda: webhooks.rotate_secret(principal=other, pk=webhook.pk),
        lambda: webhooks.delete(principal=other, pk=webhook.pk),
        lambda: webhooks.test(principal=other, pk=webhook.pk),
        lambda: webhooks.replay(principal=other, webhook=webhook.pk, pk=1),
    ]
    for act in acts:
        with pytest.raises(PermissionDenied):
            act()


def test_another_organisations_webhook_is_not_there(make, principal, make_principal):
    webhook, stranger = make(), make_principal()
    delivery = webhooks.test(principal=principal, pk=webhook.pk)
    own = make(stranger)
    acts = [
        lambda: webhooks.change(principal=stranger, pk=webhook.pk, active=False),
        lambda: webhooks.rotate_secret(principal=stranger, pk=webhook.pk),
        lambda: webhooks.delete(principal=stranger, pk=webhook.pk),
        lambda: webhooks.test(principal=stranger, pk=webhook.pk),
        lambda: webhooks.replay(principal=stranger, webhook=webhook.pk, pk=delivery.pk),
        lambda: webhooks.replay(principal=stranger, webhook=own.pk, pk=delivery.pk),
    ]
    for act in acts:
        with pytest.raises(Http404):
            act()


def verifies(webhook: Webhook, secret: str, now: datetime) -> bool:
    headers = sending.headers(webhook, "msg_1", "{}", now)
    try:
        Verifier(secret).verify("{}", headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_replaced_secret_signs_as_well_for_a_day(make, principal, record):
    first = make()
    second = webhooks.rotate_secret(principal=principal, pk=first.pk)
    now = datetime.now(UTC)
    assert verifies(second, first.secret, now)
    assert verifies(second, second.secret, now)
    assert not verifies(second, make().secret, now)
    assert timedelta(hours=23) < second.old_secret_until - now < timedelta(hours=25)
    second.old_secret_until = now
    assert not verifies(second, first.secret, now)
    assert verifies(second, second.secret, now)
    assert ("webhook.changed", {"url": URL, "secret": "rotated"}) in record
    third = webhooks.rotate_secret(principal=principal, pk=first.pk)
    assert not verifies(third, first.secret, now)


def test_only_what_changes_is_on_record(make, principal, record):
    webhook = make()
    webhooks.change(principal=principal, pk=webhook.pk, url=URL, events=CHOSEN, description="new")
    webhooks.change(principal=principal, pk=webhook.pk, url=URL)
    assert record[1:] == [("webhook.changed", {"url": URL, "description": "new"})]


def test_switching_off_ends_what_waits_and_switching_on_starts_anew(make, principal):
    webhook = make()
    waiting = webhooks.test(principal=principal, pk=webhook.pk)
    webhooks.change(principal=principal, pk=webhook.pk, active=False)
    waiting.refresh_from_db()
    assert waiting.state == "dead"
    with pytest.raises(Refused):
        webhooks.test(principal=principal, pk=webhook.pk)
    with pytest.raises(Refused):
        webhooks.replay(principal=principal, webhook=webhook.pk, pk=waiting.pk)
    Webhook.objects.update(failing_since=datetime.now(UTC), off_reason="It failed.")
    webhook = webhooks.change(principal=principal, pk=webhook.pk, active=True)
    assert (webhook.active, webhook.failing_since, webhook.off_reason) == (True, None, "")
    again = webhooks.replay(principal=principal, webhook=webhook.pk, pk=waiting.pk)
    assert (again.state, again.event_id) == ("queued", waiting.event_id)


def test_deleting_takes_the_deliveries_along(make, principal, record):
    webhook = make()
    webhooks.test(principal=principal, pk=webhook.pk)
    webhooks.delete(principal=principal, pk=webhook.pk)
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    assert record[-1] == ("webhook.deleted", {"url": URL})


def test_a_replay_keeps_its_id_and_begins_its_tries_anew(make, principal):
    webhook = make()
    row = webhooks.test(principal=principal, pk=webhook.pk)
    Delivery.objects.update(state="delivered", attempts=7, finished_at=datetime.now(UTC), log=[{}])
    again = webhooks.replay(principal=principal, webhook=webhook.pk, pk=row.pk)
    assert (again.event_id, again.body) == (row.event_id, row.body)
    assert (again.state, again.attempts, again.finished_at, again.log) == ("queued", 0, None, [{}])


def test_a_replay_of_what_is_just_being_sent_changes_nothing(make, principal):
    row = webhooks.test(principal=principal, pk=make().pk)
    Delivery.objects.update(state="running", attempts=3)
    webhooks.replay(principal=principal, webhook=row.webhook_id, pk=row.pk)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("running", 3)


def test_a_key_makes_webhooks_as_itself(make, make_key, record):
    from accounts.access import principal_of_key

    key, _ = make_key()
    assert make(principal_of_key(key)).created_by is None


@pytest.mark.django_db(transaction=True)
def test_the_limit_holds_for_many_at_once(make, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST", 3)
    together = threading.Barrier(6)
    refused: list[Refused] = []

    def act() -> None:
        together.wait()
        try:
            make()
        except Refused as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=act) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (Webhook.objects.count(), len(refused)) == (3, 3)
