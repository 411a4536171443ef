"""The one gate, from both sides."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from accounts.access import (
    DELETE,
    READ,
    SETTINGS,
    WRITE,
    Principal,
    home_organisation,
    principal_for,
    require,
    scope,
)
from accounts.models import Membership, Role, User

TABLE = {
    (Role.OWNER, READ): True,
    (Role.OWNER, WRITE): True,
    (Role.OWNER, DELETE): True,
    (Role.OWNER, SETTINGS): True,
    (Role.ADMIN, READ): True,
    (Role.ADMIN, WRITE): True,
    (Role.ADMIN, DELETE): True,
    (Role.ADMIN, SETTINGS): True,
    (Role.MEMBER, READ): True,
    (Role.MEMBER, WRITE): True,
    (Role.MEMBER, DELETE): False,
    (Role.MEMBER, SETTINGS): False,
    (Role.AUDITOR, READ): True,
    (Role.AUDITOR, WRITE): False,
    (Role.AUDITOR, DELETE): False,
    (Role.AUDITOR, SETTINGS): False,
}


@pytest.mark.parametrize(("role", "permission"), TABLE)
def test_each_role_may_exactly_what_the_table_says(make_principal, role, permission):
    principal = make_principal(role)
    assert principal.may(permission) is TABLE[role, permission]
    if not TABLE[role, permission]:
        with pytest.raises(PermissionDenied):
            require(principal, permission)


def test_the_table_covers_every_role():
    assert {role for role, _ in TABLE} == set(Role)


def test_an_unknown_role_or_permission_opens_nothing(principal):
    assert not Principal(principal.user, principal.organisation, "boss").may(READ)
    assert not principal.may("organisation:sell")


def test_a_member_becomes_a_principal(make_organisation, make_member):
    organisation = make_organisation()
    user = make_member(organisation, "auditor")
    assert principal_for(user, organisation.slug) == Principal(user, organisation, "auditor")


def test_an_outsider_cannot_tell_a_strange_organisation_from_none(make_user, make_organisation):
    organisation = make_organisation()
    for slug in (organisation.slug, "no-such-organisation"):
        with pytest.raises(Http404):
            principal_for(make_user(), slug)


def test_a_stranger_is_let_in_nowhere(make_organisation):
    with pytest.raises(Http404):
        principal_for(AnonymousUser(), make_organisation().slug)


def test_a_superuser_is_no_member_either(make_user, make_organisation):
    with pytest.raises(Http404):
        principal_for(make_user(is_superuser=True, is_staff=True), make_organisation().slug)


def test_someone_shut_out_loses_access_even_with_an_open_socket(make_organisation, make_member):
    """The consumer keeps the user object from when the socket opened."""
    organisation = make_organisation()
    user = make_member(organisation)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert user.is_active
    with pytest.raises(Http404):
        principal_for(user, organisation.slug)


def test_a_removed_member_loses_access_at_once(make_organisation, make_member):
    organisation = make_organisation()
    user = make_member(organisation)
    principal_for(user, organisation.slug)
    Membership.objects.filter(user=user, organisation=organisation).delete()
    with pytest.raises(Http404):
        principal_for(user, organisation.slug)


def test_a_new_role_counts_at_once(make_organisation, make_member):
    organisation = make_organisation()
    user = make_member(organisation)
    Membership.objects.filter(user=user, organisation=organisation).update(role=Role.AUDITOR)
    assert not principal_for(user, organisation.slug).may(WRITE)


def test_scope_shows_the_own_organisation_alone(make_organisation, make_member):
    mine, theirs = make_organisation("Mine"), make_organisation("Theirs")
    principal = principal_for(make_member(mine), mine.slug)
    found = scope(principal, Membership.objects.all())
    assert found.count() == mine.memberships.count() == 2
    assert not found.filter(organisation=theirs).exists()


def test_scope_asks_for_the_permission(make_principal):
    auditor = make_principal("auditor")
    assert scope(auditor, Membership.objects.all()).exists()
    with pytest.raises(PermissionDenied):
        scope(auditor, Membership.objects.all(), DELETE)


def test_home_is_the_organisation_joined_first(make_user, make_organisation, make_member):
    user = make_user(name="Ada")
    make_member(make_organisation("Later"), user=user)
    assert home_organisation(user).name == "Ada"
    user.memberships.all().delete()
    assert home_organisation(user) is None
