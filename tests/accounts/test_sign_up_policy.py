"""Whoever runs the site says who may make an account; the page, invitations and single sign-on keep to it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import sign_up
from accounts.models import SignUpRule, User
from tests.accounts.acts import ADA, text
from tests.accounts.letters import invite, token_in
from tests.servers import ROOT

pytestmark = pytest.mark.django_db
NEW = "battery staple 7"


@pytest.fixture(params=["by the environment", "by the admin"])
def rule(request, settings):
    """``rule(mode, *domains)``."""

    def say(mode: str, *domains: str) -> None:
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory" if domains else "optional"
        if request.param == "by the admin":
            SignUpRule.objects.create(mode=mode, domains="\n".join(domains))
        else:
            settings.SIGN_UP, settings.SIGN_UP_DOMAINS = mode, list(domains)

    return say


def signs_up(email: str, onward: str = "") -> bool:
    fields = {"email": email, "password1": NEW, "password2": NEW, "next": onward}
    address = reverse("account_signup") + (f"?next={onward}" if onward else "")
    Client().post(address, fields)
    return User.objects.filter(email=email).exists()


@pytest.fixture
def invited(principal) -> str:
    """Where Ada's letter leads."""
    invite(principal)
    return f"/invitations/{token_in(mail.outbox[-1])}/"


@pytest.mark.parametrize(
    ("mode", "domains", "stranger", "colleague", "guest"),
    [
        ("open", (), True, True, True),
        ("invited", (), False, False, True),
        ("invited", ("herald.org", "Bücher.example"), False, True, True),
        ("closed", (), False, False, False),
        ("closed", ("herald.org",), False, False, False),
    ],
)
class TestWhoMay:
    def test_by_the_page(self, rule, mode, domains, stranger, colleague, guest, invited):
        rule(mode, *domains)
        assert signs_up("eve@evil.example") == stranger
        assert signs_up("ben@HERALD.org".lower()) == colleague
        assert signs_up(ADA, invited) == guest

    def test_by_single_sign_on(self, rule, mode, domains, stranger, colleague, guest, invited):
        rule(mode, *domains)
        assert sign_up.admits_from_provider(["eve@evil.example"], None) == stranger
        assert sign_up.admits_from_provider(["ben@herald.org"], None) == colleague
        assert sign_up.admits_from_provider([ADA], invited) == guest
        assert sign_up.admits_from_provider(["eve@evil.example"], invited) == stranger  # the link is Ada's


def test_letters_beyond_ascii_and_capitals_are_the_same_domain(rule):
    rule("invited", "BÜCHER.example.")
    assert signs_up("ben@xn--bcher-kva.example")


@pytest.mark.parametrize(("mode", "says"), [("closed", "No new accounts"), ("invited", "need an invitation")])
def test_the_page_says_so(rule, mode, says, client):
    rule(mode)
    assert says in text(client.get(reverse("account_signup")))


def test_where_it_is_closed_nothing_leads_there(rule, client, invited):
    rule("closed")
    for address in ("/", reverse("account_login"), invited):
        assert reverse("account_signup") not in client.get(address).content.decode()


def test_who_may_not_learns_nothing_of_accounts(rule, make_user):
    rule("invited", "herald.org")
    make_user("eve@evil.example")
    fields = {"password1": NEW, "password2": NEW}
    pages = [
        text(Client().post(reverse("account_signup"), {**fields, "email": email}))
        for email in ("eve@evil.example", "new@evil.example")
    ]
    assert pages[0] == pages[1]
    assert "were invited or have an address at herald.org" in pages[0]


def test_an_invitation_that_was_withdrawn_opens_nothing(rule, principal, invited):
    rule("invited")
    principal.organisation.invitations.update(revoked_at="2026-01-01T00:00Z")
    assert not signs_up(ADA, invited)


def test_the_admin_says_it_in_one_row_and_domains_need_confirmed_addresses(admin_client, settings):
    add = reverse("admin:accounts_signuprule_add")
    page = admin_client.post(add, {"mode": "invited", "domains": "herald.org"})
    assert "EMAIL_VERIFICATION=mandatory" in page.content.decode()
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    admin_client.post(add, {"mode": "invited", "domains": "herald.org"})
    assert SignUpRule.objects.get().domains == "herald.org"
    assert admin_client.get(add).status_code == 403


@pytest.mark.parametrize(
    ("environment", "says"),
    [({"SIGN_UP": "maybe"}, "SIGN_UP is open"), ({"SIGN_UP_DOMAINS": "x.org"}, "SIGN_UP_DOMAINS needs")],
)
def test_a_setting_that_cannot_be_is_refused_in_a_sentence(tmp_path, environment, says):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), **environment}
    done = subprocess.run(
        [sys.executable, "-c", "import cifake_site.settings"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(says)
