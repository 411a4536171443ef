"""The pages of keys, as people with and without rights see them."""

import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts import access, keys, usage
from accounts.api_urls import urlpatterns as account_patterns
from accounts.models import ApiKey, KeySecret, Membership, Role
from detection.api_urls import urlpatterns as detection_patterns
from history.api_urls import urlpatterns as history_patterns
from tests.accounts.acts import said

pytestmark = pytest.mark.django_db
NEW = {
    "name": "Content system",
    "scopes": [access.READ, access.WRITE],
    "term": "90",
    "addresses": "192.0.2.7\n198.51.100.0/24",
    "per_minute": "60",
    "per_month": "500",
    "once": "abc",
}


@pytest.fixture
def visitor(client, make_principal, principal):
    """``visitor(role)``: the client, signed in as somebody of that role in the principal's organisation."""

    def sign_in(role: str):
        client.force_login(make_principal(role, principal.organisation).user)
        return client

    return sign_in


def value_on(response) -> str:
    return re.search(r'id="value"[^>]*>(cfk_[0-9a-f]{64})<', response.content.decode())[1]


class TestMake:
    def test_the_value_is_shown_once(self, member_client, base, principal):
        response = member_client.post(base + "keys/new/", NEW)
        value = value_on(response)
        assert response.headers["Cache-Control"].count("no-store") == 1
        key = ApiKey.objects.get()
        assert (key.scopes, key.per_minute, key.per_month) == ([access.READ, access.WRITE], 60, 500)
        assert key.addresses == ["192.0.2.7/32", "198.51.100.0/24"]
        days = key.secrets.get().expiry - timezone.now()
        assert timedelta(days=89) < days <= timedelta(days=90)
        assert value not in member_client.get(base + "keys/").content.decode()

    def test_a_page_loaded_anew_makes_no_second_key(self, member_client, base):
        member_client.post(base + "keys/new/", NEW)
        again = member_client.post(base + "keys/new/", NEW, follow=True)
        assert ApiKey.objects.count() == 1
        assert "This form was sent before" in said(again)

    def test_a_form_that_came_back_may_be_sent_again(self, member_client, base):
        wrong = member_client.post(base + "keys/new/", {**NEW, "addresses": "192.0.2.7/24"})
        assert wrong.status_code == 422
        assert "For its whole network write 192.0.2.0/24" in said(wrong)
        assert value_on(member_client.post(base + "keys/new/", NEW))

    def test_each_form_is_another(self, member_client, base):
        marks = [
            re.search(r'name="once" value="([^"]+)"', member_client.get(base + "keys/new/").content.decode())[
                1
            ]
            for _ in range(2)
        ]
        assert marks[0] != marks[1]

    def test_a_key_may_last_for_ever_if_so_chosen(self, member_client, base):
        member_client.post(base + "keys/new/", {**NEW, "term": "never", "per_month": "", "addresses": ""})
        assert (KeySecret.objects.get().expiry, ApiKey.objects.get().per_month) == (None, None)

    def test_scopes_are_offered_in_words_and_the_organisation_itself_is_not(self, member_client, base):
        page = member_client.get(base + "keys/new/")
        assert all(access.PERMISSIONS[scope] in said(page) for scope in access.SCOPES)
        assert access.OWN not in page.content.decode()

    @pytest.mark.parametrize(
        ("field", "wrong"),
        [
            ("name", ""),
            ("name", "x" * 81),
            ("name", "a\x00b"),
            ("scopes", []),
            ("scopes", ["organisation:own"]),
            ("scopes", ["<script>"]),
            ("term", "36500"),
            ("term", ""),
            ("addresses", "example.org"),
            ("addresses", "1 " * 2000),
            ("per_minute", "0"),
            ("per_minute", "many"),
            ("per_minute", "1e3"),
            ("per_minute", "99999999999999999999"),
            ("per_month", "-1"),
            ("once", "a b\n"),
        ],
    )
    def test_what_makes_no_sense_is_said_beside_its_field(self, member_client, base, field, wrong):
        response = member_client.post(base + "keys/new/", {**NEW, field: wrong})
        assert response.status_code == 422
        assert field in response.context["form"].errors
        assert "errorlist" in response.content.decode()
        assert not ApiKey.objects.exists()

    @pytest.mark.parametrize("body", ['{"name": "x"}', "[]", '"x"', "{", ""])
    def test_json_is_no_form(self, member_client, base, body):
        response = member_client.post(base + "keys/new/", body, content_type="application/json")
        assert response.status_code == 422
        assert not ApiKey.objects.exists()

    def test_what_the_service_refuses_is_said_on_the_page(self, member_client, base, monkeypatch):
        def refuse(**_):
            raise ValidationError("There are 200 keys already.")

        monkeypatch.setattr(keys, "make", refuse)
        response = member_client.post(base + "keys/new/", NEW)
        assert response.status_code == 422
        assert "There are 200 keys already." in said(response)


class TestList:
    def test_it_tells_what_a_key_may_and_how_much(self, member_client, base, principal, make_key):
        key, value = make_key(principal, [access.READ], per_month=500, addresses=["192.0.2.0/24"])
        usage.count_images(access.principal_of_key(key), 20)
        page = said(member_client.get(base + "keys/"))
        for words in (
            "Works",
            value[:15],
            "See images",
            "192.0.2.0/24",
            "500 images a month (20 used)",
            "never",
        ):
            assert words in page

    def test_an_empty_one_says_what_a_key_is_for(self, member_client, base):
        assert "Make the first key" in said(member_client.get(base + "keys/"))

    def test_a_key_that_stands_still_says_why(self, member_client, base, principal, make_key, make_principal):
        admin = make_principal(Role.ADMIN, principal.organisation)
        make_key(admin)
        Membership.objects.filter(user=admin.user, organisation=principal.organisation).delete()
        assert "Whoever saw its value is not a member any more" in said(member_client.get(base + "keys/"))

    def test_names_are_shown_as_text(self, member_client, base, principal, make_key):
        make_key(principal, name="<b>x</b>")
        assert "&lt;b&gt;x&lt;/b&gt;" in member_client.get(base + "keys/").content.decode()

    @pytest.mark.parametrize(("alone", "with_it"), access.TAKES.items())
    def test_what_would_open_nothing_alone_is_refused(self, member_client, base, alone, with_it):
        refused = member_client.post(base + "keys/new/", {**NEW, "scopes": [alone]})
        assert refused.status_code == 422
        assert access.PERMISSIONS[with_it] in said(refused).partition("works only together with")[2]
        assert not ApiKey.objects.exists()
        assert value_on(member_client.post(base + "keys/new/", {**NEW, "scopes": [alone, with_it]}))


def test_what_goes_together_is_what_the_addresses_of_the_api_ask_for():
    """Every method that takes the left of a pair takes the right as well."""
    pairs = {
        permission: set(needed) - {permission}
        for needed in api_needs()
        for permission in needed
        if permission in access.TAKES
    }
    assert pairs == {permission: {other} for permission, other in access.TAKES.items()}


def api_needs():
    for pattern in [*account_patterns, *detection_patterns, *history_patterns]:
        for needed in getattr(pattern.callback.cls, "permissions", {}).values():
            yield (needed,) if isinstance(needed, str) else needed


class TestChange:
    def test_the_form_shows_what_is_and_saves_what_shall_be(self, member_client, base, principal, make_key):
        key, _ = make_key(principal, [access.READ], addresses=["192.0.2.7/32"])
        page = member_client.get(f"{base}keys/{key.pk}/").content.decode()
        assert "192.0.2.7/32" in page
        assert re.search(r'value="detections:read"[^>]*checked', page)
        sent = {**NEW, "name": "Renamed", "scopes": [access.DELETE]}
        response = member_client.post(f"{base}keys/{key.pk}/", sent, follow=True)
        key.refresh_from_db()
        assert (key.name, key.scopes) == ("Renamed", [access.DELETE])
        assert "Renamed was changed" in said(response)

    def test_nonsense_changes_nothing(self, member_client, base, principal, make_key):
        key, _ = make_key(principal)
        assert member_client.post(f"{base}keys/{key.pk}/", {**NEW, "per_minute": "x"}).status_code == 422
        key.refresh_from_db()
        assert key.per_minute == 120


class TestRotate:
    def test_a_new_value_is_shown_and_the_old_one_ends(self, member_client, base, principal, make_key):
        key, old = make_key(principal)
        sent = {"overlap": "1", "term": "never", "once": "abc"}
        new = value_on(member_client.post(f"{base}keys/{key.pk}/rotate/", sent))
        ends = {each.token_key: each.expiry for each in key.secrets.all()}
        assert ends[new[:15]] is None
        assert timedelta(minutes=59) < ends[old[:15]] - timezone.now() <= timedelta(hours=1)
        member_client.post(f"{base}keys/{key.pk}/rotate/", sent)
        assert key.secrets.count() == 2

    @pytest.mark.parametrize("sent", [{}, {"overlap": "1000", "term": "90"}, {"overlap": "1", "term": "x"}])
    def test_nonsense_makes_none(self, member_client, base, principal, make_key, sent):
        key, _ = make_key(principal)
        assert member_client.post(f"{base}keys/{key.pk}/rotate/", sent).status_code == 422
        assert key.secrets.count() == 1


class TestRevoke:
    def test_it_asks_first(self, member_client, base, principal, make_key):
        key, _ = make_key(principal)
        page = said(member_client.get(f"{base}keys/{key.pk}/revoke/"))
        assert "This cannot be undone" in page
        key.refresh_from_db()
        assert key.revoked_at is None
        after = member_client.post(f"{base}keys/{key.pk}/revoke/", follow=True)
        key.refresh_from_db()
        assert key.revoked_at
        assert "1 revoked" in said(after)

    @pytest.mark.parametrize("page", ["", "rotate/"])
    def test_a_revoked_key_has_no_other_pages(self, member_client, base, principal, make_key, page):
        key, _ = make_key(principal)
        keys.revoke(principal=principal, pk=key.pk)
        for response in (
            member_client.get(f"{base}keys/{key.pk}/{page}", follow=True),
            member_client.post(f"{base}keys/{key.pk}/{page}", NEW, follow=True),
        ):
            assert "This key was revoked" in said(response)


class TestWhoMay:
    PAGES = ("keys/", "keys/new/", "keys/{pk}/", "keys/{pk}/rotate/", "keys/{pk}/revoke/", "usage/")

    @pytest.mark.parametrize(
        ("role", "allowed"),
        [
            (Role.ADMIN, set(PAGES)),
            (Role.AUDITOR, {"keys/", "usage/"}),
            (Role.MEMBER, {"usage/"}),
        ],
    )
    def test_each_role_sees_its_own(self, visitor, base, principal, make_key, role, allowed):
        key, _ = make_key(principal)
        client = visitor(role)
        for page in self.PAGES:
            expected = 200 if page in allowed else 403
            assert client.get(base + page.format(pk=key.pk)).status_code == expected, page
            if expected == 403:
                assert client.post(base + page.format(pk=key.pk), NEW).status_code in (403, 405), page

    def test_others_keys_are_not_there(self, member_client, base, make_key):
        key, _ = make_key()
        for page in self.PAGES[2:5]:
            for method in (member_client.get, member_client.post):
                assert method(base + page.format(pk=key.pk)).status_code == 404

    def test_strangers_sign_in_first_and_outsiders_find_nothing(self, client, base, make_user, make_key):
        assert client.get(base + "keys/").status_code == 302
        client.force_login(make_user())
        for page in ("keys/", "keys/new/", "usage/"):
            assert client.get(base + page).status_code == 404

    def test_an_auditor_is_offered_no_buttons(self, visitor, base, principal, make_key):
        make_key(principal)
        page = said(visitor(Role.AUDITOR).get(base + "keys/"))
        assert not re.search("Revoke…|Make a key", page)
