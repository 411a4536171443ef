"""Roles, removal, leaving and handing over: each rule, and each way around it that fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404

from accounts import members
from accounts.access import principal_for, principal_of_key
from accounts.errors import Refused
from accounts.models import ApiKey, Invitation, Membership, Organisation, Role, User
from accounts.signals import happened

pytestmark = pytest.mark.django_db
OTHERS = (Role.ADMIN, Role.MEMBER, Role.AUDITOR)


@pytest.fixture
def acting(herald, make_member):
    """``acting(role)``: somebody of this role in the Herald, which has an owner besides."""
    return lambda role: principal_for(make_member(herald, role), herald.slug)


@pytest.fixture
def heard():
    """All that was told to have happened."""
    events: list[dict] = []

    def listen(sender, **told):
        events.append(told)

    happened.connect(listen)
    yield events
    happened.disconnect(listen)


def own(principal) -> Membership:
    return Membership.objects.get(organisation=principal.organisation, user=principal.user)


def key_of(organisation, *scopes: str):
    key = ApiKey.objects.create(organisation=organisation, name="CMS", scopes=list(scopes))
    return principal_of_key(key)


class TestChangingRoles:
    @pytest.mark.parametrize("before", OTHERS)
    @pytest.mark.parametrize("after", OTHERS)
    def test_an_admin_manages_all_but_owners(self, acting, before, after):
        other = own(acting(before))
        members.change_role(principal=acting("admin"), pk=other.pk, role=after)
        other.refresh_from_db()
        assert other.role == after

    @pytest.mark.parametrize("after", Role)
    def test_an_owner_gives_any_role(self, acting, after):
        other = own(acting("member"))
        assert members.change_role(principal=acting("owner"), pk=other.pk, role=after).role == after

    @pytest.mark.parametrize(("before", "after"), [("member", "owner"), ("owner", "member")])
    def test_only_an_owner_makes_or_unmakes_owners(self, acting, before, after):
        other = own(acting(before))
        for principal in (acting("admin"), key_of(other.organisation, "members:write", "members:read")):
            with pytest.raises(PermissionDenied):
                members.change_role(principal=principal, pk=other.pk, role=Role(after))
        other.refresh_from_db()
        assert other.role == before

    @pytest.mark.parametrize("role", ["member", "auditor"])
    def test_others_change_nobodys_role(self, acting, role):
        principal = acting(role)
        for pk in (own(principal).pk, own(acting("auditor")).pk):
            with pytest.raises(PermissionDenied):
                members.change_role(principal=principal, pk=pk, role=Role.ADMIN)

    def test_nobody_makes_themselves_more(self, acting):
        admin = acting("admin")
        with pytest.raises(PermissionDenied):
            members.change_role(principal=admin, pk=own(admin).pk, role=Role.OWNER)

    def test_stepping_down_is_possible_and_counts_at_once(self, acting):
        admin = acting("admin")
        members.change_role(principal=admin, pk=own(admin).pk, role=Role.AUDITOR)
        with pytest.raises(PermissionDenied):  # with the principal that was read before
            members.change_role(principal=admin, pk=own(admin).pk, role=Role.ADMIN)
        assert own(admin).role == Role.AUDITOR

    def test_the_last_owner_stays_owner(self, principal):
        with pytest.raises(Refused, match="last one") as refused:
            members.change_role(principal=principal, pk=own(principal).pk, role=Role.ADMIN)
        assert refused.value.code == "last_owner"
        assert own(principal).role == Role.OWNER

    def test_an_owner_whose_account_is_closed_does_not_count(self, principal, make_member):
        make_member(principal.organisation, "owner", User.objects.create_user("gone@x.org", is_active=False))
        with pytest.raises(Refused):
            members.change_role(principal=principal, pk=own(principal).pk, role=Role.ADMIN)

    def test_the_same_role_again_is_no_event(self, acting, heard):
        other = own(acting("member"))
        members.change_role(principal=acting("owner"), pk=other.pk, role=Role.MEMBER)
        assert not heard

    def test_a_key_may_manage_members_if_its_scopes_say_so(self, acting, herald):
        other = own(acting("member"))
        with pytest.raises(PermissionDenied):
            members.change_role(principal=key_of(herald, "members:read"), pk=other.pk, role=Role.AUDITOR)
        key = key_of(herald, "members:read", "members:write")
        assert members.change_role(principal=key, pk=other.pk, role=Role.AUDITOR).role == Role.AUDITOR
        ApiKey.objects.update(revoked_at="2026-01-01T00:00Z")
        with pytest.raises(Http404):
            members.change_role(principal=key, pk=other.pk, role=Role.MEMBER)


@pytest.mark.parametrize("act", ["change_role", "remove", "give_ownership"])
class TestOtherOrganisations:
    def test_their_members_do_not_exist(self, act, acting, make_principal):
        theirs = own(make_principal())
        extra = {"role": Role.MEMBER} if act == "change_role" else {}
        for pk in (theirs.pk, 10**30, 0):
            with pytest.raises(Http404):
                getattr(members, act)(principal=acting("owner"), pk=pk, **extra)
        theirs.refresh_from_db()
        assert theirs.role == Role.OWNER

    def test_who_was_removed_a_second_ago_does_nothing(self, act, acting):
        owner, other = acting("owner"), own(acting("member"))
        own(owner).delete()
        extra = {"role": Role.OWNER} if act == "change_role" else {}
        with pytest.raises(Http404):
            getattr(members, act)(principal=owner, pk=other.pk, **extra)
        other.refresh_from_db()
        assert other.role == Role.MEMBER

    def test_who_was_suspended_a_second_ago_does_nothing(self, act, acting):
        owner, other = acting("owner"), own(acting("member"))
        User.objects.filter(pk=owner.user.pk).update(is_active=False)
        extra = {"role": Role.OWNER} if act == "change_role" else {}
        with pytest.raises(Http404):
            getattr(members, act)(principal=owner, pk=other.pk, **extra)
        assert Membership.objects.filter(pk=other.pk, role=Role.MEMBER).exists()


class TestRemoving:
    @pytest.mark.parametrize("role", OTHERS)
    def test_an_admin_removes_all_but_owners(self, acting, role, heard):
        admin, other = acting("admin"), own(acting(role))
        assert members.remove(principal=admin, pk=other.pk) == other.user
        assert not Membership.objects.filter(pk=other.pk).exists()
        assert [(each["event"], each["subject"], each["principal"].user) for each in heard] == [
            ("member.removed", other.user, admin.user)
        ]

    def test_an_owner_removes_another(self, acting):
        other = own(acting("owner"))
        members.remove(principal=acting("owner"), pk=other.pk)
        assert not Membership.objects.filter(pk=other.pk).exists()

    @pytest.mark.parametrize("role", OTHERS)
    def test_nobody_else_removes_an_owner(self, acting, role):
        owner = own(acting("owner"))
        with pytest.raises(PermissionDenied):
            members.remove(principal=acting(role), pk=owner.pk)
        assert Membership.objects.filter(pk=owner.pk).exists()

    def test_the_last_owner_is_not_removed(self, principal):
        with pytest.raises(Refused):
            members.remove(principal=principal, pk=own(principal).pk)
        assert own(principal)

    def test_the_account_and_its_other_memberships_stay(self, acting, make_organisation, make_member):
        other = own(acting("member"))
        make_member(make_organisation("The Post"), user=other.user)
        members.remove(principal=acting("owner"), pk=other.pk)
        assert {each.name for each in other.user.organisations.all()} > {"The Post"}


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
