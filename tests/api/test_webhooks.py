"""Webhooks and deliveries through the API."""

from __future__ import annotations

import pytest

from detection import deliveries, webhooks
from detection.deliveries import Try
from detection.models import Delivery, Webhook
from tests.api.conftest import Api, problem

pytestmark = pytest.mark.django_db

URL = "https://192.0.43.8/hook"  # a public address: no name server is asked
ORDER = {"url": URL, "events": ["detection.completed", "member.*"], "description": "CMS"}
WRONG = [None, 7, 1.5, True, "", "x" * 9000, "\ud800", "a\x00b", [], {}, [[]], {"a": 1}]


@pytest.fixture
def webhook(principal) -> Webhook:
    return webhooks.make(principal=principal, url=URL, events=["member.*"])


def change(api: Api, path: str, body):
    return api.patch(path, body, content_type="application/json")


def test_a_webhook_is_made_and_tells_its_secret_this_once(api, principal):
    answer = api.send("webhooks/", ORDER)
    assert answer.status_code == 201, answer.content
    made = Webhook.objects.get()
    assert answer["Location"] == f"http://testserver/api/v1/webhooks/{made.pk}/"
    found = answer.json()
    assert ORDER.items() <= found.items()
    assert (found["secret"], found["active"], found["off_reason"]) == (made.secret, True, "")
    assert made.organisation == principal.organisation
    read = api.get(answer["Location"]).json()
    assert read == {name: value for name, value in found.items() if name != "secret"}
    assert api.get("webhooks/").json()["results"] == [read]


@pytest.mark.parametrize("field", ["url", "events", "description"])
@pytest.mark.parametrize("value", WRONG)
def test_wrong_values_are_named_by_field(api, field, value):
    if (field, value) == ("description", ""):
        return
    body = {**ORDER, field: value}
    found = problem(api.send("webhooks/", body), "invalid")
    assert all(error["field"].startswith(f"/{field}") for error in found["errors"]), found
    assert not Webhook.objects.exists()


def test_addresses_within_are_refused(api, webhook):
    found = problem(api.send("webhooks/", {**ORDER, "url": "http://169.254.169.254/"}), "invalid")
    assert found["errors"][0]["field"] == "/url"
    found = problem(change(api, f"webhooks/{webhook.pk}/", {"url": "http://127.0.0.1/"}), "invalid")
    assert found["errors"][0]["field"] == "/url"


def test_what_is_missing_or_unknown_is_named(api):
    found = problem(api.send("webhooks/", {"secret": "whsec_mine"}), "invalid")
    assert {error["field"] for error in found["errors"]} == {"/secret"}
    found = problem(api.send("webhooks/", {}), "invalid")
    assert {error["field"] for error in found["errors"]} == {"/url", "/events"}


def test_one_too_many_is_a_conflict(api, webhook, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST", 1)
    assert problem(api.send("webhooks/", ORDER), "conflict")["code"] == "too_many_webhooks"


def test_a_webhook_is_changed_switched_off_and_deleted(api, webhook):
    path = f"webhooks/{webhook.pk}/"
    assert change(api, path, {"events": ["batch.completed"]}).json()["events"] == ["batch.completed"]
    assert change(api, path, {"active": False}).json()["active"] is False
    webhook.refresh_from_db()
    assert (webhook.url, webhook.active) == (URL, False)
    for value in (*WRONG, "true", 1):
        if value is not True:
            problem(change(api, path, {"active": value}), "invalid")
    assert api.delete(path).status_code == 204
    problem(api.get(path), "not-found")
    problem(api.delete(path), "not-found")


def test_a_new_secret(api, webhook):
    answer = api.post(f"webhooks/{webhook.pk}/rotate/")
    assert answer.status_code == 200
    before = webhook.secret
    webhook.refresh_from_db()
    assert answer.json()["secret"] == webhook.secret != before
    assert webhook.old_secret == before
    assert answer.json()["old_secret_until"] is not None


def test_a_test_and_its_result(api, webhook):
    answer = api.post(f"webhooks/{webhook.pk}/test/")
    assert answer.status_code == 202
    found = answer.json()
    assert (found["event"], found["state"], found["tries"]) == ("webhook.test", "queued", [])
    assert found["body"]["type"] == "webhook.test"
    (row,) = deliveries.claim(1)
    deliveries.save([(row, Try(row.created_at, 503, 7.0, "busy"))])
    found = api.get(answer["Location"]).json()
    assert (found["state"], found["attempts"]) == ("queued", 1)
    assert found["next_try_at"] is not None
    assert [(each["status"], each["answer"], each["ms"]) for each in found["tries"]] == [(503, "busy", 7.0)]


def test_deliveries_are_listed_in_pages_and_by_state(api, principal, webhook):
    for _ in range(3):
        webhooks.test(principal=principal, pk=webhook.pk)
    rows = list(Delivery.objects.order_by("-created_at"))
    Delivery.objects.filter(pk=rows[0].pk).update(state="dead")
    path = f"webhooks/{webhook.pk}/deliveries/"
    first = api.get(path, {"limit": 2}).json()
    second = api.get(first["next"]).json()
    assert [each["id"] for each in first["results"] + second["results"]] == [row.pk for row in rows]
    assert [each["id"] for each in api.get(path, {"state": "dead"}).json()["results"]] == [rows[0].pk]
    problem(api.get(path, {"state": "x"}), "invalid-parameter")


def test_a_replay_keeps_the_id(api, principal, webhook):
    row = webhooks.test(principal=principal, pk=webhook.pk)
    Delivery.objects.update(state="dead", attempts=11)
    answer = api.post(f"webhooks/{webhook.pk}/deliveries/{row.pk}/replay/")
    assert answer.status_code == 202
    assert (answer.json()["event_id"], answer.json()["state"]) == (row.event_id, "queued")


def test_one_that_is_off_sends_nothing(api, principal, webhook):
    row = webhooks.test(principal=principal, pk=webhook.pk)
    webhooks.change(principal=principal, pk=webhook.pk, active=False)
    for path in ("test/", f"deliveries/{row.pk}/replay/"):
        found = problem(api.post(f"webhooks/{webhook.pk}/{path}"), "conflict")
        assert found["code"] == "webhook_off"


def paths(webhook: Webhook, row: Delivery) -> list[tuple[str, str, str]]:
    one = f"webhooks/{webhook.pk}/"
    return [
        ("get", "webhooks/", "webhooks:read"), ("post", "webhooks/", "webhooks:write"),
        ("get", one, "webhooks:read"), ("patch", one, "webhooks:write"), ("delete", one, "webhooks:write"),
        ("post", f"{one}rotate/", "webhooks:write"), ("post", f"{one}test/", "webhooks:write"),
        ("get", f"{one}deliveries/", "webhooks:read"),
        ("get", f"{one}deliveries/{row.pk}/", "webhooks:read"),
        ("post", f"{one}deliveries/{row.pk}/replay/", "webhooks:write"),
    ]  # fmt: skip


def test_scopes_and_organisations(api, api_key, make_key, make_principal, principal, webhook):
    row = webhooks.test(principal=principal, pk=webhook.pk)
    reader, stranger = Api(api_key(["webhooks:read"])[1]), Api(make_key(make_principal())[1])
    none = Api(api_key(["detections:read"])[1])
    for method, path, scope in paths(webhook, row):
        ask = {"content_type": "application/json"} if method in ("post", "patch") else {}
        problem(getattr(Api(), method)(path, **ask), "unauthenticated")
        problem(getattr(none, method)(path, **ask), "forbidden")
        if scope == "webhooks:write":
            problem(getattr(reader, method)(path, **ask), "forbidden")
        else:
            assert getattr(reader, method)(path, **ask).status_code == 200
        if path != "webhooks/":
            problem(getattr(stranger, method)(path, **ask), "not-found")
    assert stranger.get("webhooks/").json()["results"] == []
    own = webhooks.make(principal=make_principal(), url=URL, events=["member.*"])
    problem(api.get(f"webhooks/{own.pk}/deliveries/{row.pk}/"), "not-found")
    problem(api.get(f"webhooks/{webhook.pk}/deliveries/{10**30}/"), "not-found")
