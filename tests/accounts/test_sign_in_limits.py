"""Wrong passwords shut out who types them, and not the account's owner."""

from __future__ import annotations

import threading

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Organisation, User
from tests.accounts.acts import ADA, is_signed_in, link_in, sign_in

OWNER, STRANGER = "192.0.2.7", "198.51.100.9"
NEW = "battery staple 7"


def try_it(password: str, address: str, email: str = ADA) -> bool:
    """Whether this password lets in from this client."""
    client = Client(REMOTE_ADDR=address)
    sign_in(client, email, password)
    return is_signed_in(client)


@pytest.fixture
def many_tries(monkeypatch):
    """Guesses from so many clients, each below its own limit."""

    def guess(count: int, email: str = ADA) -> None:
        for number in range(count):
            try_it("wrong", f"203.0.113.{number}", email)

    return guess


@pytest.mark.django_db
class TestOneStranger:
    def test_is_shut_out_and_the_owner_is_not(self, make_user):
        make_user(ADA)
        for _ in range(6):
            try_it("wrong", STRANGER)
        assert not try_it("correct horse 9", STRANGER)
        assert try_it("correct horse 9", OWNER)

    def test_shuts_out_no_other_address_by_it(self, make_user):
        make_user(ADA)
        make_user("ben@herald.example")
        for _ in range(6):
            try_it("wrong", STRANGER)
        assert try_it("correct horse 9", STRANGER, "ben@herald.example")


@pytest.mark.django_db
class TestManyStrangers:
    @pytest.fixture(autouse=True)
    def _few(self, settings):
        rates = {**settings.ACCOUNT_RATE_LIMITS, "login_failed_anywhere": "8/600s/key"}
        settings.ACCOUNT_RATE_LIMITS = rates

    def test_are_slowed_down(self, make_user, many_tries):
        make_user(ADA)
        many_tries(8)
        assert not try_it("correct horse 9", STRANGER)

    def test_but_not_who_signs_in_from_where_they_did_before(self, make_user, many_tries):
        make_user(ADA)
        assert try_it("correct horse 9", OWNER)
        many_tries(8)
        assert try_it("correct horse 9", OWNER)

    def test_nor_who_chooses_a_new_password_by_mail(self, make_user, many_tries):
        user = make_user(ADA)
        EmailAddress.objects.create(user=user, email=ADA, verified=True, primary=True)
        many_tries(8)
        client = Client(REMOTE_ADDR=STRANGER)
        client.post(reverse("account_reset_password"), {"email": ADA})
        form = client.get(link_in(mail.outbox[-1]), follow=True)
        client.post(form.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
        assert try_it(NEW, STRANGER)

    def test_right_passwords_do_not_count(self, make_user):
        make_user(ADA)
        for number in range(9):
            assert try_it("correct horse 9", f"203.0.113.{number}")


def test_the_wider_bound_ends_soon():
    rate = settings.ACCOUNT_RATE_LIMITS["login_failed_anywhere"]
    assert rate == "60/600s/key"  # ten minutes


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verification", ["optional", "mandatory"])
def test_signing_up_six_times_at_once_makes_one_account_and_no_error(settings, verification):
    settings.ACCOUNT_EMAIL_VERIFICATION = verification
    fields = {"email": "new@x.org", "password1": NEW, "password2": NEW}
    together, answers = threading.Barrier(6), []

    def sign_up(number: int) -> None:
        try:
            client = Client(REMOTE_ADDR=f"203.0.113.{number}", raise_request_exception=False)
            together.wait()
            answers.append(client.post(reverse("account_signup"), fields).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_up, args=[number]) for number in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert set(answers) <= {200, 302}
    assert 302 in answers
    assert User.objects.count() == Organisation.objects.count() == 1
