"""Who sets an account up under somebody else's address keeps nothing once the address's owner comes."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import confirming, domains, invitations, key_selectors, keys, sso_accounts
from accounts.access import LookNeeded, principal_for
from accounts.models import Invitation, JoinDomain, KeySecret, Membership, Role
from detection import webhooks
from detection.models import Webhook
from tests.accounts.acts import is_signed_in, link_in, sign_in, text
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ADA, MALLORY, EVE = "ada@herald.example", "mallory@evil.example", "eve@evil.example"
NEW_PASSWORD = "battery staple 7"


@pytest.fixture
def squatted(make_user):
    """An account under Ada's address, which nobody has confirmed, with an organisation of its own."""
    user = make_user(ADA)
    EmailAddress.objects.create(user=user, email=ADA, verified=False, primary=True)
    return user


@pytest.fixture
def theirs(squatted):
    return squatted.organisations.get()


@pytest.fixture
def squatter(squatted, theirs):
    return principal_for(squatted, theirs.slug)


def new_password(email: str) -> bool:
    """By the letter, if one with a link comes."""
    client = Client()
    client.post(reverse("account_reset_password"), {"email": email})
    form = client.get(link_in(mail.outbox[-1]), follow=True)
    if not form.redirect_chain:
        return False
    fields = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    client.post(form.redirect_chain[-1][0], fields)
    return True


def by_mail(user) -> None:
    assert new_password(user.email)
    user.refresh_from_db()


def by_sign_on(user) -> None:
    """What the adapter calls for a provider that vouches for the address (test_sso walks the whole way)."""
    sso_accounts.hand_over(user, user.email)


WAYS = [by_mail, by_sign_on]


@pytest.mark.parametrize("proved", WAYS)
class TestEveryFoothold:
    def test_sessions(self, proved, squatted):
        before = Client()
        assert sign_in(before, ADA)
        assert is_signed_in(before)
        proved(squatted)
        assert not is_signed_in(before)
        assert not UserSession.objects.exists()

    def test_the_password(self, proved, squatted):
        proved(squatted)
        squatted.refresh_from_db()
        assert not squatted.check_password(PASSWORD)

    @pytest.mark.parametrize("kind", Authenticator.Type.values)
    def test_second_steps(self, proved, squatted, kind):
        """Which cannot be set up before the address is confirmed; should that ever change, they go."""
        Authenticator.objects.create(user=squatted, type=kind, data={})
        proved(squatted)
        assert not Authenticator.objects.exists()

    def test_other_addresses_and_a_change_on_its_way(self, proved, squatted):
        other = EmailAddress.objects.create(user=squatted, email=MALLORY, verified=False, primary=False)
        link = EmailConfirmationHMAC.create(other).key
        proved(squatted)
        assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(ADA, True, True)]
        Client().post(reverse("account_confirm_email", args=[link]), {"password": PASSWORD})
        assert not EmailAddress.objects.filter(email=MALLORY).exists()

    def test_other_sign_on(self, proved, squatted):
        SocialAccount.objects.create(user=squatted, provider="sso", uid="mallory")
        proved(squatted)
        assert not SocialAccount.objects.exists()

    def test_links_to_a_new_password_that_were_sent_before(self, proved, squatted):
        Client().post(reverse("account_reset_password"), {"email": ADA})
        link = link_in(mail.outbox[-1])
        proved(squatted)
        assert not Client().get(link, follow=True).redirect_chain

    def test_values_of_keys_theirs_and_those_of_others_there(
        self, proved, squatted, squatter, make_principal
    ):
        accomplice = make_principal(Role.ADMIN, squatter.organisation)
        for each in (squatter, accomplice):
            keys.make(principal=each, name="x", scopes=["detections:read"])
        proved(squatted)
        assert all(key_selectors.is_expired(each) for each in KeySecret.objects.all())

    def test_webhooks(self, proved, squatted, squatter, make_principal):
        for each in (squatter, make_principal(Role.ADMIN, squatter.organisation)):
            webhooks.make(principal=each, url="https://93.184.215.14/", events=["detection.completed"])
        proved(squatted)
        assert list(Webhook.objects.values_list("active", flat=True)) == [False, False]

    def test_invitations_theirs_and_those_of_others_there(self, proved, squatted, squatter, make_principal):
        accomplice = make_principal(Role.ADMIN, squatter.organisation)
        for number, each in enumerate((squatter, accomplice)):
            emails = [f"{number}@evil.example"]
            invitations.invite(principal=each, emails=emails, role=Role.ADMIN, site="https://x.org")
        proved(squatted)
        assert not Invitation.objects.filter(revoked_at=None).exists()

    def test_invitations_that_they_sent_elsewhere(self, proved, squatted, make_organisation, make_member):
        elsewhere = make_organisation()
        make_member(elsewhere, Role.ADMIN, squatted)
        acting = principal_for(squatted, elsewhere.slug)
        invitations.invite(principal=acting, emails=[EVE], role=Role.ADMIN, site="https://x.org")
        proved(squatted)
        assert Invitation.objects.get().revoked_at

    def test_domains_that_may_join(self, proved, squatted, theirs):
        JoinDomain.objects.create(organisation=theirs, domain="evil.example")
        proved(squatted)
        assert not JoinDomain.objects.exists()

    @pytest.mark.parametrize("role", Role.values)
    def test_members(self, proved, squatted, theirs, make_member, role, client):
        accomplice = make_member(theirs, role)
        proved(squatted)
        with pytest.raises(LookNeeded):
            principal_for(squatted, theirs.slug)
        client.force_login(squatted)
        page = client.get(f"/o/{theirs.slug}/")
        assert page.status_code == 403
        assert accomplice.email in text(page)
        client.post(reverse("look_through", args=[theirs.slug]), {"answer": "stay"})
        assert list(theirs.members.all()) == [squatted]
        assert client.get(f"/o/{theirs.slug}/").status_code == 200

    def test_organisations_of_others_that_they_joined(
        self, proved, squatted, make_organisation, make_member, client
    ):
        elsewhere = make_organisation("Evil")
        make_member(elsewhere, Role.MEMBER, squatted)
        proved(squatted)
        client.force_login(squatted)
        assert "It belongs to" in text(client.get(f"/o/{elsewhere.slug}/"))
        client.post(reverse("look_through", args=[elsewhere.slug]), {"answer": "leave"})
        assert not Membership.objects.filter(user=squatted, organisation=elsewhere).exists()


class TestLookingThrough:
    def test_whom_one_knows_one_keeps(self, squatted, theirs, make_member, client):
        known, unknown = make_member(theirs, "member"), make_member(theirs, "owner")
        by_mail(squatted)
        client.force_login(squatted)
        keep = Membership.objects.get(user=known, organisation=theirs).pk
        client.post(reverse("look_through", args=[theirs.slug]), {"answer": "stay", "keep": [keep, 12345]})
        assert set(theirs.members.all()) == {squatted, known}
        assert unknown.organisations.exclude(pk=theirs.pk).exists()

    def test_scripts_are_told_in_a_sentence(self, squatted, theirs, make_member, client):
        make_member(theirs, "member")
        by_mail(squatted)
        client.force_login(squatted)
        answer = client.get(f"/o/{theirs.slug}/", headers={"Accept": "application/json"})
        assert answer.status_code == 403
        assert "look through" in answer.json()["detail"]

    def test_the_last_owner_cannot_leave_by_it(self, squatted, theirs, make_member, client):
        make_member(theirs, "member")
        by_mail(squatted)
        client.force_login(squatted)
        page = client.post(reverse("look_through", args=[theirs.slug]), {"answer": "leave"})
        assert page.status_code == 422
        with pytest.raises(LookNeeded):
            principal_for(squatted, theirs.slug)

    def test_who_is_alone_and_has_no_keys_is_not_asked(self, squatted, theirs):
        by_mail(squatted)
        assert principal_for(squatted, theirs.slug)

    def test_nobody_else_is_asked_and_asking_does_nothing(self, client, principal, make_member):
        other = make_member(principal.organisation, "member")
        client.force_login(principal.user)
        slug = principal.organisation.slug
        assert client.post(reverse("look_through", args=[slug]), {"answer": "stay"}).status_code == 302
        assert other in principal.organisation.members.all()


class TestWhoProvesItOnce:
    def test_loses_nothing_the_next_time(self, squatted, theirs, make_member, make_key):
        by_mail(squatted)
        make_key(principal_for(squatted, theirs.slug))
        make_member(theirs, "member")
        by_mail(squatted)
        assert principal_for(squatted, theirs.slug)
        assert not key_selectors.is_expired(KeySecret.objects.get())

    def test_by_a_password_and_the_link_loses_nothing(self, squatted, theirs, make_member, client):
        make_member(theirs, "member")
        sign_in(client, ADA)
        client.post(reverse("account_email"), {"action_send": "", "email": ADA})
        client.post(link_in(mail.outbox[-1]))
        assert confirming.has_confirmed(squatted, ADA)
        assert principal_for(squatted, theirs.slug)


class TestConfirming:
    """A link alone, in a browser that nobody is signed in with, does not do it: the password, too."""

    @pytest.fixture
    def link(self, squatted):
        return reverse(
            "account_confirm_email", args=[EmailConfirmationHMAC.create(squatted.emailaddress_set.get()).key]
        )

    @pytest.mark.parametrize("password", ["", "wrong"])
    def test_by_who_does_not_know_the_password(self, client, link, squatted, password):
        assert 'name="password"' in client.get(link).content.decode()
        assert client.post(link, {"password": password}).status_code == 422
        assert not confirming.has_confirmed(squatted, ADA)

    def test_by_who_does(self, client, link, squatted):
        client.post(link, {"password": PASSWORD})
        assert confirming.has_confirmed(squatted, ADA)

    def test_signed_in_as_somebody_else(self, client, link, squatted, make_user):
        client.force_login(make_user())
        client.post(link)
        assert not confirming.has_confirmed(squatted, ADA)

    def test_in_the_browser_that_signs_up_where_it_is_asked_for(self, client, settings):
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
        fields = {"email": "new@x.org", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
        client.post(reverse("account_signup"), fields)
        link = link_in(mail.outbox[-1])
        assert Client().post(link).status_code == 422
        assert 'name="password"' not in client.get(link).content.decode()
        client.post(link)
        assert EmailAddress.objects.get(email="new@x.org").verified
        sign_in(client, "new@x.org", NEW_PASSWORD)
        assert is_signed_in(client)

    def test_guesses_are_counted(self, client, link):
        pages = [client.post(link, {"password": f"wrong {number}"}) for number in range(7)]
        assert "Too many" in text(pages[-1])


def test_an_address_that_is_only_claimed_opens_nobodys_account(make_user):
    """Ada's link would lead her into the account that Mallory signs in to as well."""
    mallory = make_user(MALLORY)
    EmailAddress.objects.create(user=mallory, email=MALLORY, verified=True, primary=True)
    EmailAddress.objects.create(user=mallory, email=ADA, verified=False, primary=False)
    Client().post(reverse("account_reset_password"), {"email": ADA})
    assert "/password/reset/key/" not in mail.outbox[-1].body
    EmailAddress.objects.filter(email=ADA).update(verified=True)
    Client().post(reverse("account_reset_password"), {"email": ADA})
    assert "/password/reset/key/" in mail.outbox[-1].body


def test_a_taken_over_account_joins_by_its_domain_only_once_it_is_proved(squatted, make_organisation):
    herald = make_organisation()
    JoinDomain.objects.create(organisation=herald, domain="herald.example")
    assert not domains.offers(squatted)
    by_mail(squatted)
    assert [each.organisation for each in domains.offers(squatted)] == [herald]
