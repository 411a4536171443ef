"""A second factor where an organisation asks for one: at every door, and the way to it and back."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse

from accounts import access, organisations, second_factor
from accounts.access import MfaRequired, principal_for, principal_of_key
from accounts.errors import Refused
from accounts.models import ApiKey, Organisation
from accounts.signals import happened
from detection import sockets
from tests.accounts.acts import sign_in
from tests.conftest import PASSWORD
from tests.detection.browser import Browser, session_of

pytestmark = pytest.mark.django_db


def give_factor(user, type_=Authenticator.Type.TOTP) -> Authenticator:
    return Authenticator.objects.create(user=user, type=type_, data={"secret": "A" * 32})


@pytest.fixture
def strict(principal) -> Organisation:
    """An organisation whose owner has a second factor and asks it of everybody."""
    give_factor(principal.user)
    organisations.require_second_factor(principal=principal, required=True)
    return Organisation.objects.get(pk=principal.organisation.pk)


# --- The gate -------------------------------------------------------------------------------


def test_the_gate_asks_each_role_for_a_second_factor(strict, make_member):
    for role in access.ALLOWED:
        user = make_member(strict, role)
        with pytest.raises(MfaRequired):
            principal_for(user, strict.slug)
        give_factor(user, Authenticator.Type.WEBAUTHN)
        assert principal_for(user, strict.slug).role == role


def test_recovery_codes_alone_are_no_second_factor(strict, make_member):
    user = make_member(strict)
    give_factor(user, Authenticator.Type.RECOVERY_CODES)
    with pytest.raises(MfaRequired):
        principal_for(user, strict.slug)


def test_who_loses_the_factor_is_shut_out_at_once(strict, principal):
    Authenticator.objects.filter(user=principal.user).delete()
    with pytest.raises(MfaRequired):
        principal_for(principal.user, strict.slug)


def test_other_organisations_stay_open(strict, make_member):
    user = make_member(strict)
    own = user.organisations.exclude(pk=strict.pk).get()
    assert principal_for(user, own.slug).organisation == own


def test_programs_are_not_asked(strict):
    assert principal_of_key(ApiKey.objects.create(organisation=strict, name="cms")).organisation == strict


def test_outsiders_cannot_tell_that_it_is_asked_for(client, strict, make_user):
    client.force_login(make_user())
    assert client.get(reverse("check", args=[strict.slug])).status_code == 404


DOORS = [
    "check",
    "history",
    "organisation_settings",
    "organisation_security",
    "organisation_answers",
    "organisation_logo",
]


@pytest.mark.parametrize("name", DOORS)
def test_instead_of_every_page_there_is_one_that_explains(client, strict, make_member, name):
    client.force_login(make_member(strict))
    response = client.get(reverse(name, args=[strict.slug]))
    page = response.content.decode()
    assert response.status_code == 403
    assert f"{strict.name} asks for a second step" in page
    assert reverse("mfa_add_webauthn") in page
    assert reverse("mfa_activate_totp") in page
    assert reverse("organisation_logo", args=[strict.slug]) not in page


def test_scripts_get_a_sentence(client, strict, make_member):
    client.force_login(make_member(strict))
    for method, name in (("get", "check"), ("post", "detection_submit")):
        url = reverse(name, args=[strict.slug])
        response = getattr(client, method)(url, headers={"accept": "application/json"})
        assert response.status_code == 403
        assert "second step" in response.json()["detail"]


def test_who_has_an_unconfirmed_address_is_led_to_confirm_it_first(client, strict, make_member):
    user = make_member(strict)
    EmailAddress.objects.create(user=user, email=user.email, verified=False, primary=True)
    client.force_login(user)
    page = client.get(reverse("check", args=[strict.slug])).content.decode()
    assert "First confirm your email address" in page
    assert reverse("mfa_add_webauthn") not in page


def test_the_way_leads_to_set_up_and_back(client, strict, make_member, code):
    user = make_member(strict)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    sign_in(client, user.email)
    wanted = reverse("history", args=[strict.slug]) + "?q=train"
    assert client.get(wanted).status_code == 403
    client.get(reverse("organisation_logo", args=[strict.slug]), headers={"accept": "image/png,*/*"})
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    secret = client.get(reverse("mfa_activate_totp")).context["form"].secret
    codes = client.post(reverse("mfa_activate_totp"), {"code": code(secret)}, follow=True)
    assert f'href="{wanted}"' in codes.content.decode()
    assert f'href="{wanted}"' in client.get(reverse("mfa_index")).content.decode()
    assert client.get(wanted).status_code == 200
    assert "Go on to where you wanted to go" not in client.get(reverse("mfa_index")).content.decode()


def test_a_form_that_was_sent_leads_back_to_the_start(client, strict, make_member):
    client.force_login(make_member(strict))
    assert client.post(reverse("detection_submit", args=[strict.slug])).status_code == 403
    assert client.session["second_factor_return"] == reverse("check", args=[strict.slug])


# --- Asking for it --------------------------------------------------------------------------


def turn(client, organisation, on: bool):
    url = reverse("organisation_security", args=[organisation.slug])
    return client.post(url, {"require_mfa": "on"} if on else {}, follow=True)


def test_who_has_none_cannot_ask_others_for_one(member_client, principal):
    organisation = principal.organisation
    page = member_client.get(reverse("organisation_security", args=[organisation.slug])).content.decode()
    assert "Set up a second step for yourself first" in page
    response = turn(member_client, organisation, True)
    assert response.status_code == 422
    assert "Set up a second step for yourself first" in response.content.decode()
    organisation.refresh_from_db()
    assert not organisation.require_mfa


def test_an_owner_turns_it_on_and_off(member_client, principal, make_member):
    heard = []

    def listen(sender, event, details, **_):
        heard.append((event, details))

    happened.connect(listen)
    give_factor(principal.user)
    make_member(principal.organisation)
    page = turn(member_client, principal.organisation, True).content.decode()
    assert "1 person sees nothing here until they have set one up" in page
    page = turn(member_client, principal.organisation, False).content.decode()
    assert "no longer asked for" in page
    happened.disconnect(listen)
    assert heard == [
        ("organisation.changed", {"changed": {"require_mfa": [False, True]}}),
        ("organisation.changed", {"changed": {"require_mfa": [True, False]}}),
    ]


def test_a_key_cannot_decide_it(principal):
    key = ApiKey.objects.create(organisation=principal.organisation, name="k", scopes=[access.SETTINGS])
    for required in (True, False):
        with pytest.raises(Refused, match="Only a person"):
            organisations.require_second_factor(principal=principal_of_key(key), required=required)


def test_members_without_are_counted(strict, make_member):
    assert second_factor.members_without(strict) == 0
    give_factor(make_member(strict), Authenticator.Type.RECOVERY_CODES)
    assert second_factor.members_without(strict) == 1


# --- Taking one's own away ------------------------------------------------------------------


def test_removing_the_last_one_warns_of_what_closes(client, strict, principal):
    sign_in(client, principal.user.email)
    client = Client()
    client.force_login(principal.user)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    url = reverse("mfa_deactivate_totp")
    page = client.get(url).content.decode()
    assert "This is your last second step" in page
    assert strict.name in page
    give_factor(principal.user, Authenticator.Type.WEBAUTHN)
    assert "This is your last second step" not in client.get(url).content.decode()


def test_nobody_is_warned_where_nothing_closes(client, principal):
    give_factor(principal.user)
    client.force_login(principal.user)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert "last second step" not in client.get(reverse("mfa_deactivate_totp")).content.decode()


# --- The WebSocket --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
async def test_a_socket_is_refused_and_an_open_one_closed(client, strict, make_member, monkeypatch):
    monkeypatch.setattr(sockets, "ADMIT_SECONDS", 0.05)

    def with_factor() -> Authenticator:
        user = make_member(strict)
        client.force_login(user)
        return give_factor(user)

    factor = await sync_to_async(with_factor)()
    path = f"/ws/o/{strict.slug}/detections/"
    async with Browser(path, session_of(client)) as browser:
        assert browser.connected
        await sync_to_async(factor.delete)()
        assert await browser.closed() == sockets.NO_LONGER_YOURS
    async with Browser(path, session_of(client)) as browser:
        assert not browser.connected
