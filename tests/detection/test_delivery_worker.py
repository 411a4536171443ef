"""The worker against real receivers on loopback: each event arrives, whatever the others do."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from detection import deliveries, delivery_worker, sending, webhooks
from detection.delivery_worker import DeliveryWorker
from detection.models import Delivery, Webhook
from tests.detection.conftest import PATIENCE
from tests.receiver import Receiver, receiving
from tests.servers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def working() -> Iterator[DeliveryWorker]:
    """A worker in a thread with a loop of its own, as in the consumer."""
    started, stop = threading.Event(), threading.Event()
    made: list[DeliveryWorker] = []

    async def main() -> None:
        worker = DeliveryWorker()
        made.append(worker)
        task = asyncio.create_task(worker.run())
        started.set()
        await asyncio.to_thread(stop.wait)
        worker.stop()
        await task

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield made[0]
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the worker does not stop"


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    with receiving() as server:
        settings.REMOTE_ALLOW_PRIVATE, settings.REMOTE_PORTS = True, frozenset({server.port})
        settings.WEBHOOK_RETRY_FACTOR = 0.001
        yield server


@pytest.fixture
def make(principal, receiver):
    def make(path: str = "/hook") -> Webhook:
        return webhooks.make(principal=principal, url=receiver.url(path), events=["member.*"])

    return make


@pytest.fixture
def fire(principal):
    def fire(webhook: Webhook, count: int = 1) -> list[Delivery]:
        return [webhooks.test(principal=principal, pk=webhook.pk) for _ in range(count)]

    return fire


def states(webhook: Webhook) -> set[str]:
    return set(webhook.deliveries.values_list("state", flat=True))


def test_an_event_arrives_signed_and_its_answer_is_on_record(make, fire, receiver):
    webhook = make()
    with working():
        (sent,) = fire(webhook)
        eventually(lambda: states(webhook) == {"delivered"})
    (request,) = receiver.requests
    assert request.verify(webhook.secret) == request.event
    assert (request.id, request.body.decode()) == (sent.event_id, sent.body)
    assert (request.event["type"], request.headers["content-type"]) == ("webhook.test", "application/json")
    (entry,) = Delivery.objects.get().log
    assert (entry["status"], entry["answer"], entry["error"]) == (200, "thanks", "")


def test_a_commit_wakes_the_worker(make, fire, monkeypatch):
    """Polling would come after the test's patience."""
    monkeypatch.setattr(delivery_worker, "POLL_SECONDS", 10 * PATIENCE)
    webhook = make()
    with working():
        for _ in range(3):
            fire(webhook)
            assert eventually(lambda: states(webhook) == {"delivered"}, PATIENCE)


def test_500_then_200_arrives_under_one_id(make, fire, receiver):
    answers = iter([500, 503, 200])
    receiver.answer = lambda request: (next(answers), {}, b"x" * 5000)
    webhook = make()
    with working():
        (sent,) = fire(webhook)
        eventually(lambda: states(webhook) == {"delivered"})
    assert [each.id for each in receiver.requests] == [sent.event_id] * 3
    log = Delivery.objects.get().log
    assert [entry["status"] for entry in log] == [500, 503, 200]
    assert log[0]["answer"] == "x" * sending.ANSWER_BYTES
    webhook.refresh_from_db()
    assert webhook.failing_since is None


def test_a_receiver_that_never_answers_holds_up_nobody(make, fire, receiver):
    silent, well = make("/silent"), make("/well")
    receiver.answer = lambda request: receiver.hang(request) if request.path == "/silent" else (204, {}, b"")
    with working():
        fire(silent, 2 * deliveries.EACH)
        eventually(lambda: receiver.paths().count("/silent") == deliveries.EACH)
        fire(well, 3 * deliveries.EACH)
        eventually(lambda: states(well) == {"delivered"})
        assert receiver.paths().count("/silent") == deliveries.EACH
        assert "delivered" not in states(silent)
        receiver.over.set()


def test_what_takes_too_long_is_a_failed_try(make, fire, receiver, monkeypatch, settings):
    settings.WEBHOOK_RETRY_FACTOR = 1000.0
    monkeypatch.setattr(sending, "LIMITS", replace(sending.LIMITS, seconds=0.2))
    receiver.answer = receiver.hang
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: Delivery.objects.get().attempts == 1)
    (entry,) = Delivery.objects.get().log
    assert entry["status"] is None
    assert "seconds" in entry["error"]
    assert Delivery.objects.get().state == "queued"


def test_a_redirect_is_followed_nowhere(make, fire, receiver, settings):
    settings.WEBHOOK_RETRY_FACTOR = 1000.0
    receiver.answer = lambda request: (307, {"location": receiver.url("/inside")}, b"")
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: Delivery.objects.get().attempts == 1)
    assert receiver.paths() == ["/hook"]
    (entry,) = Delivery.objects.get().log
    assert (entry["status"], entry["error"]) == (307, sending.REDIRECTED)


def test_a_secret_that_is_none_is_a_failed_try(make, fire, receiver):
    """What was written past the services, into the database itself, holds up nobody else's deliveries."""
    webhook = make()
    Webhook.objects.update(secret="")
    with working():
        fire(webhook)
        eventually(lambda: Delivery.objects.get().attempts)
    assert Delivery.objects.get().log[0]["error"].startswith("The request failed")


def test_the_address_is_checked_at_each_delivery(make, fire, receiver, settings):
    """As where a name led to the Internet when it was saved, and leads to loopback now."""
    settings.WEBHOOK_RETRY_FACTOR = 1000.0
    webhook = make()
    settings.REMOTE_ALLOW_PRIVATE = False
    with working():
        fire(webhook)
        eventually(lambda: Delivery.objects.get().attempts == 1)
    assert receiver.requests == []
    assert "public Internet" in Delivery.objects.get().log[0]["error"]


def test_two_workers_at_once_deliver_each_once(make, fire, receiver):
    one, two = make("/1"), make("/2")
    with working(), working():
        sent = fire(one, 40) + fire(two, 40)
        eventually(lambda: states(one) == states(two) == {"delivered"})
    assert Counter(each.id for each in receiver.requests) == Counter(each.event_id for each in sent)
    assert set(Delivery.objects.values_list("attempts", flat=True)) == {1}


def test_410_switches_off_and_the_owner_is_told(make, fire, receiver, principal):
    receiver.answer = lambda request: (410, {}, b"")
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: mail.outbox)
    assert mail.outbox[0].to == [principal.user.email]
    assert deliveries.GONE in mail.outbox[0].body
    webhook.refresh_from_db()
    assert not webhook.active


def test_stopping_gives_back_what_is_not_answered(make, fire, receiver, monkeypatch):
    monkeypatch.setattr(delivery_worker, "STOP_SECONDS", 0.1)
    receiver.answer = receiver.hang
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: receiver.requests)
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.token) == ("queued", 0, None)
    receiver.over.set()


def test_leases_are_kept_while_an_answer_takes_long(make, fire, receiver, settings):
    settings.LEASE_SECONDS = 0.3
    receiver.answer = receiver.hang
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: receiver.requests)
        first = Delivery.objects.get()
        eventually(lambda: timezone.now() > first.lease_until)
        eventually(lambda: Delivery.objects.get().lease_until > timezone.now())
        assert Delivery.objects.get().token == first.token
        assert len(receiver.requests) == 1
        receiver.over.set()


@pytest.mark.parametrize("broken", ["claim", "save"])
def test_a_database_that_fails_for_a_moment_loses_and_doubles_nothing(
    make, fire, receiver, monkeypatch, broken
):
    real, calls = getattr(deliveries, broken), []

    def flaky(*args):
        calls.append(args)
        if len(calls) == 1:
            raise OperationalError("the database has gone away")
        return real(*args)

    monkeypatch.setattr(deliveries, broken, flaky)
    monkeypatch.setattr(delivery_worker, "PAUSE_SECONDS", 0.01)
    webhook = make()
    with working():
        fire(webhook)
        eventually(lambda: states(webhook) == {"delivered"})
    assert len(receiver.requests) == 1
    assert Delivery.objects.get().attempts == 1
