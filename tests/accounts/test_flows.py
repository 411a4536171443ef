"""Signing up, in and out, as a browser would do it."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.accounts.acts import is_signed_in, link_in, sign_in
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "battery staple 7"


def sign_up(client: Client, email: str = "ada@herald.example", name: str = "Ada Brenner"):
    form = {"email": email, "name": name, "password1": PASSWORD, "password2": PASSWORD}
    return client.post(reverse("account_signup"), form)


def test_a_visitor_signs_up_and_is_at_work(client):
    response = sign_up(client)
    user = User.objects.get(email="ada@herald.example")
    assert user.name == "Ada Brenner"
    assert user.organisations.get().slug == "ada-brenner"
    assert response.url == reverse("home")
    assert client.get(response.url).url == reverse("check", args=["ada-brenner"])


def test_a_name_is_not_asked_for(client):
    sign_up(client, name="")
    assert User.objects.get().organisations.get().slug == "ada"


def test_an_address_signs_up_once_in_whatever_case(client):
    sign_up(client)
    response = sign_up(Client(), email="ADA@Herald.example")
    assert response.status_code == 200
    assert User.objects.count() == 1


def test_errors_are_tied_to_their_field(client):
    form = {"email": "not an address", "password1": PASSWORD, "password2": "else"}
    page = client.post(reverse("account_signup"), form).content.decode()
    control = re.search(r'<input[^>]*name="email"[^>]*>', page)[0]
    assert 'aria-invalid="true"' in control
    described_by = re.search(r'aria-describedby="([^"]+)"', control)[1].split()
    assert all(f'id="{name}"' in page for name in described_by)
    assert re.search(rf'id="{described_by[-1]}"[^>]*><li>Enter a valid email', page)
    assert not User.objects.exists()


def test_the_link_in_the_mail_confirms_the_address(client):
    sign_up(client)
    assert not EmailAddress.objects.get().verified
    link = link_in(mail.outbox[0])
    assert b"ada@herald.example" in client.get(link).content
    client.post(link)
    assert EmailAddress.objects.get().verified


def test_a_made_up_confirmation_link_is_refused_in_words(client):
    response = client.get(reverse("account_confirm_email", args=["made-up"]))
    assert b"This link no longer works" in response.content


def test_mandatory_confirmation_lets_nobody_in_before(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    response = sign_up(client)
    assert b"Confirm your email address" in client.get(response.url).content
    assert not is_signed_in(client)
    client.post(link_in(mail.outbox[0]))
    sign_in(client, "ada@herald.example")
    assert is_signed_in(client)


def test_sign_in_and_out(client, make_user):
    user = make_user()
    assert sign_in(client, user.email).url == reverse("home")
    assert is_signed_in(client)
    client.post(reverse("account_logout"))
    assert not is_signed_in(client)


def test_a_get_does_not_sign_out(client, make_user):
    client.force_login(make_user())
    assert b"Sign out?" in client.get(reverse("account_logout")).content
    assert is_signed_in(client)


def test_a_closed_account_cannot_sign_in(client, make_user):
    response = sign_in(client, make_user(is_active=False).email)
    assert b"This account is closed" in client.get(response.url).content
    assert not is_signed_in(client)


def test_closing_an_account_ends_its_sessions(client, make_user):
    user = make_user()
    client.force_login(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not is_signed_in(client)


def test_a_forgotten_password_is_replaced_by_mail(client, make_user):
    user = make_user()
    client.post(reverse("account_reset_password"), {"email": user.email})
    form_page = client.get(link_in(mail.outbox[0]), follow=True)
    address = form_page.redirect_chain[-1][0]
    client.post(address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)


def test_a_reset_link_works_once(client, make_user):
    user = make_user()
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = link_in(mail.outbox[0])
    address = client.get(link).url
    client.post(address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert b"This link no longer works" in Client().get(link, follow=True).content


def test_asking_for_a_reset_does_not_tell_who_has_an_account(client, make_user):
    known = client.post(reverse("account_reset_password"), {"email": make_user().email})
    unknown = client.post(reverse("account_reset_password"), {"email": "nobody@example.org"})
    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert "no account under this address" in mail.outbox[1].body


def test_changing_the_password_needs_the_old_one(client, make_user):
    user = make_user()
    client.force_login(user)
    form = {"oldpassword": "wrong", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(reverse("account_change_password"), form)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    client.post(reverse("account_change_password"), {**form, "oldpassword": PASSWORD})
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)
    assert is_signed_in(client)


def test_guessing_passwords_is_stopped_even_for_the_right_one(client, make_user):
    user = make_user()
    for _ in range(5):
        sign_in(client, user.email, "wrong")
    response = sign_in(client, user.email)
    assert b"Too many failed" in response.content
    assert not is_signed_in(client)


def test_hammering_the_page_gets_a_helpful_429(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": "3/m/ip"}
    codes = [sign_in(client, f"user{n}@example.org").status_code for n in range(4)]
    assert codes == [200, 200, 200, 429]
    assert b"Wait one minute" in sign_in(client, "user@example.org").content


def test_limits_count_addresses_apart(client, make_user, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    user = make_user()
    sign_in(client, user.email, "wrong", REMOTE_ADDR="192.0.2.1")
    assert sign_in(client, user.email, REMOTE_ADDR="192.0.2.2").status_code == 302


def test_a_forged_forwarding_header_does_not_make_a_new_client(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"login": "1/m/ip"}
    codes = [
        sign_in(client, "user@example.org", HTTP_X_FORWARDED_FOR=f"192.0.2.{n}").status_code for n in (1, 2)
    ]
    assert codes == [200, 429]


def test_the_sessions_page_ends_the_other_session(client, make_user):
    user, other = make_user(), Client()
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    sign_in(client, user.email)
    sign_in(other, user.email, HTTP_USER_AGENT=firefox)
    page = client.get(reverse("usersessions_list")).content.decode()
    assert "Firefox on Linux" in page
    assert "This browser" in page
    client.post(reverse("usersessions_list"))
    assert is_signed_in(client)
    assert not is_signed_in(other)


def test_last_seen_is_written_once_a_minute_not_on_every_request(client, make_user):
    sign_in(client, make_user().email)
    client.get(reverse("health"))
    seen = UserSession.objects.get().last_seen_at
    client.get(reverse("health"))
    assert UserSession.objects.get().last_seen_at == seen
    client.get(reverse("health"), REMOTE_ADDR="192.0.2.7")
    assert UserSession.objects.get().ip == "192.0.2.7"


def test_two_step_sign_in(client, make_user, code):
    user, other = make_user(), Client()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    sign_in(client, user.email)
    ask = client.get(reverse("mfa_activate_totp"))
    page = client.post(ask.url, {"password": PASSWORD}, follow=True)
    secret = page.context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    recovery = client.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    assert len(recovery) == 10
    assert sign_in(other, user.email).url == reverse("mfa_authenticate")
    assert not is_signed_in(other)
    other.post(reverse("mfa_authenticate"), {"code": recovery[0]})
    assert is_signed_in(other)
