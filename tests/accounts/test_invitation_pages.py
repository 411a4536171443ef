"""The pages of invitations, as a browser sees them: sending, the link in the letter, signing up by it."""

from __future__ import annotations

import html
import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import invitations
from accounts.models import Invitation, Role, User
from tests.accounts.acts import ADA, invite, is_signed_in, link_in, sign_in, text, url
from tests.accounts.test_pages import assert_framed
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


class TestInviting:
    def test_several_by_commas_spaces_and_lines(self, client, at, herald):
        at("admin")
        done = invite(client, herald, "a@x.org, b@x.org;c@x.org\r\nd@x.org e@x.org", follow=True)
        assert "Invited: a@x.org, b@x.org, c@x.org, d@x.org, e@x.org." in text(done)
        assert len(mail.outbox) == 5
        assert "Link expires in" in text(done)

    def test_an_error_stands_at_its_field_and_what_was_written_stays(self, client, at, herald):
        at("admin")
        answer = invite(client, herald, "a@x.org nonsense")
        assert answer.status_code == 422
        assert "“nonsense” is no email address" in text(answer)
        assert 'aria-invalid="true"' in answer.content.decode()
        assert "a@x.org nonsense" in answer.content.decode()
        assert not mail.outbox

    def test_an_admin_invites_no_owner(self, client, at, herald):
        at("admin")
        assert invite(client, herald, role="owner").status_code == 422
        assert not Invitation.objects.exists()

    def test_a_new_link_and_withdrawing(self, client, at, herald):
        at("admin")
        invite(client, herald)
        pk = Invitation.objects.get().pk
        done = client.post(url("invitation_resend", herald, pk), follow=True)
        assert "got a new link" in text(done)
        first, second = (link_in(letter) for letter in mail.outbox)
        assert "This link does not work" in text(client.get(first))
        assert client.get(url("invitation_revoke", herald, pk)).status_code == 200
        client.post(url("invitation_revoke", herald, pk))
        gone = client.get(second)
        assert gone.status_code == 410
        assert "no longer open" in text(gone)

    def test_the_inviter_never_sees_the_link(self, client, at, herald):
        at("admin")
        pages = [invite(client, herald, follow=True).content.decode()]
        token = link_in(mail.outbox[0]).split("/")[2]
        pages.append(client.get(url("members", herald)).content.decode())
        assert all(token not in page for page in pages)


class TestTheLink:
    def test_opening_it_changes_nothing(self, client, link, make_user):
        client.force_login(make_user(ADA))
        for _ in range(2):
            page = client.get(link)
            assert page.status_code == 200
            assert_framed(page.content.decode())
        assert Invitation.objects.get().accepted_at is None
        assert "no-store" in page["Cache-Control"]

    def test_strangers_see_the_same_with_and_without_an_account(self, client, link, make_user):
        def page() -> str:
            return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", client.get(link).content.decode())

        without = page()
        make_user(ADA)
        assert page() == without

    def test_an_account_with_the_address_joins_with_one_click(self, client, link, herald, make_user):
        user = make_user(ADA)
        client.force_login(user)
        assert "Join The Herald" in text(client.get(link))
        done = client.post(link, {"answer": "accept"}, follow=True)
        assert done.redirect_chain[-1][0] == url("check", herald)
        assert "Welcome to The Herald" in text(done)
        assert user.memberships.get(organisation=herald).role == Role.MEMBER

    def test_signing_in_comes_back_to_it(self, client, link, herald, make_user):
        user = make_user(ADA)
        there = re.search(r'href="(/accounts/login/\?next=[^"]+)"', client.get(link).content.decode())[1]
        back = client.post(there, {"login": user.email, "password": PASSWORD})
        assert back.url == link
        client.post(link, {"answer": "accept"})
        assert herald.memberships.filter(user=user).exists()

    def test_under_another_address_one_is_told_and_chooses(self, client, link, herald, make_user):
        user = make_user("private@x.org")
        client.force_login(user)
        assert "You are signed in as private@x.org , which is not the invited address" in text(
            client.get(link)
        )
        client.post(link, {"answer": "accept"})  # as a page that is out of date might
        assert not herald.memberships.filter(user=user).exists()
        client.post(link, {"answer": "accept_as_other"})
        assert herald.memberships.filter(user=user).exists()

    def test_or_signs_out(self, client, link, make_user):
        client.force_login(make_user("private@x.org"))
        assert client.post(link, {"answer": "sign_out"}).url == link
        assert not is_signed_in(client)
        assert "Create an account" in text(client.get(link))

    def test_a_member_is_told_so(self, client, link, herald):
        client.force_login(herald.memberships.first().user)
        assert "You are a member of The Herald already" in text(client.get(link))

    def test_declining(self, client, link, herald):
        assert "You have declined" in text(client.post(link, {"answer": "decline"}))
        assert client.get(link).status_code == 410
        assert herald.memberships.filter(user__email=ADA).count() == 0

    @pytest.mark.parametrize("answer", ["", "accept", "accept_as_other", "nonsense"])
    def test_a_stranger_joins_nothing(self, client, link, herald, answer):
        before = herald.memberships.count()
        assert client.post(link, {"answer": answer}).url == link
        assert herald.memberships.count() == before
        assert Invitation.objects.get().accepted_at is None

    def test_expired_and_used_say_what_to_do(self, client, link, make_user):
        Invitation.objects.update(expires_at="2026-01-01T00:00Z")
        gone = client.get(link)
        assert gone.status_code == 410
        assert_framed(gone.content.decode())
        assert "has expired" in text(gone)
        assert "to send you a new link" in text(gone)
        Invitation.objects.update(expires_at="2099-01-01T00:00Z")
        client.force_login(make_user(ADA))
        client.post(link, {"answer": "accept"})
        assert "has been used" in text(Client().get(link))
        assert "has been used" in text(Client().post(link, {"answer": "decline"}))

    def test_who_used_it_goes_where_it_led(self, client, link, herald, make_user):
        user = make_user(ADA)
        client.force_login(user)
        client.post(link, {"answer": "accept"})
        assert client.get(link).url == url("check", herald)
        user.memberships.filter(organisation=herald).delete()
        assert client.get(link).status_code == 410

    @pytest.mark.parametrize("token", ["x", "a" * 5000, "%00", "%E2%80%AE", "..%2f.."])
    def test_made_up_links(self, client, token):
        answer = client.get(f"/invitations/{token}/")
        assert answer.status_code == 404


class TestSigningUpByIt:
    FORM = {"name": "Ada", "password1": PASSWORD, "password2": PASSWORD}

    @pytest.fixture
    def there(self, client, link) -> str:
        return html.unescape(
            re.search(r'href="(/accounts/signup/\?next=[^"]+)"', client.get(link).content.decode())[1]
        )

    def test_a_new_person_joins_at_once_with_a_confirmed_address(self, client, there, link, herald):
        page = client.get(there)
        assert "Join The Herald" in text(page)
        assert f'value="{ADA}"' in page.content.decode()
        before = len(mail.outbox)
        done = client.post(there, {**self.FORM, "next": link}, follow=True)
        assert done.redirect_chain[-1][0] == url("check", herald)
        ada = User.objects.get(email=ADA)
        assert EmailAddress.objects.get(user=ada).verified
        assert [each.organisation for each in ada.memberships.all()] == [herald]
        assert ada.memberships.get().role == Role.MEMBER
        assert len(mail.outbox) == before  # nothing left to confirm

    def test_also_where_addresses_must_be_confirmed(self, client, there, link, herald, settings):
        settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
        client.post(there, {**self.FORM, "next": link})
        assert client.get(url("members", herald)).status_code == 200

    def test_the_address_is_the_invited_one_whatever_the_form_says(self, client, there, link, herald):
        client.post(there, {**self.FORM, "next": link, "email": "evil@x.org"})
        assert not User.objects.filter(email="evil@x.org").exists()
        assert herald.memberships.filter(user__email=ADA).exists()

    def test_an_existing_account_is_told_to_sign_in(self, client, there, link, herald, make_user):
        make_user(ADA)
        answer = client.post(there, {**self.FORM, "next": link})
        assert "already registered" in text(answer)
        assert f"{reverse('account_login')}?next=" in answer.content.decode()
        assert not herald.memberships.filter(user__email=ADA).exists()
        sign_in(client, ADA)
        client.post(link, {"answer": "accept"})
        assert herald.memberships.filter(user__email=ADA).exists()

    @pytest.mark.parametrize("ending", ["revoked", "expired", "made up", "elsewhere"])
    def test_without_an_open_invitation_it_is_a_plain_sign_up(self, client, there, link, herald, ending):
        if ending == "revoked":
            Invitation.objects.update(revoked_at="2026-01-01T00:00Z")
        elif ending == "expired":
            Invitation.objects.update(expires_at="2026-01-01T00:00Z")
        target = {"made up": "/invitations/x/", "elsewhere": f"https://evil.example{link}"}.get(ending, link)
        client.post(reverse("account_signup"), {**self.FORM, "email": "new@x.org", "next": target})
        user = User.objects.get(email="new@x.org")
        assert user.memberships.get().role == Role.OWNER
        assert not EmailAddress.objects.get(user=user).verified
        assert not herald.memberships.filter(user=user).exists()

    def test_withdrawn_in_the_last_moment_one_gets_an_organisation_of_ones_own(
        self, client, there, link, herald, monkeypatch
    ):
        from accounts import joining, sign_up

        def too_late(**_):
            raise joining.InvitationClosed("withdrawn")

        monkeypatch.setattr(sign_up.joining, "accept", too_late)
        client.post(there, {**self.FORM, "next": link})
        assert User.objects.get(email=ADA).memberships.get().role == Role.OWNER
        assert not EmailAddress.objects.get(email=ADA).verified


def test_the_limit_of_a_link_is_what_the_page_says():
    assert invitations.VALID.days == 7
