"""An organisation, the Herald, with people of every role to act in it; what their apps show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail

from accounts.models import Membership, User
from tests.accounts.acts import invite, link_in


@pytest.fixture
def herald(make_organisation):
    return make_organisation("The Herald")


@pytest.fixture
def at(client, herald, make_member) -> Callable[[str], User]:
    """``at(role)``: ``client``, signed in as somebody of this role in the Herald; gives the person."""

    def sign(role: str) -> User:
        user = make_member(herald, role)
        client.force_login(user)
        return user

    return sign


@pytest.fixture
def somebody(herald, make_member) -> Membership:
    return make_member(herald, "member").memberships.get(organisation=herald)


@pytest.fixture
def code() -> Callable[[str], str]:
    """The code that an authenticator app would show now (settings allow for a step in between)."""
    return lambda secret: format_hotp_value(hotp_value(secret, list(yield_hotp_counters_from_time())[1]))


@pytest.fixture
def link(client, at, herald) -> str:
    """Where Ada's letter leads; ``client`` is nobody."""
    at("owner")
    invite(client, herald)
    client.logout()
    return link_in(mail.outbox[-1])
