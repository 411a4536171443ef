"""A key neither raises its own limits nor touches what is wider, and nothing that it made outlives it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.utils import timezone

from accounts import access, keys, limits, usage
from accounts.access import Principal, principal_of_key
from accounts.key_selectors import program, with_maker
from accounts.models import ApiKey, KeySecret
from accounts.usage import QuotaExceeded
from detection import webhooks
from detection.models import Webhook
from tests.accounts.acts import key_of

pytestmark = pytest.mark.django_db
SCOPES = [access.KEYS_WRITE, access.KEYS_READ]
OWN = {"scopes": SCOPES, "addresses": ["10.0.0.0/8"], "per_minute": 60, "per_month": 100}
WIDER = {
    "scopes": [*SCOPES, access.READ],
    "addresses": ["192.0.2.0/24"],
    "per_minute": 61,
    "per_month": 101,
}
ENDLESS = {"addresses": [], "per_month": None}
EXCEEDING = [*WIDER.items(), *ENDLESS.items()]
HOOK = {"url": "https://93.184.215.14/", "events": ["detection.completed"]}


@pytest.fixture
def own(principal, make_key) -> Principal:
    """A program with narrow rights, by its value, which ends tomorrow."""
    make_key(principal, expires_at=timezone.now() + timedelta(days=1), **OWN)
    return program(with_maker().get())


@pytest.mark.parametrize(("field", "value"), EXCEEDING)
def test_it_makes_nothing_wider(own, field, value):
    with pytest.raises(PermissionDenied):
        keys.make(principal=own, name="x", **{**OWN, field: value})
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(("field", "value"), EXCEEDING)
def test_it_raises_nothing_of_its_own_nor_of_others(own, field, value):
    other, _ = keys.make(principal=own, name="x", **OWN)
    for key in (own.key, other):
        with pytest.raises(PermissionDenied):
            keys.change(principal=own, pk=key.pk, fields={field: value})
    changed = keys.change(principal=own, pk=other.pk, fields={"per_minute": 59, "per_month": 99})
    assert (changed.per_minute, changed.per_month) == (59, 99)


@pytest.mark.parametrize(("field", "value"), EXCEEDING)
@pytest.mark.parametrize(
    "act",
    [
        lambda own, pk: keys.change(principal=own, pk=pk, fields={"name": "mine"}),
        lambda own, pk: keys.rotate(principal=own, pk=pk),
        lambda own, pk: keys.revoke(principal=own, pk=pk),
    ],
    ids=["change", "rotate", "revoke"],
)
def test_it_touches_nothing_wider(own, principal, make_key, act, field, value):
    ends = timezone.now() + timedelta(hours=1)
    other, _ = make_key(principal, expires_at=ends, **{**OWN, field: value})
    with pytest.raises(PermissionDenied):
        act(own, other.pk)
    equal, _ = make_key(principal, expires_at=ends, **OWN)
    act(own, equal.pk)


@pytest.mark.parametrize("act", [keys.rotate, keys.revoke])
@pytest.mark.parametrize("days", [2, None])
def test_nor_what_lasts_longer(own, principal, make_key, act, days):
    other, _ = make_key(principal, expires_at=days and timezone.now() + timedelta(days=days), **OWN)
    with pytest.raises(PermissionDenied):
        act(principal=own, pk=other.pk)


@pytest.mark.parametrize("asked", [None, timedelta(days=30)])
def test_what_it_makes_and_its_own_new_value_end_when_it_does(own, asked):
    ends = asked and timezone.now() + asked
    made, _ = keys.make(principal=own, name="x", expires_at=ends, **OWN)
    keys.rotate(principal=own, pk=own.key.pk, expires_at=ends)
    for key in (made, own.key):
        newest = KeySecret.objects.filter(key=key).latest("created")
        assert newest.expiry == own.secret.expiry


def test_it_may_always_give_itself_up(own, principal):
    keys.rotate(principal=principal, pk=own.key.pk)  # a person gave it a value that never ends
    assert keys.revoke(principal=own, pk=own.key.pk).revoked_at


class TestLimitsAreNotMultiplied:
    def test_of_images(self, own):
        made, _ = keys.make(principal=own, name="x", **OWN)
        again, _ = keys.make(principal=principal_of_key(made), name="y", **OWN)
        usage.count_images(principal_of_key(again), 60)
        usage.count_images(principal_of_key(made), 40)
        for each in (own, principal_of_key(made), principal_of_key(again)):
            with pytest.raises(QuotaExceeded):
                usage.count_images(each)
        assert [usage.month_used(each) for each in (own.key, made, again)] == [100, 100, 60]

    def test_nor_by_a_key_without_a_limit_made_before_its_maker_got_one(self, principal, make_key):
        maker, _ = make_key(principal)
        made, _ = keys.make(principal=principal_of_key(maker), name="x", scopes=SCOPES)
        keys.change(principal=principal, pk=maker.pk, fields={"per_month": 1})
        usage.count_images(principal_of_key(made))
        with pytest.raises(QuotaExceeded):
            usage.count_images(principal_of_key(made))

    def test_of_requests(self, own):
        made, _ = keys.make(principal=own, name="x", **{**OWN, "per_minute": 2})
        windows = [limits.take(made) for _ in range(3)]
        assert [window.allowed for window in windows] == [True, True, False]
        assert limits.take(own.key).used == 4

    def test_nor_without_end(self, own):
        for _ in range(keys.DEEPEST - 1):
            own = principal_of_key(keys.make(principal=own, name="x", **OWN)[0])
        with pytest.raises(ValidationError):
            keys.make(principal=own, name="x", **OWN)


class TestNothingOutlivesIt:
    def test_the_keys_that_it_made(self, own, principal):
        made, _ = keys.make(principal=own, name="x", **OWN)
        again, _ = keys.make(principal=principal_of_key(made), name="y", **OWN)
        keys.revoke(principal=principal, pk=own.key.pk)
        assert set(ApiKey.objects.exclude(revoked_at=None)) == {own.key, made, again}

    @pytest.mark.parametrize("how", ["made", "redirected", "made by a key that it made"])
    def test_its_webhooks(self, how, principal, make_key):
        key, _ = make_key(principal)
        acting = principal_of_key(key)
        if how == "redirected":
            webhook = webhooks.make(principal=principal, **HOOK)
            webhooks.change(principal=acting, pk=webhook.pk, url="https://93.184.215.15/")
        else:
            if how != "made":
                acting = principal_of_key(keys.make(principal=acting, name="x", scopes=access.SCOPES)[0])
            webhook = webhooks.make(principal=acting, **HOOK)
        others = webhooks.make(principal=principal, **HOOK)
        keys.revoke(principal=principal, pk=key.pk)
        webhook.refresh_from_db()
        assert (webhook.active, "was revoked" in webhook.off_reason) == (False, True)
        others.refresh_from_db()
        assert others.active

    def test_they_go_off_when_it_may_no_longer_see_what_they_are_told(self, principal, make_key):
        key, _ = make_key(principal)
        webhook = webhooks.make(principal=principal_of_key(key), **HOOK)
        keys.change(
            principal=principal, pk=key.pk, fields={"name": "other", "scopes": [access.WEBHOOKS_WRITE]}
        )
        assert not Webhook.objects.get(pk=webhook.pk).active

    def test_a_person_who_switches_one_on_answers_for_it(self, principal, make_key):
        key, _ = make_key(principal)
        webhook = webhooks.make(principal=principal_of_key(key), **HOOK)
        webhooks.change(principal=principal, pk=webhook.pk, description="Ours")
        keys.revoke(principal=principal, pk=key.pk)
        assert Webhook.objects.get(pk=webhook.pk).active


@pytest.mark.parametrize(
    ("events", "needs"),
    [
        (["detection.completed"], access.READ),
        (["detection.failed"], access.READ),
        (["batch.completed"], access.READ),
        (["member.*"], access.MEMBERS_READ),
    ],
)
def test_a_webhook_is_told_what_its_maker_may_see_alone(herald, principal, events, needs):
    blind = key_of(herald, access.WEBHOOKS_WRITE)
    with pytest.raises(PermissionDenied):
        webhooks.make(principal=blind, url=HOOK["url"], events=events)
    seeing = key_of(herald, access.WEBHOOKS_WRITE, needs)
    webhook = webhooks.make(principal=seeing, url=HOOK["url"], events=events)
    with pytest.raises(PermissionDenied):  # nor is one that there is sent elsewhere
        webhooks.change(principal=blind, pk=webhook.pk, url="https://93.184.215.15/")


def test_every_event_that_can_be_asked_for_says_who_may_see_it():
    assert set(webhooks.TOLD_TO) == set(webhooks.events.CHOICES)
