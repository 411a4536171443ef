"""What becomes an event: once, with the transaction that makes it true, for those who asked."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership
from accounts.signals import happened
from detection import batch_services, events, queue, results, services
from detection.models import Delivery, Webhook
from detection.work import Failure
from tests.detection.conftest import finish, verdict_outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]


@pytest.fixture(autouse=True)
def _one_stage(monkeypatch):
    """An image is complete with its verdict."""
    from tests.detection import toy_stages

    monkeypatch.setattr("detection.plan._stages", lambda module: toy_stages.STAGES[:1])


@pytest.fixture
def make_webhook(principal):
    def make(*asked: str, organisation=principal.organisation, **fields) -> Webhook:
        chosen = list(asked) or [*events.CHOICES]
        return Webhook.objects.create(
            organisation=organisation,
            url="https://example.org/",
            events=chosen,
            secret="whsec_AAAA",
            **fields,
        )

    return make


def told() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("event", flat=True))


def test_an_answer_is_told_once_with_ids_and_no_picture(make_webhook, submit):
    webhook = make_webhook()
    detection = submit()
    finish()
    row = Delivery.objects.get()
    assert (row.webhook, row.event, row.state) == (webhook, "detection.completed", "queued")
    assert row.event_id.startswith("msg_")
    event = json.loads(row.body)
    detection.refresh_from_db()
    assert (event["type"], event["timestamp"]) == ("detection.completed", detection.completed_at.isoformat())
    assert event["data"] == {
        "organisation": detection.organisation.slug,
        "id": str(detection.pk),
        "reference": "",
        "batch": None,
        "verdict": "fake",
        "basis": "pixels",
        "answer": "measured_ai",
        "url": f"/api/v1/detections/{detection.pk}/",
    }


def test_an_image_without_an_answer_has_failed(make_webhook, submit):
    make_webhook()
    submit()
    results.save(queue.claim("fast"), [Failure("stage_error", "It broke.", True)], 0.0)
    assert told() == ["detection.failed"]
    assert json.loads(Delivery.objects.get().body)["data"]["verdict"] is None


def test_what_is_completed_again_is_a_new_event(make_webhook, submit, principal):
    make_webhook()
    detection = submit()
    results.save(queue.claim("fast"), [Failure("stage_error", "It broke.", True)], 0.0)
    services.retry(principal=principal, pk=detection.pk)
    finish()
    assert told() == ["detection.failed", "detection.completed"]
    assert len(set(Delivery.objects.values_list("event_id", flat=True))) == 2


def test_a_late_result_is_no_second_event(make_webhook, submit):
    make_webhook()
    submit()
    claim = queue.claim("fast")
    for _ in range(2):
        results.save(claim, [verdict_outcome()], 1.0)
    assert told() == ["detection.completed"]


def test_one_event_has_one_id_for_all_who_asked(make_webhook, submit, make_principal):
    for _ in range(2):
        make_webhook()
    make_webhook("batch.completed")
    make_webhook(active=False)
    make_webhook(organisation=make_principal().organisation)
    submit()
    finish()
    assert Delivery.objects.count() == 2
    assert len(set(Delivery.objects.values_list("event_id", flat=True))) == 1


def test_a_batch_of_two_organisations_tells_each_its_own(make_webhook, submit, make_principal):
    other = make_principal()
    mine, theirs = make_webhook(), make_webhook(organisation=other.organisation)
    by_webhook = {mine.pk: submit(), theirs.pk: submit(principal=other)}
    finish()
    found = {row.webhook_id: json.loads(row.body)["data"]["id"] for row in Delivery.objects.all()}
    assert found == {pk: str(detection.pk) for pk, detection in by_webhook.items()}


def test_an_event_goes_with_its_transaction(make_webhook, submit, monkeypatch):
    make_webhook()
    submit()

    class Broken(Exception):
        pass

    real = events.detections_ended

    def broken(*args):
        real(*args)
        assert told() == ["detection.completed"]
        raise Broken

    monkeypatch.setattr(events, "detections_ended", broken)
    with pytest.raises(Broken), transaction.atomic():
        finish()
    assert told() == []


def test_where_nobody_listens_a_whole_batch_costs_one_query_more(submit, make_principal, make_webhook):
    make_webhook(organisation=make_principal().organisation)
    for number in range(8):
        submit(f"{number}.png")
    claim = queue.claim("fast")
    with CaptureQueriesContext(
        connection,
    ) as seen:
        results.save(claim, [verdict_outcome() for _ in claim.runs], 1.0)
    assert sum("webhook" in query["sql"] for query in seen) == 1
    assert not any("detection_delivery" in query["sql"] for query in seen)


@pytest.mark.parametrize("asked", [["member.*"], [*events.CHOICES]])
def test_members_comings_and_goings(make_webhook, principal, asked):
    make_webhook(*asked)
    make_webhook("detection.completed")
    details = {"email": "ada@example.org", "role": "member"}
    for event in ("member.removed", "invitation.sent", "webhook.made"):
        happened.send(
            sender=Membership, principal=principal, event=event, subject=principal.user, details=details
        )
    row = Delivery.objects.get()
    data = json.loads(row.body)["data"]
    assert (row.event, data["details"], data["by"]) == ("member.removed", details, str(principal))
    assert data["organisation"] == principal.organisation.slug


def test_the_end_of_a_batch(make_webhook, principal):
    from detection.models import Batch

    make_webhook("batch.completed")
    batch = Batch.objects.create(organisation=principal.organisation, reference="B-1", state="done", total=3)
    happened.send(sender=Batch, principal=None, event="batch.completed", subject=batch, details={})
    data = json.loads(Delivery.objects.get().body)["data"]
    assert (data["id"], data["reference"], data["state"], data["total"]) == (str(batch.pk), "B-1", "done", 3)
    assert data["url"] == f"/api/v1/batches/{batch.pk}/"


@pytest.mark.parametrize("by", ["somebody", "the site"])
def test_a_batch_that_was_cancelled_has_come_to_its_end_too(make_webhook, order, principal, by):
    """Who waits for the event would wait for ever, though nobody cancelled: a quota can be used up."""
    make_webhook("batch.completed")
    batch = order(2)
    if by == "somebody":
        batch_services.cancel(principal=principal, pk=batch.pk)
    else:
        batch_services.stop(pk=batch.pk, reason="The month is used up.")
    event = json.loads(Delivery.objects.get().body)
    assert (event["type"], event["data"]["state"]) == ("batch.completed", "cancelled")


def test_the_sites_own_address_is_part_of_the_links(make_webhook, submit, settings):
    settings.SITE_URL = "https://cifake.example.org"
    make_webhook()
    detection = submit()
    finish()
    url = json.loads(Delivery.objects.get().body)["data"]["url"]
    assert url == f"https://cifake.example.org/api/v1/detections/{detection.pk}/"
