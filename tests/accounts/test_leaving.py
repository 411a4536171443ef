"""Leaving, handing the organisation over, and what goes with who leaves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404

from accounts import members
from accounts.access import principal_for
from accounts.errors import Refused
from accounts.models import Invitation, Membership, Organisation, Role, User
from tests.accounts.acts import key_of, own

pytestmark = pytest.mark.django_db
OTHERS = (Role.ADMIN, Role.MEMBER, Role.AUDITOR)


class TestLeaving:
    @pytest.mark.parametrize("role", Role)
    def test_everybody_may_leave(self, acting, role, heard):
        principal = acting(role)
        members.leave(principal=principal)
        assert not principal.user.memberships.filter(organisation=principal.organisation).exists()
        assert [each["event"] for each in heard] == ["member.left"]

    def test_but_the_last_owner(self, principal, heard):
        with pytest.raises(Refused, match="Make somebody else an owner first"):
            members.leave(principal=principal)
        assert own(principal)
        assert not heard

    def test_not_a_key(self, herald):
        with pytest.raises(PermissionDenied):
            members.leave(principal=key_of(herald, "members:write", "members:read"))


class TestHandingOver:
    def test_the_other_becomes_the_owner_and_one_stays_as_admin(self, principal, make_member, heard):
        heir = make_member(principal.organisation, "auditor")
        members.give_ownership(principal=principal, pk=heir.memberships.get(role="auditor").pk)
        roles = dict(principal.organisation.memberships.values_list("user", "role"))
        assert roles == {principal.user.pk: Role.ADMIN, heir.pk: Role.OWNER}
        assert [each["event"] for each in heard] == ["member.ownership_given"]

    @pytest.mark.parametrize("role", OTHERS)
    def test_only_by_an_owner(self, acting, role):
        principal = acting(role)
        with pytest.raises(PermissionDenied):
            members.give_ownership(principal=principal, pk=own(principal).pk)

    def test_not_by_a_key(self, acting, herald):
        heir = own(acting("member"))
        with pytest.raises(PermissionDenied):
            members.give_ownership(principal=key_of(herald, "organisation:own", "members:read"), pk=heir.pk)

    def test_not_to_oneself(self, principal):
        with pytest.raises(Refused, match="already"):
            members.give_ownership(principal=principal, pk=own(principal).pk)
        assert own(principal).role == Role.OWNER

    def test_not_to_a_closed_account(self, principal, make_member):
        heir = make_member(principal.organisation)
        User.objects.filter(pk=heir.pk).update(is_active=False)
        with pytest.raises(Refused, match="closed"):
            members.give_ownership(principal=principal, pk=heir.memberships.get(role="member").pk)
        assert own(principal).role == Role.OWNER


class TestInvitationsThatWereSentBefore:
    """A link that somebody put aside is no way back in."""

    @pytest.fixture
    def sent(self, acting):
        def make(role: str, invited_to: str = "member"):
            principal = acting(role)
            invitation = Invitation.objects.create(
                organisation=principal.organisation,
                email=f"{role}-{invited_to}@x.org",
                role=invited_to,
                token_hash=f"hash of {role} {invited_to}",
                invited_by=principal.user,
                expires_at="2099-01-01T00:00Z",
            )
            return principal, invitation

        return make

    def test_go_with_who_sent_them(self, sent, acting):
        admin, invitation = sent("admin")
        _, stays = sent("owner")
        members.remove(principal=acting("owner"), pk=own(admin).pk)
        invitation.refresh_from_db()
        stays.refresh_from_db()
        assert invitation.revoked_at
        assert not stays.revoked_at

    def test_go_when_one_leaves(self, sent):
        admin, invitation = sent("admin")
        members.leave(principal=admin)
        invitation.refresh_from_db()
        assert invitation.revoked_at

    @pytest.mark.parametrize(
        ("before", "after", "invited_to", "stays"),
        [
            ("admin", "member", "member", False),
            ("owner", "admin", "owner", False),
            ("owner", "admin", "member", True),
            ("admin", "owner", "member", True),
        ],
    )
    def test_go_with_the_role_that_may_send_them(self, sent, acting, before, after, invited_to, stays):
        principal, invitation = sent(before, invited_to)
        members.change_role(principal=acting("owner"), pk=own(principal).pk, role=Role(after))
        invitation.refresh_from_db()
        assert (invitation.revoked_at is None) is stays


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["leave", "demote each other", "remove each other", "hand over and leave"])
def test_two_owners_at_once_cannot_both_go(make_organisation, make_member, act):
    """Whoever comes second finds that the other is gone, whatever they read before."""
    herald = make_organisation()
    for number in range(5):
        Membership.objects.filter(organisation=herald).delete()
        pair = [principal_for(make_member(herald, "owner"), herald.slug) for _ in range(2)]
        start = Barrier(2)

        def go(this: int, pair=pair, start=start) -> str:
            me, other = pair[this], own(pair[1 - this])
            start.wait()
            try:
                if act == "leave":
                    members.leave(principal=me)
                elif act == "demote each other":
                    members.change_role(principal=me, pk=other.pk, role=Role.MEMBER)
                elif act == "remove each other":
                    members.remove(principal=me, pk=other.pk)
                elif this:
                    members.leave(principal=me)
                else:
                    members.give_ownership(principal=me, pk=other.pk)
            except (Refused, Http404, PermissionDenied) as refused:
                return type(refused).__name__
            finally:
                connection.close()
            return "done"

        with ThreadPoolExecutor(2) as pool:
            outcomes = list(pool.map(go, range(2)))
        assert outcomes.count("done") == 1, (number, outcomes)
        assert Organisation.objects.get(pk=herald.pk).memberships.filter(role=Role.OWNER).exists()
