"""kill -9 of the worker in the middle of 500 deliveries: each arrives, signed, and doubles share their id."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from detection.delivery_worker import AT_ONCE
from tests.chaos.conftest import ChaosSite
from tests.receiver import Answer, Received, Receiver, receiving
from tests.servers import PATIENCE, eventually

pytestmark = pytest.mark.timeout(400)

CONSUMER = ("inference_consumer", "--lanes", "fast")
WEBHOOKS, EVENTS = 5, 100
KILLS = (100, 300)  # after so many requests

MAKE = f"""
import json
from accounts.access import Principal
from accounts.models import Organisation, User
from accounts.signals import happened
from detection import webhooks
from detection.models import Delivery
organisation = Organisation.objects.create(name="Herald", slug="herald")
owner = Principal(User.objects.create_user("owner@example.org"), organisation, "owner")
def make(number):
    url = f"http://127.0.0.1:%d/{{number}}"
    return webhooks.make(principal=owner, url=url, events=["member.*"])
made = [make(number) for number in range({WEBHOOKS})]
for number in range({EVENTS}):
    details = {{"number": number}}
    happened.send(sender=User, principal=owner, event="member.joined", subject=owner.user, details=details)
assert Delivery.objects.count() == {WEBHOOKS * EVENTS}
print(json.dumps({{f"/{{number}}": webhook.secret for number, webhook in enumerate(made)}}))
"""


class Gate:
    """Answers, until it is shut: then requests are kept without an answer until it is opened."""

    def __init__(self) -> None:
        self.shut_after = 0
        self.count = 0
        self.held: list[Received] = []
        self.opened = threading.Event()
        self.lock = threading.Lock()

    def shut(self, after: int) -> None:
        self.shut_after, self.held, self.opened = after, [], threading.Event()

    def open(self) -> None:
        self.shut_after = 10**9
        self.opened.set()

    def answer(self, request: Received) -> Answer:
        with self.lock:
            self.count += 1
            wait = self.opened if self.count > self.shut_after else None
            if wait is not None:
                self.held.append(request)
        if wait is not None:
            wait.wait(PATIENCE)
        return 200, {}, b""


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def receiver(gate) -> Iterator[Receiver]:
    with receiving(gate.answer) as server:
        yield server
        gate.open()


@pytest.fixture
def site(new_site, receiver) -> ChaosSite:
    environment = {"REMOTE_ALLOW_PRIVATE": "true", "REMOTE_PORTS": str(receiver.port)}
    return new_site(STAGES_MODULE="tests.detection.toy_stages", **environment)


def states(site: ChaosSite) -> Counter[str]:
    return Counter(dict(site.rows("SELECT state, count(*) FROM detection_delivery GROUP BY state")))


def expire_leases(site: ChaosSite) -> None:
    with site.connected() as connection:
        connection.execute(
            "UPDATE detection_delivery SET lease_until = '2001-01-01 00:00:00+00:00' WHERE state = 'running'"
        )


def kill_in_flight(site: ChaosSite, gate: Gate, after: int) -> set[tuple[str, str]]:
    """Kills a worker all of whose requests have arrived and none of which is answered; gives those."""
    gate.shut(after)
    with site.started(*CONSUMER) as consumer:
        eventually(lambda: len(gate.held) == states(site)["running"] == AT_ONCE)
        consumer.kill()
    held = {(each.path, each.id) for each in gate.held}
    gate.open()
    expire_leases(site)
    return held


def test_each_delivery_arrives_through_kills_and_with_two_workers_at_once(site, gate, receiver):
    secrets = site.shell(MAKE % receiver.port)
    in_flight = [kill_in_flight(site, gate, after) for after in KILLS]
    with ExitStack() as stack:
        workers = [stack.enter_context(site.started(*CONSUMER)) for _ in range(2)]
        eventually(lambda: states(site) == {"delivered": WEBHOOKS * EVENTS})
        assert [each.stop() for each in workers] == [0, 0]

    bodies: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for request in receiver.requests:
        request.verify(secrets[request.path])  # raises if the signature is wrong
        bodies[request.path, request.id].add(request.body)
    sent = site.rows(
        "SELECT url, event_id, attempts FROM detection_delivery"
        " JOIN detection_webhook ON detection_webhook.id = webhook_id"
    )
    assert set(bodies) == {(url[url.rindex("/") :], event_id) for url, event_id, _ in sent}
    assert all(len(each) == 1 for each in bodies.values())  # doubles are the same to the last byte
    assert {attempts for *_, attempts in sent} == {1}  # a kill is not the receiver's fault

    times = Counter((request.path, request.id) for request in receiver.requests)
    expected = Counter(dict.fromkeys(times, 1))
    for held in in_flight:
        expected.update(held)
    assert times == expected  # twice is only what a kill cut off; two workers double nothing
