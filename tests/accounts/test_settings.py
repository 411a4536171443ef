"""An organisation's settings: who may change them, what is told, and times in its zone; a person's own."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from accounts import organisations
from accounts.access import principal_for
from accounts.models import ErrorRate
from accounts.organisations import General, time_zones
from accounts.requests import for_members, zone_of
from accounts.signals import happened
from tests.accounts.acts import picture, upload, url

pytestmark = pytest.mark.django_db


@pytest.fixture
def told():
    """What ``happened`` tells: pairs of event and details."""
    heard = []

    def listen(sender, event, details, **_):
        heard.append((event, details))

    happened.connect(listen)
    yield heard
    happened.disconnect(listen)


FORM = {"name": "The Herald", "time_zone": "Europe/Berlin", "keep_files_days": "30", "keep_records_days": ""}


def test_an_owner_changes_the_settings_and_it_is_told(member_client, principal, told):
    before = principal.organisation.name
    response = member_client.post(url("organisation_settings", principal.organisation), FORM, follow=True)
    assert b"Saved." in response.content
    principal.organisation.refresh_from_db()
    assert General.of(principal.organisation) == General("The Herald", "Europe/Berlin", 30, None)
    changed = {
        "name": [before, "The Herald"],
        "time_zone": ["UTC", "Europe/Berlin"],
        "keep_files_days": [None, 30],
    }
    assert told == [("organisation.changed", {"changed": changed})]


def test_what_is_the_same_already_is_not_told(principal, told):
    organisations.change(principal=principal, wanted=General.of(principal.organisation))
    organisations.choose_error_rate(principal=principal, error_rate=ErrorRate.USUAL)
    organisations.remove_logo(principal=principal)
    assert told == []


def test_the_error_rate_is_told(principal, told):
    organisations.choose_error_rate(principal=principal, error_rate=ErrorRate.STRICT)
    assert told == [("organisation.changed", {"changed": {"error_rate": ["0.01", "0.005"]}})]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "   ", "This field is required"),
        ("name", "x" * 121, "at most 120 characters"),
        ("name", "one\u202etwo", "on one line"),
        ("time_zone", "Mars/Base", "Select a valid choice"),
        ("keep_files_days", "0", "greater than or equal to 1"),
        ("keep_files_days", "soon", "Enter a whole number"),
        ("keep_records_days", "36501", "less than or equal to 36500"),
        ("keep_records_days", "29", "Images cannot be kept longer"),
    ],
)
def test_nonsense_is_refused_beside_its_field(member_client, principal, told, field, value, words):
    response = member_client.post(
        url("organisation_settings", principal.organisation), {**FORM, field: value}
    )
    assert response.status_code == 422
    assert words in response.content.decode()
    assert 'aria-invalid="true"' in response.content.decode()
    assert told == []


@pytest.mark.parametrize(("role", "status"), [("admin", 302), ("member", 403), ("auditor", 403)])
def test_only_owners_and_admins_change_anything(client, principal, make_principal, role, status):
    other = make_principal(role, principal.organisation)
    client.force_login(other.user)
    posts = [
        client.post(url("organisation_settings", principal.organisation), FORM),
        upload(client, principal, picture()),
        client.post(url("organisation_logo_remove", principal.organisation)),
    ]
    assert [each.status_code for each in posts] == [status] * 3
    for name in ("organisation_settings", "organisation_security", "organisation_answers"):
        page = client.get(url(name, principal.organisation))
        assert page.status_code == 200
        assert (b"Your role lets you read this" in page.content) == (status == 403)
        assert (b'class="button primary" type="submit"' in page.content) == (
            status == 302
        ) or "security" in name


def test_the_services_ask_the_gate_themselves(make_principal, make_organisation):
    member = make_principal("member", make_organisation())
    for act in (
        lambda: organisations.change(principal=member, wanted=General("X", "UTC")),
        lambda: organisations.set_logo(principal=member, data=picture()),
        lambda: organisations.remove_logo(principal=member),
        lambda: organisations.require_second_factor(principal=member, required=False),
        lambda: organisations.choose_error_rate(principal=member, error_rate=ErrorRate.STRICT),
    ):
        with pytest.raises(PermissionDenied):
            act()


@pytest.mark.parametrize(
    "name", ["organisation_settings", "organisation_security", "organisation_answers", "organisation_logo"]
)
def test_settings_of_others_are_not_found(client, principal, make_user, name):
    assert client.get(url(name, principal.organisation)).status_code == 302
    client.force_login(make_user())
    assert client.get(url(name, principal.organisation)).status_code == 404


def test_what_is_told_of_a_logo_names_no_file(principal, told):
    organisations.set_logo(principal=principal, data=picture())
    assert told == [("organisation.changed", {"changed": {"logo": ["none", "a picture"]}})]


def test_times_are_shown_in_the_organisations_zone(rf, principal):
    organisations.change(principal=principal, wanted=General("The Herald", "Asia/Tokyo"))
    seen = []
    request = rf.get("/")
    request.user, request.session = principal.user, {}

    @for_members
    def view(request, principal):
        from django.http import HttpResponse

        seen.append(timezone.get_current_timezone())
        return HttpResponse()

    view(request, principal.organisation.slug)
    assert seen == [ZoneInfo("Asia/Tokyo")]
    assert timezone.get_current_timezone_name() == "UTC", "and not beyond the request"


def test_the_page_tells_scripts_the_zone(member_client, principal):
    organisations.change(principal=principal, wanted=General("The Herald", "Asia/Tokyo"))
    assert b'data-time-zone="Asia/Tokyo"' in member_client.get(url("check", principal.organisation)).content


def test_a_zone_that_is_no_longer_known_is_utc(principal):
    principal.organisation.time_zone = "Soviet/Union"
    assert zone_of(principal.organisation) == ZoneInfo("UTC")


def test_every_zone_on_offer_is_known():
    assert {ZoneInfo(name).key for name in time_zones()} == set(time_zones())
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= set(time_zones())


def test_a_person_changes_the_own_name(member_client, principal):
    page = member_client.post(reverse("profile"), {"name": "Ada Brenner"}, follow=True)
    assert b"Saved." in page.content
    principal.user.refresh_from_db()
    assert principal.user.name == "Ada Brenner"
    assert principal_for(principal.user, principal.organisation.slug).organisation.name != "Ada Brenner"


def test_the_own_page_leads_everywhere(member_client, principal):
    page = member_client.get(reverse("profile")).content.decode()
    for name in ("account_email", "account_change_password", "mfa_index", "usersessions_list"):
        assert f'href="{reverse(name)}"' in page
    assert member_client.post(reverse("profile"), {"name": "x" * 151}).status_code == 422
    assert f'href="{reverse("profile")}"' in member_client.get("/", follow=True).content.decode()


def test_the_own_page_is_closed_to_strangers(client):
    assert client.get(reverse("profile")).status_code == 302


def test_a_field_that_a_program_sets_undoes_no_other_that_was_set_meanwhile(principal, make_principal):
    admin = make_principal("admin", principal.organisation)
    organisations.change_fields(principal=principal, fields={"name": "The New Herald"})
    organisations.change_fields(principal=admin, fields={"time_zone": "Europe/Berlin"})
    principal.organisation.refresh_from_db()
    assert (principal.organisation.name, principal.organisation.time_zone) == (
        "The New Herald",
        "Europe/Berlin",
    )
