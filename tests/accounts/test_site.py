"""Links in mail lead to this site, whatever host a request names."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.urls import reverse

from tests.api.conftest import Api

pytestmark = pytest.mark.django_db
SITE = "https://cifake.example"
FORGED = {"HTTP_HOST": "evil.example"}


@pytest.fixture(autouse=True)
def _any_host(settings):
    """As set up by somebody in a hurry."""
    settings.ALLOWED_HOSTS, settings.SITE_URL = ["*"], SITE


def links() -> set[str]:
    """Their hosts."""
    return set(re.findall(r"https?://[^/\s,]+", mail.outbox[-1].body))


def test_of_an_invitation(member_client, principal):
    address = reverse("invite", args=[principal.organisation.slug])
    member_client.post(address, {"emails": "ada@x.org", "role": "member"}, **FORGED)
    assert links() == {SITE}


def test_of_an_invitation_by_a_program(principal, make_key):
    Api(make_key(principal)[1]).send("invitations/", {"email": "ada@x.org"}, **FORGED)
    assert links() == {SITE}


def test_of_a_new_password(client, make_user):
    user = make_user("ada@x.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.post(reverse("account_reset_password"), {"email": "ada@x.org"}, **FORGED)
    assert links() == {SITE}
    link = re.search(rf"{SITE}(\S+)", mail.outbox[-1].body)[1]
    assert client.get(link, follow=True).status_code == 200


def test_of_a_sign_up_under_an_address_that_has_an_account(client, make_user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    user = make_user("ada@x.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    fields = {"email": "ada@x.org", "password1": "correct horse 9", "password2": "correct horse 9"}
    client.post(reverse("account_signup"), fields, **FORGED)
    assert links() == {SITE}


def test_of_a_new_password_for_nobody(client):
    client.post(reverse("account_reset_password"), {"email": "nobody@x.org"}, **FORGED)
    assert links() == {SITE}


@pytest.mark.parametrize("host", ["evil.example", "cifake.example:8443", "localhost:1"])
def test_neither_host_nor_port_of_the_request_is_in_it(client, make_user, host):
    user = make_user("ada@x.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.post(reverse("account_reset_password"), {"email": "ada@x.org"}, HTTP_HOST=host)
    assert links() == {SITE}
    assert host not in mail.outbox[-1].body


def test_of_an_address_to_confirm(client):
    fields = {"email": "ada@x.org", "password1": "correct horse 9", "password2": "correct horse 9"}
    client.post(reverse("account_signup"), fields, **FORGED)
    assert re.search(rf"{SITE}/accounts/confirm-email/", mail.outbox[-1].body)


def test_without_an_address_of_its_own_it_is_the_host_asked_for(member_client, principal, settings):
    settings.SITE_URL = ""
    address = reverse("invite", args=[principal.organisation.slug])
    member_client.post(address, {"emails": "ada@x.org", "role": "member"}, HTTP_HOST="cifake.herald.example")
    assert links() == {"http://cifake.herald.example"}
