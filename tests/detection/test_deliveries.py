"""Leases of deliveries: who sends which, fairly; and what becomes of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from detection import deliveries, events, webhook_mail
from detection.deliveries import Try
from detection.models import Delivery, Webhook

pytestmark = pytest.mark.django_db

OK, DOWN, GONE, UNANSWERED = 200, 503, 410, None


@pytest.fixture
def make(principal):
    """``make(count, **fields)``: a webhook with so many deliveries waiting."""

    def make(count: int = 1, **fields) -> Webhook:
        webhook = Webhook.objects.create(
            organisation=principal.organisation, url="https://example.org/", secret="whsec_AAAA", **fields
        )
        now = timezone.now()
        events.queue(events.delivery(webhook, "webhook.test", events.new_id(), {}, now) for _ in range(count))
        return webhook

    return make


def later(seconds: float):
    return timezone.now() + timedelta(seconds=seconds)


def save(rows, status, now=None) -> list[Webhook]:
    now = now or timezone.now()
    return deliveries.save([(row, Try(now, status, 3.21, "said", "" if status else "no")) for row in rows])


def row() -> Delivery:
    return Delivery.objects.get()


def test_a_claim_is_a_lease(make, settings):
    webhook = make()
    (claimed,) = deliveries.claim(10)
    assert claimed.webhook == webhook
    assert (row().state, row().token, row().attempts) == ("running", claimed.token, 0)
    assert timezone.now() < row().lease_until <= later(settings.LEASE_SECONDS)
    assert deliveries.claim(10) == []


def test_what_arrived_is_over(make):
    make()
    save(deliveries.claim(1), OK)
    assert (row().state, row().attempts, row().token) == ("delivered", 1, None)
    assert row().finished_at is not None
    (entry,) = row().log
    assert entry.pop("at") == row().finished_at.isoformat()
    assert entry == {"status": 200, "ms": 3.2, "answer": "said", "error": ""}


def test_a_lease_that_ran_out_is_taken_over_and_the_late_end_discarded(make, settings):
    make()
    lost = deliveries.claim(1)
    taken = deliveries.claim(1, now=later(settings.LEASE_SECONDS + 1))
    assert taken == lost
    assert taken[0].event_id == lost[0].event_id
    save(lost, OK)
    assert (row().state, row().log) == ("running", [])
    assert deliveries.extend(lost) == 0
    deliveries.give_back(lost)
    assert row().token == taken[0].token
    save(taken, OK)
    assert (row().state, row().attempts) == ("delivered", 1)  # the worker's death was no try


def test_what_is_given_back_is_sent_again_at_once(make):
    make()
    deliveries.give_back(deliveries.claim(1))
    assert (row().state, row().attempts, row().token) == ("queued", 0, None)
    assert len(deliveries.claim(1)) == 1


def test_extending_keeps_the_row(make, settings):
    make()
    claimed = deliveries.claim(1)
    Delivery.objects.update(lease_until=timezone.now())
    assert deliveries.extend(claimed) == 1
    assert row().lease_until > later(settings.LEASE_SECONDS / 2)


@pytest.mark.parametrize("status", [DOWN, UNANSWERED, 301, 404])
def test_what_fails_is_tried_for_a_day_at_growing_distances_and_is_dead_then(make, status):
    make()
    now, waited = timezone.now(), []
    while row().state == "queued":
        now = row().due_at
        save(deliveries.claim(1, now=now), status, now)
        waited.append((row().due_at - now).total_seconds())
    assert (row().state, row().finished_at, row().attempts) == ("dead", now, len(deliveries.PAUSES) + 1)
    assert timedelta(hours=20) < timedelta(seconds=sum(waited)) < timedelta(hours=28)
    assert waited[:-2] == sorted(waited[:-2])
    assert len(row().log) == deliveries.LOG_LENGTH
    assert deliveries.claim(1, now=later(10**6)) == []


@given(tries=st.integers(1, len(deliveries.PAUSES)))
def test_pauses_differ_by_a_tenth_at_most(tries):
    pause = deliveries._pause(tries).total_seconds()
    assert pause == pytest.approx(deliveries.PAUSES[tries - 1], rel=0.1)


def test_410_switches_the_webhook_off_and_ends_what_waits(make):
    webhook = make(3)
    (claimed,) = deliveries.claim(1)
    assert save([claimed], GONE) == [webhook]
    webhook.refresh_from_db()
    assert (webhook.active, webhook.off_reason) == (False, deliveries.GONE)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"dead"}


def test_what_was_under_way_when_the_webhook_was_switched_off_is_not_tried_again(make):
    webhook = make()
    claimed = deliveries.claim(1)
    Webhook.objects.update(active=False)
    save(claimed, DOWN)
    assert row().state == "dead"
    Delivery.objects.update(state="queued")  # as by a worker that read it a moment before
    assert deliveries.claim(1) == []
    deliveries.clean_up()
    assert row().state == "dead"
    assert webhook.deliveries.count() == 1


def test_a_webhook_that_fails_for_days_is_switched_off(make):
    webhook = make(3)
    start = timezone.now()
    first, second, third = deliveries.claim(3)
    assert save([first], DOWN, start) == []
    webhook.refresh_from_db()
    assert webhook.failing_since == start
    assert save([second], DOWN, start + timedelta(days=3)) == []
    assert save([third], UNANSWERED, start + timedelta(days=3, seconds=1)) == [webhook]
    webhook.refresh_from_db()
    assert (webhook.active, webhook.off_reason) == (False, deliveries.FAILING)


def test_one_success_ends_the_failing(make):
    webhook = make(2, failing_since=timezone.now() - 2 * deliveries.OFF_AFTER)
    (first,) = deliveries.claim(1)
    assert save([first], OK) == []
    webhook.refresh_from_db()
    assert (webhook.active, webhook.failing_since) == (True, None)


def test_many_webhooks_share_the_places(make):
    many, few = make(40), make(2)
    claimed = deliveries.claim(10)
    assert Counter(each.webhook for each in claimed) == {many: 8, few: 2}
    at_work = [each for each in claimed if each.webhook == many]
    assert deliveries.claim(10, at_work) == []
    assert len(deliveries.claim(10, at_work[:5])) == 3


def test_the_oldest_of_each_come_first(make):
    webhooks = [make(5) for _ in range(4)]
    claimed = deliveries.claim(8)
    assert Counter(each.webhook for each in claimed) == dict.fromkeys(webhooks, 2)
    for webhook in webhooks:
        oldest = set(webhook.deliveries.order_by("pk").values_list("pk", flat=True)[:2])
        assert {each.pk for each in claimed if each.webhook == webhook} == oldest


def test_those_that_fail_have_one_place_each_and_half_of_them_together(make):
    failing = [make(5, failing_since=timezone.now()) for _ in range(6)]
    claimed = deliveries.claim(8)
    assert len(claimed) == len({each.webhook for each in claimed}) == 4
    well = make(5)
    assert [each.webhook for each in deliveries.claim(4, claimed)] == [well] * 4
    assert deliveries.claim(4, claimed) != []
    assert {each.webhook for each in claimed} < set(failing)


def test_what_is_not_due_waits(make):
    make()
    Delivery.objects.update(due_at=later(60))
    assert deliveries.claim(1) == []
    assert len(deliveries.claim(1, now=later(61))) == 1


def test_an_idle_worker_takes_no_lock(make, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert deliveries.claim(32) == []


def test_what_ended_a_month_ago_is_deleted(make, monkeypatch):
    monkeypatch.setattr(deliveries, "PART", 2)
    make(6)
    rows = list(Delivery.objects.order_by("pk"))
    old = timezone.now() - timedelta(days=30)
    Delivery.objects.filter(pk__in=[each.pk for each in rows[:5]]).update(state="dead", finished_at=old)
    assert deliveries.clean_up() == 5
    assert row().pk == rows[5].pk  # it waits still, however old


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address", ["", "https://cifake.example.org"])
def test_owners_are_told_by_mail(make, make_member, principal, settings, address):
    settings.SITE_URL = address
    make_member(principal.organisation, "admin")
    make_member(principal.organisation, "owner", None).save()
    webhook = make(active=False, off_reason=deliveries.FAILING)
    webhook_mail.tell_owners(webhook)
    owners = principal.organisation.memberships.filter(role="owner")
    assert {to for message in mail.outbox for to in message.to} == {each.user.email for each in owners}
    assert webhook.url in mail.outbox[0].body
    assert deliveries.FAILING in mail.outbox[0].body
    assert (f"{address}/o/" in mail.outbox[0].body) == bool(address)
