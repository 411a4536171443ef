"""Pages of webhooks: what they say, who sees what, and that every act asks and answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from detection import deliveries, events, webhooks
from detection.deliveries import Try
from detection.models import Delivery, Webhook
from tests.accounts.test_pages import assert_framed

pytestmark = pytest.mark.django_db

URL = "https://192.0.43.8/hook"  # a public address: no name server is asked
ACTS = ("webhook_edit", "webhook_switch", "webhook_rotate", "webhook_test", "webhook_delete")


@pytest.fixture
def webhook(principal) -> Webhook:
    return webhooks.make(
        principal=principal, url=URL, events=[*events.CHOICES], description="Content <b>system</b>"
    )


@pytest.fixture
def sent(principal, webhook):
    """``sent(status, answer, error)``: a delivery that was tried once."""

    def make(status: int | None = 200, answer: str = "thanks", error: str = "") -> Delivery:
        webhooks.test(principal=principal, pk=webhook.pk)
        (row,) = deliveries.claim(1)
        deliveries.save([(row, Try(timezone.now(), status, 12.3, answer, error))])
        return row

    return make


@pytest.fixture
def shown(member_client, principal):
    """``shown(name, …)``: a page of the owner's, as text and as HTML."""

    def get(name: str, *args, status: int = 200, **query) -> str:
        response = member_client.get(address(principal, name, *args), query)
        assert response.status_code == status
        html = response.content.decode()
        assert_framed(html)
        return html

    return get


def address(principal, name: str, *args) -> str:
    return reverse(name, args=[principal.organisation.slug, *args])


def text(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_empty_list_says_what_a_webhook_is_for(shown, principal):
    html = shown("webhooks")
    assert "No webhooks yet" in html
    assert address(principal, "webhook_new") in html


def test_a_webhook_is_made(shown, member_client, principal):
    html = shown("webhook_new")
    assert all(words in html for words in events.CHOICES.values())
    form = {"url": f" {URL} ", "description": "CMS", "events": ["detection.completed", "member.*"]}
    response = member_client.post(address(principal, "webhook_new"), form, follow=True)
    made = Webhook.objects.get()
    assert (made.url, made.events) == (URL, ["detection.completed", "member.*"])
    assert response.redirect_chain == [(address(principal, "webhook_detail", made.pk), 302)]
    assert made.secret in response.content.decode()
    assert "The webhook is on." in response.content.decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"url": "http://127.0.0.1/", "events": ["member.*"]}, "is not an address on the public Internet"),
        ({"url": "", "events": ["member.*"]}, "Give the address"),
        ({"url": URL}, "Choose at least one event."),
        ({"url": URL, "events": ["x"]}, "x is not one of the available choices"),
        ({"url": URL, "events": ["member.*"], "description": "x" * 201}, "at most 200 characters"),
    ],
)
def test_errors_stand_beside_their_fields(member_client, principal, form, words):
    response = member_client.post(address(principal, "webhook_new"), form)
    assert response.status_code == 422
    assert words in text(response.content.decode())
    assert not Webhook.objects.exists()


def test_one_too_many_is_refused_in_words(member_client, principal, webhook, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST", 1)
    form = {"url": URL, "events": ["member.*"]}
    response = member_client.post(address(principal, "webhook_new"), form)
    assert response.status_code == 422
    assert webhooks.TOO_MANY in response.content.decode()


def test_a_webhook_is_changed(member_client, principal, webhook, shown):
    assert shown("webhook_edit", webhook.pk).count("checked") == len(events.CHOICES)
    form = {"url": URL, "description": "", "events": ["batch.completed"]}
    response = member_client.post(address(principal, "webhook_edit", webhook.pk), form, follow=True)
    assert "Saved." in response.content.decode()
    webhook.refresh_from_db()
    assert (webhook.description, webhook.events) == ("", ["batch.completed"])


def test_the_list_tells_the_state(shown, webhook, sent):
    sent(503)
    html = shown("webhooks")
    assert "Content &lt;b&gt;system&lt;/b&gt;" in html
    assert "Failing" in html
    assert "1 waiting" in html
    Webhook.objects.update(active=False, off_reason=deliveries.FAILING)
    html = shown("webhooks")
    assert "Switched off" in html
    assert deliveries.FAILING in html


def test_a_webhook_shows_its_deliveries(shown, webhook, sent):
    sent(200)
    sent(None, "", "The server did not answer in full within 10 seconds.")
    words = text(shown("webhook_detail", webhook.pk))
    assert "A test Delivered Answered 200" in words
    assert "A test Will be tried again The server did not answer" in words
    assert "A test Delivered" not in text(shown("webhook_detail", webhook.pk, state="queued"))
    assert "None of these" in shown("webhook_detail", webhook.pk, state="dead")
    assert "A test Delivered" in text(shown("webhook_detail", webhook.pk, state="nonsense", page="999"))


def test_a_delivery_shows_request_and_answer(shown, webhook, sent):
    row = sent(500, "<script>alert(1)</script>")
    html = shown("webhook_delivery", webhook.pk, row.pk)
    assert row.event_id in html
    assert "&quot;type&quot;: &quot;webhook.test&quot;" in html
    assert "Answered 500" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "Next try:" in html
    assert 'http-equiv="refresh"' not in html


def test_a_test_is_queued_and_its_page_waits_for_the_result(member_client, principal, webhook, shown):
    response = member_client.post(address(principal, "webhook_test", webhook.pk), follow=True)
    html = response.content.decode()
    assert 'http-equiv="refresh"' in html
    assert "It is on its way." in html
    row = Delivery.objects.get()
    deliveries.save([(each, Try(datetime.now(UTC), 204, 1.0)) for each in deliveries.claim(1)])
    html = shown("webhook_delivery", webhook.pk, row.pk)
    assert 'http-equiv="refresh"' not in html
    assert "Answered 204" in html


def test_a_delivery_is_sent_again(member_client, principal, webhook, sent):
    row = sent(200)
    response = member_client.post(address(principal, "webhook_replay", webhook.pk, row.pk), follow=True)
    assert "It is on its way." in response.content.decode()
    assert Delivery.objects.get().state == "queued"


def test_a_webhook_that_is_off_sends_nothing_and_says_so(member_client, principal, webhook, sent, shown):
    row = sent(200)
    Webhook.objects.update(active=False)
    for name, args in (("webhook_test", [webhook.pk]), ("webhook_replay", [webhook.pk, row.pk])):
        response = member_client.post(address(principal, name, *args), follow=True)
        assert webhooks.OFF in response.content.decode()
    assert "Switch it on to send this again" in shown("webhook_delivery", webhook.pk, row.pk)
    assert Delivery.objects.count() == 1


def test_switching_off_asks_and_switching_on_does_not(member_client, principal, webhook, shown):
    switch = address(principal, "webhook_switch", webhook.pk)
    assert "Switch this webhook off?" in shown("webhook_switch", webhook.pk)
    assert "The webhook is off." in member_client.post(switch, follow=True).content.decode()
    webhook.refresh_from_db()
    assert not webhook.active
    assert "is on again" in member_client.post(switch, {"active": "true"}, follow=True).content.decode()
    webhook.refresh_from_db()
    assert webhook.active


def test_a_secret_is_replaced_after_asking(member_client, principal, webhook, shown):
    assert "cannot be brought back" in shown("webhook_rotate", webhook.pk)
    response = member_client.post(address(principal, "webhook_rotate", webhook.pk), follow=True)
    before = webhook.secret
    webhook.refresh_from_db()
    assert webhook.secret != before
    assert webhook.secret in response.content.decode()
    assert "The secret before this one expires" in response.content.decode()


def test_deleting_asks_and_says_what_is_lost(member_client, principal, webhook, shown):
    assert "This cannot be undone." in shown("webhook_delete", webhook.pk)
    assert Webhook.objects.exists()
    response = member_client.post(address(principal, "webhook_delete", webhook.pk), follow=True)
    assert "was deleted" in response.content.decode()
    assert not Webhook.objects.exists()


def test_an_auditor_reads_without_the_secret_and_without_buttons(principal, make_member, webhook, sent):
    row = sent(200)
    client = signed_in(make_member(principal.organisation, "auditor"))
    for name, args in (
        ("webhooks", []), ("webhook_detail", [webhook.pk]), ("webhook_delivery", [webhook.pk, row.pk]),
    ):  # fmt: skip
        html = client.get(address(principal, name, *args)).content.decode()
        assert webhook.secret not in html
        assert not any(address(principal, act, webhook.pk) in html for act in ACTS)
        assert "webhook_new" not in html
    assert all(refused(client, principal, act, webhook.pk) == 403 for act in ACTS)
    assert refused(client, principal, "webhook_replay", webhook.pk, row.pk) == 403


def test_a_member_sees_nothing_of_it(principal, make_member, webhook, sent):
    row = sent(200)
    client = signed_in(make_member(principal.organisation, "member"))
    assert client.get(address(principal, "webhooks")).status_code == 403
    assert client.get(address(principal, "webhook_detail", webhook.pk)).status_code == 403
    assert client.get(address(principal, "webhook_delivery", webhook.pk, row.pk)).status_code == 403
    assert address(principal, "webhooks") not in client.get(address(principal, "check")).content.decode()


def test_outsiders_find_nothing(principal, make_principal, webhook, sent):
    row, other = sent(200), make_principal()
    own = webhooks.make(principal=other, url=URL, events=["member.*"])
    client = signed_in(other.user)
    for organisation in (principal, other):
        assert client.get(address(organisation, "webhook_detail", webhook.pk)).status_code == 404
        assert client.get(address(organisation, "webhook_delivery", webhook.pk, row.pk)).status_code == 404
        assert all(refused(client, organisation, act, webhook.pk) == 404 for act in ACTS)
    assert client.get(address(other, "webhook_delivery", own.pk, row.pk)).status_code == 404
    assert refused(client, other, "webhook_replay", own.pk, row.pk) == 404
    assert client.get(address(other, "webhook_delivery", own.pk, 10**30)).status_code == 404


def test_the_menu_leads_here(shown, principal):
    assert f'href="{address(principal, "webhooks")}"' in shown("history")


def refused(client: Client, principal, act: str, *args) -> int:
    form = {"url": URL, "events": ["member.*"]}
    return client.post(address(principal, act, *args), form).status_code
