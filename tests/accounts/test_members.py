"""Roles and removal: each rule, and each way around it that fails."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts import access, members
from accounts.errors import Refused
from accounts.models import ApiKey, Membership, Role, User
from tests.accounts.acts import key_of, own

pytestmark = pytest.mark.django_db
OTHERS = (Role.ADMIN, Role.MEMBER, Role.AUDITOR)


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
        key = key_of(herald, *access.ALLOWED[Role.MEMBER], *access.ALLOWED[Role.AUDITOR], "members:write")
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
