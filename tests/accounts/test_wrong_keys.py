"""Floods of wrong keys are stopped, and nobody else is."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys, limits, wrong_keys
from accounts.models import KeySecret
from tests.api.conftest import bearer, problem

pytestmark = pytest.mark.django_db
HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Stands at 15 s past the minute."""
    time = {"now": 1_800_000_015.0}
    monkeypatch.setattr(limits, "_now", lambda: time["now"])
    return time


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(wrong_keys, "A_MINUTE", 6)
    monkeypatch.setattr(wrong_keys, "OF_ONE_A_MINUTE", 2)


@pytest.fixture
def ask(client):
    def send(value: str, address: str = HERE):
        return client.get("/api/v1/organisation/", headers=bearer(value), REMOTE_ADDR=address)

    return send


def guess(number: int) -> str:
    return f"cfk_{number:064x}"


def test_too_many_guesses_are_told_to_wait_without_being_looked_up(ask):
    assert [ask(guess(number)).status_code for number in range(6)] == [401] * 6
    with CaptureQueriesContext(
        connection,
    ) as queries:
        refused = ask(guess(7))
    assert "came from your address" in problem(refused, "rate-limited")["detail"]
    assert refused["Retry-After"] == "45"
    assert not queries.captured_queries


def test_another_address_goes_on(ask, make_key):
    for number in range(7):
        ask(guess(number))
    assert ask(guess(8), ELSEWHERE).status_code == 401
    assert ask(make_key()[1], ELSEWHERE).status_code == 200


def test_the_next_minute_is_another(ask, clock):
    for number in range(7):
        ask(guess(number))
    clock["now"] += 45
    assert ask(guess(8)).status_code == 401


@pytest.mark.parametrize("why", ["revoked", "expired", "elsewhere"])
def test_a_program_with_an_old_value_is_stopped_alone(ask, make_key, principal, why):
    old, value = make_key(principal, addresses=[ELSEWHERE] if why == "elsewhere" else [])
    if why == "revoked":
        keys.revoke(principal=principal, pk=old.pk)
    if why == "expired":
        KeySecret.objects.update(expiry=timezone.now())
    statuses = [ask(value).status_code for _ in range(20)]
    assert statuses == [403 if why == "elsewhere" else 401] * 2 + [429] * 18
    assert ask(make_key(principal)[1]).status_code == 200


def test_a_value_of_which_a_piece_was_lost_does_not_stop_the_whole_one(ask, make_key):
    value = make_key()[1]
    for _ in range(4):
        ask(value[:-1])
    assert ask(value).status_code == 200


def test_valid_keys_do_not_count(ask, make_key):
    value = make_key()[1]
    assert {ask(value).status_code for _ in range(20)} == {200}


def test_of_ipv6_a_whole_customer_counts_as_one(ask):
    for number in range(7):
        ask(guess(number), f"2001:db8:0:1::{number}")
    assert ask(guess(8), "2001:db8:0:1:ffff::9").status_code == 429
    assert ask(guess(8), "2001:db8:0:2::9").status_code == 401


def test_who_sends_no_key_is_not_counted(client, ask):
    for _ in range(20):
        assert client.get("/api/v1/organisation/", REMOTE_ADDR=HERE).status_code == 401
    assert ask(guess(1)).status_code == 401
