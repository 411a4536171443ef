"""What a program made or sent goes with the person who saw its value, whoever has rotated the key since."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import RequestFactory
from django.utils import timezone

from accounts import access, invitations, joining, key_selectors, keys, members, selectors
from accounts.access import Principal
from accounts.authentication import KeyAuthentication
from accounts.joining import InvitationClosed
from accounts.models import ApiKey, KeySecret, Membership, Role

pytestmark = pytest.mark.django_db
SITE = "https://cifake.example"
EVERYTHING = sorted(access.SCOPES)


@pytest.fixture
def admin(make_principal, principal) -> Principal:
    return make_principal(Role.ADMIN, principal.organisation)


def program(value: str) -> Principal:
    """Who acts in a request that carries the value."""
    request = RequestFactory().get("/api/v1/", HTTP_AUTHORIZATION=f"Bearer {value}")
    found = KeyAuthentication().authenticate(request)
    assert found is not None
    return found[1]


def shut_out(principal: Principal, admin: Principal, how: str) -> None:
    membership = Membership.objects.get(user=admin.user, organisation=admin.organisation)
    if how == "removed":
        members.remove(principal=principal, pk=membership.pk)
    elif how == "removed by the platform":
        membership.delete()
    elif how == "demoted by the platform":
        membership.role = Role.MEMBER
        membership.save()
    elif how == "suspended":
        admin.user.is_active = False
        admin.user.save()
    else:
        admin.user.delete()


WAYS = ["removed", "removed by the platform", "demoted by the platform", "suspended", "deleted"]


class TestTheOldValue:
    """In the overlap of a rotation two people have each seen a value of one key."""

    @pytest.fixture
    def old(self, admin, principal, make_key) -> Principal:
        key, value = make_key(admin)
        keys.rotate(principal=principal, pk=key.pk, overlap_hours=24)
        return program(value)

    def test_a_key_made_by_it_goes_with_who_saw_it(self, old, admin, principal):
        made, _ = keys.make(principal=old, name="put aside", scopes=EVERYTHING)
        shut_out(principal, admin, "removed")
        assert key_selectors.is_closed(key_selectors.with_maker().get(key=made))

    def test_so_does_a_value_that_it_rotates_to(self, old, admin, principal):
        ends = timezone.now() + timedelta(hours=1)
        other, _ = keys.make(principal=principal, name="other", scopes=EVERYTHING, expires_at=ends)
        _, value = keys.rotate(principal=old, pk=other.pk)
        assert KeySecret.objects.get(token_key=value[:15]).made_by == admin.user

    def test_it_changes_nothing_once_its_reader_is_shut_out_or_it_was_ended(self, old, admin, principal):
        shut_out(principal, admin, "removed by the platform")
        with pytest.raises(Http404):
            keys.change(principal=old, pk=old.key.pk, fields={"name": "mine"})
        with pytest.raises(Http404):
            invitations.invite(principal=old, emails=["a@x.org"], role=Role.MEMBER, site=SITE)

    def test_it_may_no_more_than_its_reader_while_the_request_runs(self, old, admin, principal):
        Membership.objects.filter(user=admin.user, organisation=admin.organisation).update(role=Role.MEMBER)
        with pytest.raises(PermissionDenied):
            keys.change(principal=old, pk=old.key.pk, fields={"name": "mine"})


class TestKeysOfPeople:
    @pytest.mark.parametrize(
        "act",
        [
            lambda principal, key: keys.make(principal=principal, name="x", scopes=[access.READ]),
            lambda principal, key: keys.change(principal=principal, pk=key.pk, fields={"addresses": []}),
            lambda principal, key: keys.rotate(principal=principal, pk=key.pk),
            lambda principal, key: keys.revoke(principal=principal, pk=key.pk),
        ],
        ids=["make", "change", "rotate", "revoke"],
    )
    def test_who_was_removed_since_the_page_opened_does_nothing(self, act, admin, principal, make_key):
        key, _ = make_key(principal)
        shut_out(principal, admin, "removed")
        with pytest.raises(Http404):
            act(admin, key)
        assert ApiKey.objects.filter(revoked_at=None).count() == 1


def sent_by(principal: Principal, role: Role = Role.ADMIN) -> str:
    """The token of an invitation."""
    invitations.invite(principal=principal, emails=["aside@evil.example"], role=role, site=SITE)
    return re.search(r"/invitations/([\w-]+)/", mail.outbox[-1].body)[1]


def is_open(token: str) -> bool:
    try:
        joining.find(token)
    except InvitationClosed:
        return False
    return True


class TestInvitations:
    @pytest.mark.parametrize("how", WAYS)
    @pytest.mark.parametrize("by", ["person", "program"])
    def test_a_link_put_aside_is_no_way_back_in(self, how, by, admin, principal, make_key):
        token = sent_by(admin if by == "person" else program(make_key(admin)[1]))
        assert is_open(token)
        shut_out(principal, admin, how)
        assert not is_open(token)

    def test_nor_is_an_owners_once_they_are_one_no_more(self, principal, make_principal):
        second = make_principal(Role.OWNER, principal.organisation)
        owners, admins = sent_by(second, Role.OWNER), None
        membership = Membership.objects.get(user=second.user, organisation=principal.organisation)
        members.change_role(principal=principal, pk=membership.pk, role=Role.ADMIN)
        assert not is_open(owners)
        admins = sent_by(access.principal_for(second.user, principal.organisation.slug))
        membership.refresh_from_db()
        membership.save()
        assert is_open(admins)

    def test_others_stay(self, admin, principal, make_key):
        token = sent_by(program(make_key(principal)[1]))
        shut_out(principal, admin, "removed")
        assert is_open(token)

    def test_sent_again_by_somebody_else_it_goes_with_them(self, admin, principal, make_key):
        sent_by(program(make_key(admin)[1]))
        pk = principal.organisation.invitations.get().pk
        invitations.resend(principal=principal, pk=pk, site=SITE)
        token = re.search(r"/invitations/([\w-]+)/", mail.outbox[-1].body)[1]
        shut_out(principal, admin, "removed")
        assert is_open(token)

    @pytest.mark.parametrize("how", ["revoked", "may invite no more"])
    def test_they_go_with_the_key(self, how, principal, make_key):
        key, value = make_key(principal)
        token = sent_by(program(value))
        if how == "revoked":
            keys.revoke(principal=principal, pk=key.pk)
        else:
            keys.change(principal=principal, pk=key.pk, fields={"scopes": [access.READ]})
        assert not is_open(token)

    def test_the_page_says_which_program_sent_it_and_what_ends_with_it(
        self, member_client, principal, make_key
    ):
        key, value = make_key(principal, name="Staff list")
        sent_by(program(value))
        base = f"/o/{principal.organisation.slug}/"
        assert (
            "Invited by API key <bdi>Staff list</bdi>"
            in member_client.get(base + "members/").content.decode()
        )
        page = member_client.get(f"{base}keys/{key.pk}/revoke/").content.decode()
        assert "1 invitation that it sent" in page


def test_who_leaves_is_not_told_of_values_that_work_no_more_anyhow(admin, make_key):
    make_key(admin, name="works")
    make_key(admin, name="expired")[0].secrets.update(expiry=timezone.now())
    membership = Membership.objects.get(user=admin.user, organisation=admin.organisation)
    assert selectors.keys_resting_on(membership) == ["works"]
