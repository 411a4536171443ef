"""Nobody gives, or takes, a role that may what they may not themselves: every principal, role and way.

What must come out follows from ``ALLOWED`` and the scopes alone, not from the function that decides it.
"""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from accounts import access, invitations, members
from accounts.access import ALLOWED, MEMBERS_READ, MEMBERS_WRITE, SCOPES, Principal, principal_for
from accounts.models import Invitation, Membership, Role
from tests.accounts.acts import ADA, key_of, own

pytestmark = pytest.mark.django_db
SITE = "https://cifake.example"
PEOPLE = {f"person: {role}": ALLOWED[role] for role in Role}
PROGRAMS = {
    "key: members alone": frozenset({MEMBERS_READ, MEMBERS_WRITE}),
    "key: member's and members": ALLOWED[Role.MEMBER] | {MEMBERS_WRITE},
    "key: auditor's and members": ALLOWED[Role.AUDITOR] | {MEMBERS_WRITE},
    "key: admin's without keys": ALLOWED[Role.ADMIN] - {access.KEYS_WRITE},
    "key: every scope": SCOPES,
    "key: every scope but members": SCOPES - {MEMBERS_WRITE},
}
WHO = PEOPLE | PROGRAMS


@pytest.fixture
def by(herald, make_member):
    """``by(who)``: that principal in the Herald, which has an owner beside."""

    def make(who: str) -> Principal:
        if who in PROGRAMS:
            return key_of(herald, *PROGRAMS[who])
        return principal_for(make_member(herald, who.removeprefix("person: ")), herald.slug)

    return make


def invite(principal: Principal, role: Role, herald, make_member) -> None:
    invitations.invite(principal=principal, emails=[ADA], role=role, site=SITE)


def _invited(role: Role, herald) -> Invitation:
    owner = principal_for(herald.memberships.filter(role=Role.OWNER).first().user, herald.slug)
    invitations.invite(principal=owner, emails=[ADA], role=role, site=SITE)
    return Invitation.objects.get(email=ADA)


def invite_anew(principal: Principal, role: Role, herald, make_member) -> None:
    """Over an open invitation to ``role``, to a role that every role's holder could give."""
    _invited(role, herald)
    invitations.invite(principal=principal, emails=[ADA], role=role, site=SITE)


def resend(principal: Principal, role: Role, herald, make_member) -> None:
    invitations.resend(principal=principal, pk=_invited(role, herald).pk, site=SITE)


def revoke(principal: Principal, role: Role, herald, make_member) -> None:
    invitations.revoke(principal=principal, pk=_invited(role, herald).pk)


def give(principal: Principal, role: Role, herald, make_member) -> None:
    other = next(each for each in (Role.AUDITOR, Role.MEMBER) if not access.lacking(principal, ALLOWED[each]))
    person = make_member(herald, other if other != role else role)
    members.change_role(principal=principal, pk=_of(person, herald).pk, role=role)


def take(principal: Principal, role: Role, herald, make_member) -> None:
    person = make_member(herald, role)
    members.change_role(principal=principal, pk=_of(person, herald).pk, role=Role.AUDITOR)


def remove(principal: Principal, role: Role, herald, make_member) -> None:
    members.remove(principal=principal, pk=_of(make_member(herald, role), herald).pk)


def _of(person, herald) -> Membership:
    return Membership.objects.get(user=person, organisation=herald)


NEEDS_TWO = {take: (Role.AUDITOR,)}  # roles that the act takes beside the one it is about


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("act", [invite, invite_anew, resend, revoke, take, remove])
@pytest.mark.parametrize("who", WHO)
def test_a_role_is_given_and_taken_by_those_who_hold_all_of_it(who, act, role, by, herald, make_member):
    asked = {role, *NEEDS_TWO.get(act, ())}
    allowed = MEMBERS_WRITE in WHO[who] and all(ALLOWED[each] <= WHO[who] for each in asked)
    _does(allowed, lambda: act(by(who), role, herald, make_member))


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    "who", [each for each in WHO if ALLOWED[Role.MEMBER] <= WHO[each] or "auditor" in each]
)
def test_a_role_is_given_to_a_member_by_those_who_hold_all_of_it(who, role, by, herald, make_member):
    allowed = MEMBERS_WRITE in WHO[who] and ALLOWED[role] <= WHO[who]
    _does(allowed, lambda: give(by(who), role, herald, make_member))


def _does(allowed: bool, act) -> None:
    before = sorted(Membership.objects.values_list("user", "organisation", "role"))
    if allowed:
        act()
        return
    with pytest.raises(PermissionDenied):
        act()
    after = sorted(Membership.objects.values_list("user", "organisation", "role"))
    assert [row for row in before if row not in after] == []


def test_an_admin_gives_no_ownership_and_an_owner_does(by, herald, make_member):
    other = _of(make_member(herald, "member"), herald)
    for who, allowed in (("person: admin", False), ("key: every scope", False), ("person: owner", True)):
        _does(allowed, lambda who=who: members.give_ownership(principal=by(who), pk=other.pk))


def test_what_a_key_sent_is_withdrawn_once_it_could_not_send_it_any_more(by, herald):
    program = by("key: every scope")
    invitations.invite(principal=program, emails=[ADA], role=Role.ADMIN, site=SITE)
    invitations.invite(principal=program, emails=["eve@herald.example"], role=Role.MEMBER, site=SITE)
    program.key.scopes = sorted(ALLOWED[Role.MEMBER] | {MEMBERS_WRITE})
    program.key.save()
    open_ones = Invitation.objects.filter(revoked_at=None).values_list("email", flat=True)
    assert list(open_ones) == ["eve@herald.example"]


def test_the_form_offers_what_may_be_given_alone(at, client, herald):
    at("admin")
    page = client.get(f"/o/{herald.slug}/members/").content.decode()
    assert 'value="admin"' in page
    assert 'value="owner"' not in page


def test_a_person_keeps_managing_those_below(acting, herald):
    other = own(acting("auditor"))
    assert members.change_role(principal=acting("admin"), pk=other.pk, role=Role.ADMIN).role == Role.ADMIN
