"""Who signs up under somebody else's address keeps no way into the account that its owner takes over."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import invitations, joining, key_selectors
from accounts.access import principal_for
from accounts.models import KeySecret, Role
from tests.accounts.acts import is_signed_in, link_in, sign_in

pytestmark = pytest.mark.django_db
ADA, MALLORY = "ada@herald.example", "mallory@evil.example"
NEW_PASSWORD = "battery staple 7"


@pytest.fixture
def squatted(make_user):
    """An account under Ada's address, made by Mallory, who has a second address on it."""
    user = make_user(ADA)
    EmailAddress.objects.create(user=user, email=ADA, verified=False, primary=True)
    EmailAddress.objects.create(user=user, email=MALLORY, verified=False, primary=False)
    return user


def confirm(user, email: str) -> None:
    client = Client()
    client.force_login(user)
    client.post(reverse("account_email"), {"action_send": "", "email": email})
    client.post(link_in(mail.outbox[-1]))


def new_password(email: str) -> None:
    client = Client()
    client.post(reverse("account_reset_password"), {"email": email})
    form = client.get(link_in(mail.outbox[-1]), follow=True)
    fields = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(form.redirect_chain[-1][0], fields)


def test_the_address_that_one_can_confirm_takes_the_place_of_the_one_that_one_cannot(squatted):
    confirm(squatted, MALLORY)
    squatted.refresh_from_db()
    assert squatted.email == MALLORY
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(MALLORY, True, True)]


def test_but_not_where_another_account_has_it_for_its_own(squatted, make_user):
    other = make_user(MALLORY)
    confirm(squatted, MALLORY)
    squatted.refresh_from_db()
    assert (squatted.email, other.email) == (ADA, MALLORY)


def test_sign_up_tells_nothing_of_accounts_where_confirming_is_asked_for(client, make_user, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    make_user(ADA)
    pages = []
    for email in (ADA, "nobody@herald.example"):
        fields = {"email": email, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        page = Client().post(reverse("account_signup"), fields, follow=True)
        main = page.content.decode().split("<main", 1)[1].replace(email, "")
        pages.append((page.redirect_chain, main))
    assert pages[0] == pages[1]


def test_so_it_does_where_an_invitation_confirms_it(squatted, principal):
    invitations.invite(principal=principal, emails=[MALLORY], role=Role.MEMBER, site="https://x.org")
    token = link_in(mail.outbox[-1]).split("/invitations/")[1].rstrip("/")
    joining.accept(user=squatted, token=token)
    squatted.refresh_from_db()
    assert squatted.email == MALLORY
    assert not EmailAddress.objects.filter(email=ADA).exists()


def test_who_has_confirmed_their_own_keeps_it_beside_others(squatted):
    confirm(squatted, ADA)
    confirm(squatted, MALLORY)
    squatted.refresh_from_db()
    assert squatted.email == ADA
    assert EmailAddress.objects.filter(verified=True).count() == 2


def test_a_new_password_ends_every_other_way_into_an_account_that_nobody_confirmed(squatted, make_key):
    SocialAccount.objects.create(user=squatted, provider="sso", uid="mallory")
    make_key(principal_for(squatted, squatted.organisations.get().slug))
    before = Client()
    before.force_login(squatted)
    new_password(ADA)
    assert sign_in(Client(), ADA, NEW_PASSWORD)
    assert not is_signed_in(before)
    assert list(EmailAddress.objects.values_list("email", "verified")) == [(ADA, True)]
    assert not SocialAccount.objects.exists()
    assert key_selectors.is_expired(KeySecret.objects.get())


def test_a_second_address_gets_no_link_before_the_first_is_confirmed(squatted):
    """It would say nothing of Ada's mailbox, and open the account under her address."""
    EmailAddress.objects.filter(email=MALLORY).update(verified=True)
    Client().post(reverse("account_reset_password"), {"email": MALLORY})
    assert "/password/reset/key/" not in mail.outbox[-1].body


def test_whose_address_is_confirmed_loses_nothing_by_a_new_password(make_user, make_key):
    user = make_user(ADA)
    EmailAddress.objects.create(user=user, email=ADA, verified=True, primary=True)
    EmailAddress.objects.create(user=user, email="ada@home.example", verified=True, primary=False)
    make_key(principal_for(user, user.organisations.get().slug))
    new_password(ADA)
    assert user.emailaddress_set.count() == 2
    assert not key_selectors.is_expired(KeySecret.objects.get())
