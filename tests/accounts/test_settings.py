"""An organisation's settings: who may change them, what is told, and pictures that are made to hurt."""

from __future__ import annotations

import io
import re
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from accounts import organisations
from accounts.access import principal_for
from accounts.errors import Refused
from accounts.logos import MOST_BYTES, logo_from
from accounts.models import ErrorRate
from accounts.organisations import General, time_zones
from accounts.requests import for_members, zone_of
from accounts.signals import happened

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


def picture(form: str = "PNG", size: tuple[int, int] = (600, 300), **how) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, form, **how)
    return out.getvalue()


def address(name: str, principal, *args) -> str:
    return reverse(name, args=[principal.organisation.slug, *args])


def upload(client, principal, data: bytes, name: str = "logo.png"):
    return client.post(
        address("organisation_logo_change", principal), {"logo": SimpleUploadedFile(name, data)}
    )


def files_in(folder: str | Path) -> list[Path]:
    return [path for path in Path(folder).rglob("*") if path.is_file()]


FORM = {"name": "The Herald", "time_zone": "Europe/Berlin", "keep_files_days": "30", "keep_records_days": ""}


# --- Name, time zone, storage ---------------------------------------------------------------


def test_an_owner_changes_the_settings_and_it_is_told(member_client, principal, told):
    before = principal.organisation.name
    response = member_client.post(address("organisation_settings", principal), FORM, follow=True)
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
def test_what_makes_no_sense_is_refused_beside_its_field(member_client, principal, told, field, value, words):
    response = member_client.post(address("organisation_settings", principal), {**FORM, field: value})
    assert response.status_code == 422
    assert words in response.content.decode()
    assert 'aria-invalid="true"' in response.content.decode()
    assert told == []


@pytest.mark.parametrize(("role", "status"), [("admin", 302), ("member", 403), ("auditor", 403)])
def test_only_owners_and_admins_change_anything(client, principal, make_principal, role, status):
    other = make_principal(role, principal.organisation)
    client.force_login(other.user)
    posts = [
        client.post(address("organisation_settings", principal), FORM),
        upload(client, principal, picture()),
        client.post(address("organisation_logo_remove", principal)),
    ]
    assert [each.status_code for each in posts] == [status] * 3
    for name in ("organisation_settings", "organisation_security", "organisation_answers"):
        page = client.get(address(name, principal))
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
    assert client.get(address(name, principal)).status_code == 302
    client.force_login(make_user())
    assert client.get(address(name, principal)).status_code == 404


# --- Logo -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_logo_is_drawn_anew_and_served_through_the_gate(member_client, principal, form, settings):
    upload(member_client, principal, picture(form))
    response = member_client.get(address("organisation_logo", principal))
    assert (response["Content-Type"], response["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    served = Image.open(io.BytesIO(response.content))
    assert (served.format, served.size, served.info) == ("PNG", (256, 128), {})
    again = member_client.get(
        address("organisation_logo", principal), headers={"if-none-match": response["ETag"]}
    )
    assert again.status_code == 304
    [file] = files_in(settings.MEDIA_ROOT)
    assert re.fullmatch(r"[0-9a-f]{2}/[0-9a-f]{32}", str(file.relative_to(settings.MEDIA_ROOT)))
    page = member_client.get(address("check", principal)).content.decode()
    assert f'src="{address("organisation_logo", principal)}"' in page


def test_a_small_logo_is_not_enlarged_and_one_on_its_side_stands_up(member_client, principal):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90°
    upright = Image.open(io.BytesIO(logo_from(picture("JPEG", (100, 50), exif=exif))))
    assert upright.size == (50, 100)


def test_the_old_file_goes_once_the_new_one_is_on_record(
    member_client, principal, settings, django_capture_on_commit_callbacks
):
    upload(member_client, principal, picture())
    first = files_in(settings.MEDIA_ROOT)
    with django_capture_on_commit_callbacks(execute=True):
        upload(member_client, principal, picture(size=(20, 20)))
    second = files_in(settings.MEDIA_ROOT)
    assert len(second) == 1
    assert second != first
    with django_capture_on_commit_callbacks(execute=True):
        member_client.post(address("organisation_logo_remove", principal))
    assert files_in(settings.MEDIA_ROOT) == []
    assert member_client.get(address("organisation_logo", principal)).status_code == 404


def test_a_change_that_fails_leaves_the_old_file_and_no_new_one(principal, settings):
    organisations.set_logo(principal=principal, data=picture())
    before = files_in(settings.MEDIA_ROOT)

    def fail(**_):
        raise RuntimeError("no room for the audit log")

    happened.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            organisations.set_logo(principal=principal, data=picture(size=(9, 9)))
    finally:
        happened.disconnect(fail)
    assert files_in(settings.MEDIA_ROOT) == before


def test_what_is_told_of_a_logo_names_no_file(principal, told):
    organisations.set_logo(principal=principal, data=picture())
    assert told == [("organisation.changed", {"changed": {"logo": ["none", "a picture"]}})]


def claiming(width: int, height: int) -> bytes:
    """A few bytes of PNG that claim a picture of that size."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    chunks = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HOSTILE = {
    "svg": (SVG, "not a picture that we can read"),
    "html": (b"<html><script>alert(1)</script>", "not a picture that we can read"),
    "cut in half": (picture()[:100], "not a picture that we can read"),
    "cut jpeg": (picture("JPEG")[:300], "not a picture that we can read"),
    "gif": (picture("GIF"), "not a picture that we can read"),
    "tiff": (picture("TIFF"), "not a picture that we can read"),
    "gigapixels": (claiming(60_000, 60_000), "too many pixels"),
    "many pixels": (claiming(5000, 5000), "too many pixels"),
    "nothing wide": (claiming(0, 10), "not a picture that we can read"),
    "too many bytes": (picture() + b"\0" * MOST_BYTES, "too large"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_logo_is_refused_with_a_sentence(member_client, principal, settings, name):
    data, words = HOSTILE[name]
    response = upload(member_client, principal, data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert files_in(settings.MEDIA_ROOT) == []


def test_no_file_and_an_empty_one_are_refused(member_client, principal):
    assert member_client.post(address("organisation_logo_change", principal), {}).status_code == 422
    assert upload(member_client, principal, b"").status_code == 422


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(where=st.integers(0, 4000), what=st.binary(max_size=40), form=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_whatever_is_broken_in_a_picture_nothing_but_refused_is_raised(where, what, form):
    data = picture(form, (60, 40))
    at = where % len(data)
    with suppress(Refused):
        made = logo_from(data[:at] + what + data[at + len(what) :])
        assert max(Image.open(io.BytesIO(made)).size) <= 256


# --- Time zone ------------------------------------------------------------------------------


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
    assert b'data-time-zone="Asia/Tokyo"' in member_client.get(address("check", principal)).content


def test_a_zone_that_is_no_longer_known_is_utc(principal):
    principal.organisation.time_zone = "Soviet/Union"
    assert zone_of(principal.organisation) == ZoneInfo("UTC")


def test_every_zone_on_offer_is_known():
    assert {ZoneInfo(name).key for name in time_zones()} == set(time_zones())
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= set(time_zones())


# --- Personal settings ----------------------------------------------------------------------


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
