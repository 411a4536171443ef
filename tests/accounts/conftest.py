"""An organisation, the Herald, with people of every role to act in it; what their apps show."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail

from accounts.access import Principal, principal_for
from accounts.models import Membership, User
from accounts.signals import happened
from tests.accounts import letters
from tests.accounts.acts import ADA, invite, link_in


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
def acting(herald, make_member) -> Callable[[str], Principal]:
    """``acting(role)``: somebody of this role in the Herald, which has an owner besides."""
    return lambda role: principal_for(make_member(herald, role), herald.slug)


@pytest.fixture
def heard() -> Iterator[list[dict]]:
    """All that was told to have happened."""
    events: list[dict] = []

    def listen(sender, **told):
        events.append(told)

    happened.connect(listen)
    yield events
    happened.disconnect(listen)


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


@pytest.fixture
def token(principal) -> str:
    """Of an open invitation of Ada to a member's role."""
    letters.invite(principal)
    return letters.token_in(mail.outbox[-1])


@pytest.fixture
def ada(make_user) -> User:
    return make_user(ADA)


@pytest.fixture
def base(principal) -> str:
    """The beginning of the addresses of ``principal``'s organisation."""
    return f"/o/{principal.organisation.slug}/"
