"""What a link of an invitation is worth, and to whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from accounts import joining
from accounts.errors import Refused
from accounts.joining import InvitationClosed
from accounts.models import Invitation, Membership, Role, User
from tests.accounts.acts import ADA
from tests.accounts.letters import invite, refused_because, token_in

pytestmark = pytest.mark.django_db


class TestAccepting:
    def test_makes_a_member_once(self, principal, token, ada, make_user):
        membership = joining.accept(user=ada, token=token)
        assert (membership.organisation, membership.role) == (principal.organisation, Role.MEMBER)
        assert refused_because(token) == "used"
        with pytest.raises(InvitationClosed):
            joining.accept(user=make_user(), token=token, as_other=True)
        assert principal.organisation.memberships.count() == 2

    def test_confirms_the_address_on_the_account_that_has_it(self, token, ada):
        EmailAddress.objects.create(user=ada, email=ADA, primary=True, verified=False)
        joining.accept(user=ada, token=token)
        assert EmailAddress.objects.get(user=ada).verified

    def test_a_second_address_of_ones_own_will_do(self, token, make_user):
        user = make_user("private@x.org")
        EmailAddress.objects.create(user=user, email=ADA)
        assert joining.accept(user=user, token=token)
        assert EmailAddress.objects.get(user=user).verified

    def test_what_another_account_has_confirmed_stays_theirs(self, token, ada, make_user):
        EmailAddress.objects.create(user=ada, email=ADA, verified=True)
        user = make_user("private@x.org")
        EmailAddress.objects.create(user=user, email=ADA)
        joining.accept(user=user, token=token)
        assert not EmailAddress.objects.get(user=user).verified

    def test_under_another_address_only_knowingly_and_without_getting_the_address(self, token, make_user):
        user = make_user("private@x.org")
        with pytest.raises(Refused, match=r"You are signed in as private@x\.org"):
            joining.accept(user=user, token=token)
        assert joining.find(token)
        assert joining.accept(user=user, token=token, as_other=True)
        assert not EmailAddress.objects.filter(user=user, email=ADA).exists()

    def test_who_is_a_member_already_keeps_the_role(self, principal, make_member, make_user):
        invite(principal, "alias@x.org", role=Role.AUDITOR)
        user = make_member(principal.organisation, "admin")
        joining.accept(user=user, token=token_in(mail.outbox[-1]), as_other=True)
        assert principal.organisation.memberships.get(user=user).role == Role.ADMIN

    @pytest.mark.parametrize("token", ["", "x", "x" * 43, "\0", "é" * 1000])
    def test_a_made_up_link_opens_nothing(self, ada, token):
        assert refused_because(token) == "unknown"
        with pytest.raises(InvitationClosed):
            joining.accept(user=ada, token=token)

    def test_nor_does_the_hash_that_is_kept(self, token):
        assert refused_because(Invitation.objects.get().token_hash) == "unknown"

    def test_the_last_second_counts(self, token, ada, monkeypatch):
        expires = Invitation.objects.get().expires_at
        monkeypatch.setattr(joining.timezone, "now", lambda: expires)
        assert refused_because(token) == "expired"
        monkeypatch.setattr(joining.timezone, "now", lambda: expires - timedelta(milliseconds=1))
        assert joining.accept(user=ada, token=token)

    def test_declining_ends_it(self, token, ada):
        joining.decline(token=token)
        assert refused_because(token) == "withdrawn"
        with pytest.raises(InvitationClosed):
            joining.decline(token=token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", [True, False])
def test_two_who_accept_at_once_make_one_membership(principal, token, make_user, same):
    people = [make_user(ADA)] * 2 if same else [make_user(), make_user()]
    start = Barrier(2)

    def go(user: User) -> str:
        start.wait()
        try:
            joining.accept(user=user, token=token, as_other=True)
        except InvitationClosed as closed:
            return closed.state
        finally:
            connection.close()
        return "joined"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(go, people)) == ["joined", "used"]
    assert Membership.objects.filter(organisation=principal.organisation).count() == 2
