"""Single sign-on against a provider of the tests: who is let into which account, and who is not."""

from __future__ import annotations

import re
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from accounts import key_selectors
from accounts.access import principal_for
from accounts.models import KeySecret, User
from history.models import AuditEvent
from tests.accounts.acts import is_signed_in
from tests.accounts.openid_provider import CLIENT_ID, CLIENT_SECRET, Provider, make_key, running

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/oidc/sso/login/"


@pytest.fixture
def provider(settings):
    with running() as found:
        app = {
            "provider_id": "sso",
            "name": "Herald ID",
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "settings": {"server_url": found.issuer, "issuer": found.issuer},
        }
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
        yield found


def go(client: Client, query: str = "process=login") -> str:
    """Presses the button and visits the provider; gives the address that it sends the browser back to."""
    page = client.post(f"{LOGIN}?{query}").content.decode()
    there = urlsplit(re.search(r'<a href="([^"]+)"', page.split("<main", 1)[1])[1].replace("&amp;", "&"))
    connection = HTTPConnection(there.netloc, timeout=20)
    try:
        connection.request("GET", f"{there.path}?{there.query}")
        back = urlsplit(connection.getresponse().headers["Location"])
    finally:
        connection.close()
    return f"{back.path}?{back.query}"


def sign_in(client: Client, query: str = "process=login"):
    return client.get(go(client, query), follow=True)


def test_a_new_person_signs_up_and_is_at_work(client, provider):
    page = sign_in(client)
    user = User.objects.get()
    assert (user.email, user.name, user.has_usable_password()) == ("ada@herald.example", "Ada B", False)
    assert page.redirect_chain[-1][0] == reverse("check", args=[user.organisations.get().slug])
    assert EmailAddress.objects.get().verified
    assert client.get(reverse("profile")).status_code == 200


def test_the_same_person_comes_back_even_with_another_address(client, provider):
    sign_in(client)
    provider.person = {**provider.person, "email": "ada@new.example"}
    again = Client()
    sign_in(again)
    assert is_signed_in(again)
    assert User.objects.get().email == "ada@herald.example"


def test_people_land_where_they_wanted_to_go(client, provider):
    page = sign_in(client, f"process=login&next={reverse('profile')}")
    assert page.redirect_chain[-1][0] == reverse("profile")


def test_a_verified_address_opens_the_account_that_is_here(client, provider, make_user):
    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    sign_in(client)
    assert is_signed_in(client)
    assert SocialAccount.objects.get().user == user
    user.refresh_from_db()
    assert user.has_usable_password()


def test_who_squats_on_an_unconfirmed_address_loses_the_password(client, provider, make_user):
    """The provider vouches for the newcomer; whoever signed up here first never did."""
    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    sign_in(client)
    user.refresh_from_db()
    assert is_signed_in(client)
    assert not user.has_usable_password()


@pytest.mark.parametrize("claim", [False, None, "false", 0, "yes", ["true"]])
def test_an_unverified_address_opens_no_account_of_others(client, provider, make_user, claim):
    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    provider.person = {**provider.person, "email_verified": claim}
    sign_in(client)
    assert not is_signed_in(client)
    assert not SocialAccount.objects.exists()
    assert User.objects.count() == 1


def test_an_unverified_address_of_nobodys_is_not_taken_as_confirmed(client, provider):
    provider.person = {**provider.person, "email_verified": False}
    sign_in(client)
    assert is_signed_in(client)
    assert not EmailAddress.objects.get().verified


WRONG = {
    "signed by somebody else": {"signed_by": make_key()},
    "signed with the shared secret": {"signed_by": CLIENT_SECRET, "algorithm": "HS256"},
    "not signed": {"signed_by": None, "algorithm": "none"},
    "by a key that is not there": {"kid": "two"},
    "for another client": {"claims": {"aud": "somebody else"}},
    "of another issuer": {"claims": {"iss": "http://127.0.0.1:1"}},
    "out of date": {"claims": {"exp": 1_000_000_000}},
    "without an end": {"claims": {"exp": None}},
    "about nobody": {"claims": {"sub": None}},
    "about another person than the user data": {"user_data": {"sub": "eve", "email": "boss@herald.example"}},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_does_not_hold_is_refused_in_words(client, provider, name):
    for field, value in WRONG[name].items():
        setattr(provider, field, value)
    page = sign_in(client)
    assert "The sign-in did not work" in page.content.decode()
    assert not is_signed_in(client)
    assert not User.objects.exists()


def test_a_provider_that_calls_itself_something_else_is_refused(client, provider, settings):
    settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]["issuer"] = "https://id.example"
    assert "The sign-in did not work" in client.post(LOGIN).content.decode()


def test_a_provider_that_is_down_is_told_in_words(client, provider, settings):
    there = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]["settings"]
    there["server_url"] = there["issuer"] = "http://127.0.0.1:9"
    assert "The sign-in did not work" in client.post(LOGIN).content.decode()


def test_an_answer_that_nobody_asked_for_is_refused(client, provider):
    back = go(Client())
    assert "The sign-in did not work" in client.get(back, follow=True).content.decode()
    assert not is_signed_in(client)


def test_an_answer_is_good_once(client, provider):
    back = go(client)
    client.get(back)
    client.post(reverse("account_logout"))
    client.get(back, follow=True)
    assert not is_signed_in(client)


def test_the_second_step_is_asked_for_here_too(client, provider, make_user):
    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "A" * 32})
    assert sign_in(client).redirect_chain[-1][0] == reverse("mfa_authenticate")
    assert not is_signed_in(client)


def test_people_connect_and_disconnect_on_their_own_page(client, provider, make_user):
    user = make_user("somebody@else.example")
    client.force_login(user)
    page = client.get(reverse("socialaccount_connections")).content.decode()
    assert "Connect Herald ID" in page
    client.post(reverse("account_reauthenticate"), {"password": "correct horse 9"})
    sign_in(client, "process=connect")
    account = SocialAccount.objects.get(user=user)
    client.post(reverse("socialaccount_connections"), {"account": account.pk})
    assert not SocialAccount.objects.exists()


def test_the_button_is_there_and_asks_by_post(client, provider):
    page = client.get(reverse("account_login")).content.decode()
    assert "Sign in with Herald ID" in page
    asked = client.get(LOGIN)
    assert asked.status_code == 200
    assert "You go there to sign in" in asked.content.decode()


def test_without_a_provider_there_is_nothing_of_it(client, make_user):
    assert "oidc" not in client.get(reverse("account_login")).content.decode()
    assert client.post(LOGIN).status_code == 404
    assert client.get(LOGIN + "callback/?state=x&code=y").status_code == 404
    client.force_login(make_user())
    assert "Single sign-on" not in client.get(reverse("profile")).content.decode()


def test_the_provider_of_the_tests_asks_for_proof():
    provider = Provider()
    asked = {"redirect_uri": "/", "state": "s", "code_challenge": "of somebody else"}
    code = re.search("code=([^&]+)", provider.authorise(asked))[1]
    sent = {"code": code, "client_secret": CLIENT_SECRET, "code_verifier": "guessed"}
    assert provider.token(sent) is None


class TestWhoWasThereFirst:
    """Somebody took the address before its owner came, and could not confirm it."""

    @pytest.fixture
    def mallory(self, make_user):
        user = make_user("mallory@evil.example")
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        EmailAddress.objects.create(user=user, email="ada@herald.example", verified=False, primary=False)
        return user

    @pytest.fixture
    def squatted(self, make_user):
        """An account under Ada's address, to which somebody else has ways in."""
        user = make_user("ada@herald.example")
        EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
        EmailAddress.objects.create(user=user, email="mallory@evil.example", verified=True, primary=False)
        SocialAccount.objects.create(user=user, provider="sso", uid="mallory")
        return user

    def test_an_address_that_another_account_only_claims_leads_into_no_account_of_theirs(
        self, client, provider, mallory
    ):
        sign_in(client)
        assert SocialAccount.objects.get().user.email == "ada@herald.example"
        mallory.refresh_from_db()
        assert mallory.has_usable_password()
        assert EmailAddress.objects.get(email="ada@herald.example").user != mallory

    def test_nor_does_the_claim_come_before_the_account_that_has_it(
        self, client, provider, mallory, make_user
    ):
        ada = make_user("ada@herald.example")
        EmailAddress.objects.create(user=ada, email=ada.email, verified=False, primary=True)
        sign_in(client)
        assert SocialAccount.objects.get().user == ada

    def test_no_other_way_into_it_is_left(self, client, provider, squatted, make_key):
        key, _ = make_key(principal_for(squatted, squatted.organisations.get().slug))
        page = sign_in(client)
        assert "set up here before" in page.content.decode()
        assert [(each.email, each.verified) for each in EmailAddress.objects.all()] == [
            ("ada@herald.example", True)
        ]
        assert SocialAccount.objects.get().uid != "mallory"
        assert key_selectors.is_expired(KeySecret.objects.get())
        assert AuditEvent.objects.filter(event="key.values_ended", key=None, subject=str(key)).exists()
        squatted.refresh_from_db()
        assert not squatted.has_usable_password()

    def test_sessions_from_before_end(self, client, provider, squatted):
        other = Client()
        other.force_login(squatted)
        sign_in(client)
        assert is_signed_in(client)
        assert not is_signed_in(other)

    def test_whose_address_is_confirmed_keeps_everything(self, client, provider, make_user, make_key):
        ada = make_user("ada@herald.example")
        EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
        EmailAddress.objects.create(user=ada, email="ada@home.example", verified=True, primary=False)
        make_key(principal_for(ada, ada.organisations.get().slug))
        page = sign_in(client)
        assert "set up here before" not in page.content.decode()
        assert ada.emailaddress_set.count() == 2
        assert not key_selectors.is_expired(KeySecret.objects.get())
