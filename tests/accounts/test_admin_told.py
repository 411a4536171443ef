"""What the platform's admins change in an organisation stands in the organisation's own record."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import Membership, Role
from history.models import AuditEvent

pytestmark = pytest.mark.django_db
ROOT = "root@platform.example"


@pytest.fixture
def staff(client, make_user):
    client.force_login(make_user(ROOT, is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def ben(make_member, make_user, principal):
    return make_member(principal.organisation, user=make_user("ben@x.org"))


def membership(ben, principal) -> Membership:
    return Membership.objects.get(user=ben, organisation=principal.organisation)


def page(model: str, view: str, *args) -> str:
    return reverse(f"admin:accounts_{model}_{view}", args=args)


def recorded(principal) -> list[tuple[str, str, str, str]]:
    rows = AuditEvent.objects.filter(organisation=principal.organisation).order_by("id")
    return [(row.actor, row.event, row.subject, row.details["role"]) for row in rows]


def save(staff, address: str, **fields) -> None:
    response = staff.post(address, fields)
    assert response.status_code == 302, response.context["errors"]


def test_adding_somebody(staff, principal, make_user):
    ben = make_user("ben@x.org")
    save(staff, page("membership", "add"), user=ben.pk, organisation=principal.organisation.pk, role="admin")
    assert recorded(principal) == [(ROOT, "member.added", "ben@x.org", "admin")]


def test_another_role(staff, principal, ben):
    row = membership(ben, principal)
    address = page("membership", "change", row.pk)
    same = {"user": ben.pk, "organisation": principal.organisation.pk}
    save(staff, address, **same, role="member")
    save(staff, address, **same, role="owner")
    assert recorded(principal) == [(ROOT, "member.role_changed", "ben@x.org", "owner")]
    assert AuditEvent.objects.get().details["before"] == "member"


def test_moving_somebody_elsewhere(staff, principal, ben, make_principal):
    other = make_principal()
    row = membership(ben, principal)
    address = page("membership", "change", row.pk)
    save(staff, address, user=ben.pk, organisation=other.organisation.pk, role="member")
    assert recorded(principal) == [(ROOT, "member.removed", "ben@x.org", "member")]
    assert recorded(other) == [(ROOT, "member.added", "ben@x.org", "member")]


@pytest.mark.parametrize("how", ["one", "chosen", "account", "chosen accounts"])
def test_removing_somebody(staff, principal, ben, how):
    row = membership(ben, principal)
    chosen = {"action": "delete_selected", "post": "yes"}
    if how == "one":
        save(staff, page("membership", "delete", row.pk), post="yes")
    elif how == "chosen":
        save(staff, page("membership", "changelist"), **chosen, _selected_action=row.pk)
    elif how == "account":
        save(staff, page("user", "delete", ben.pk), post="yes")
    else:
        save(staff, page("user", "changelist"), **chosen, _selected_action=ben.pk)
    assert not Membership.objects.filter(pk=row.pk).exists()
    assert recorded(principal) == [(ROOT, "member.removed", "ben@x.org", "member")]


def organisation_form(organisation, rows, **fields) -> dict:
    form = {
        "name": organisation.name,
        "slug": organisation.slug,
        "error_rate": "0.01",
        "time_zone": "UTC",
        "memberships-TOTAL_FORMS": len(rows),
        "memberships-INITIAL_FORMS": len([row for row in rows if row.get("id")]),
        **fields,
    }
    for number, row in enumerate(rows):
        form |= {f"memberships-{number}-{name}": value for name, value in row.items()}
    return form


def test_members_on_the_organisations_page(staff, principal, ben, make_user):
    organisation, eve = principal.organisation, make_user("eve@x.org")
    own = membership(principal.user, principal)
    rows = [
        {"id": own.pk, "organisation": organisation.pk, "user": principal.user.pk, "role": "admin"},
        {"id": membership(ben, principal).pk, "organisation": organisation.pk, "user": ben.pk}
        | {"role": "member", "DELETE": "on"},
        {"organisation": organisation.pk, "user": eve.pk, "role": Role.AUDITOR},
    ]
    save(staff, page("organisation", "change", organisation.pk), **organisation_form(organisation, rows))
    assert sorted(recorded(principal)) == sorted(
        [
            (ROOT, "member.role_changed", principal.user.email, "admin"),
            (ROOT, "member.removed", "ben@x.org", "member"),
            (ROOT, "member.added", "eve@x.org", "auditor"),
        ]
    )


def test_settings(staff, principal):
    organisation = principal.organisation
    form = organisation_form(organisation, [], name="New name", require_mfa="on")
    save(staff, page("organisation", "change", organisation.pk), **form)
    event = AuditEvent.objects.get(organisation=organisation)
    assert (event.actor, event.event) == (ROOT, "organisation.changed")
    assert event.details["changed"] == {"name": ["user1", "New name"], "require_mfa": [False, True]}


def test_closing_an_account_and_opening_it_again(staff, principal, ben):
    row = ben.memberships.get(organisation=principal.organisation)
    own = ben.memberships.exclude(pk=row.pk).get()
    rows = [
        {"id": each.pk, "organisation": each.organisation_id, "user": ben.pk, "role": each.role}
        for each in (own, row)
    ]
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "email": ben.email}
    for active in ({}, {"is_active": "on"}):
        form = {"memberships-TOTAL_FORMS": 2, "memberships-INITIAL_FORMS": 2, **joined, **active}
        for number, each in enumerate(rows):
            form |= {f"memberships-{number}-{name}": value for name, value in each.items()}
        save(staff, page("user", "change", ben.pk), **form)
    assert [event for _, event, *_ in recorded(principal)] == ["member.suspended", "member.reinstated"]
