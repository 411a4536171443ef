"""Every page of ours: right for strangers, members and admins, and nothing inline."""

import re

import pytest
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Organisation, Role, User
from accounts.templatetags.people import browser
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
OPEN = ["home", "account_login", "account_signup", "account_reset_password", "account_reset_password_done"]
OWN = ["account_email", "account_change_password", "mfa_index", "usersessions_list", "account_logout"]


def assert_framed(page: str) -> None:
    """Our masthead, one main landmark, one h1, a skip link, and nothing that the CSP would block."""
    assert page.count("<main ") == page.count("<h1") == 1
    assert 'class="masthead"' in page
    assert 'href="#main"' in page
    assert "<style" not in page
    assert not re.search(r"\s(style|on\w+)=", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.search(r'src="https?://|<link[^>]*href="https?://', page)


@pytest.mark.parametrize("name", OPEN)
def test_pages_for_strangers(client, name):
    response = client.get(reverse(name))
    assert response.status_code == 200
    assert_framed(response.content.decode())


@pytest.mark.parametrize("name", OWN)
def test_account_pages(member_client, name):
    response = member_client.get(reverse(name))
    assert response.status_code == 200
    assert_framed(response.content.decode())


@pytest.mark.parametrize("name", OWN)
def test_account_pages_are_closed_to_strangers(client, name):
    assert client.get(reverse(name)).status_code == 302


@pytest.mark.parametrize("code", [400, 403, 404, 429, 500])
def test_error_pages_need_neither_request_nor_database(code, django_assert_num_queries):
    with django_assert_num_queries(0):
        page = render_to_string(f"{code}.html")
    assert_framed(page)
    assert 'href="/"' in page  # a way on


def test_a_missing_page_is_a_404_in_our_frame(client):
    response = client.get("/nothing/here/")
    assert response.status_code == 404
    assert_framed(response.content.decode())


def test_a_stale_form_is_explained():
    response = Client(enforce_csrf_checks=True).post(reverse("account_login"), {})
    assert response.status_code == 403
    assert b"This form is too old" in response.content


def test_the_policy_lets_only_ourselves_in(client):
    policy = client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_home_of_someone_who_was_removed_everywhere_says_so(member_client, principal):
    principal.user.memberships.all().delete()
    response = member_client.get("/")
    assert response.status_code == 200
    assert principal.user.email in response.content.decode()


def test_health(client, monkeypatch):
    assert client.get(reverse("health")).json() == {"status": "ok"}

    def gone(*_):
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", gone)
    response = client.get(reverse("health"))
    assert response.status_code == 503
    assert response.json()["database"] == "unreachable"


def test_a_load_balancer_asks_for_health_without_tls(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get(reverse("health")).status_code == 200
    assert client.get("/").status_code == 301


def test_the_header_offers_every_organisation_and_marks_the_one_at_work(
    member_client, principal, make_organisation, make_member
):
    herald = make_organisation("The Herald")
    make_member(herald, user=principal.user)
    page = member_client.get(reverse("check", args=[herald.slug]))
    assert page.context["organisation"] == herald
    assert f'href="{reverse("check", args=[principal.organisation.slug])}"' in page.content.decode()
    assert re.search(r'aria-current="true">The Herald', page.content.decode())


def test_elsewhere_the_header_shows_the_first_organisation(member_client, principal):
    assert member_client.get(reverse("account_email")).context["organisation"] == principal.organisation


def test_a_strange_slug_in_the_address_never_names_that_organisation(member_client, make_organisation):
    herald = make_organisation("The Herald")
    response = member_client.get(reverse("check", args=[herald.slug]))
    assert response.status_code == 404
    assert b"The Herald" not in response.content


def test_organisation_names_are_escaped(client, make_user):
    client.force_login(make_user(name="<script>alert(1)</script>"))
    assert b"<script>alert" not in client.get(reverse("account_email")).content


@pytest.fixture
def admin_client(client, make_user):
    client.force_login(make_user("root@example.org", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("model", ["user", "organisation", "membership"])
def test_admin_lists_and_forms(admin_client, model):
    assert admin_client.get(reverse(f"admin:accounts_{model}_changelist"), {"q": "root"}).status_code == 200
    assert admin_client.get(reverse(f"admin:accounts_{model}_add")).status_code == 200
    pk = {"user": User, "organisation": Organisation, "membership": Membership}[model].objects.get().pk
    assert admin_client.get(reverse(f"admin:accounts_{model}_change", args=[pk])).status_code == 200


def test_a_user_made_in_the_admin_can_sign_in_and_has_an_organisation(admin_client):
    form = {"email": "Eva@Herald.example", "name": "Eva", "usable_password": "true"}
    admin_client.post(
        reverse("admin:accounts_user_add"), {**form, "password1": PASSWORD, "password2": PASSWORD}
    )
    eva = User.objects.get(name="Eva")
    assert eva.memberships.get().role == Role.OWNER
    client = Client()
    client.post(reverse("account_login"), {"login": "eva@herald.example", "password": PASSWORD})
    assert client.get(reverse("account_email")).status_code == 200


def test_the_admin_refuses_an_address_that_differs_in_capitals_alone(admin_client):
    form = {"email": "ROOT@example.org", "usable_password": "true"}
    response = admin_client.post(
        reverse("admin:accounts_user_add"), {**form, "password1": PASSWORD, "password2": PASSWORD}
    )
    assert "already exists" in response.content.decode()
    assert User.objects.count() == 1


def test_the_admin_is_closed_to_members_and_has_no_door_of_its_own(member_client):
    assert member_client.get(reverse("admin:index")).status_code in (302, 403)
    response = Client().get(reverse("admin:index"), follow=True)
    assert response.redirect_chain[-1][0].startswith(reverse(django_settings.LOGIN_URL))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.14", "curl"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_in_words(header, words):
    assert browser(header) == words
