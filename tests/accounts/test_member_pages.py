"""The pages of members and invitations, as a browser sees them."""

from __future__ import annotations

import html
import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import founding, invitations, keys, roles
from accounts.access import principal_for
from accounts.models import Invitation, Membership, Organisation, Role, User
from tests.accounts.test_flows import is_signed_in, link_in, sign_in
from tests.accounts.test_pages import assert_framed
from tests.conftest import PASSWORD
from tests.servers import ROOT

pytestmark = pytest.mark.django_db
ADA = "ada@herald.example"


@pytest.fixture
def herald(make_organisation):
    return make_organisation("The Herald")


@pytest.fixture
def at(client, herald, make_member):
    """``at(role)``: ``client``, signed in as somebody of this role in the Herald; gives the person."""

    def sign(role: str) -> User:
        user = make_member(herald, role)
        client.force_login(user)
        return user

    return sign


@pytest.fixture
def somebody(herald, make_member) -> Membership:
    return make_member(herald, "member").memberships.get(organisation=herald)


def url(name: str, herald, *args) -> str:
    return reverse(name, args=[herald.slug, *args])


def text(response) -> str:
    """What is read on the page, without tags."""
    main = re.search(r"<main.*</main>", response.content.decode(), re.S)[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", main)).split())


def invite(client, herald, emails: str = ADA, role: str = "member", **extra):
    return client.post(url("invite", herald), {"emails": emails, "role": role}, **extra)


class TestTheList:
    @pytest.mark.parametrize("role", Role)
    def test_all_members_see_who_is_here(self, client, at, herald, somebody, role):
        me = at(role)
        page = client.get(url("members", herald))
        assert page.status_code == 200
        assert_framed(page.content.decode())
        assert somebody.user.email in text(page)
        assert f"{me.email} (you)" in text(page)

    @pytest.mark.parametrize(
        ("role", "may"), [("owner", True), ("admin", True), ("member", False), ("auditor", False)]
    )
    def test_only_who_may_is_offered_to_change_it(self, client, at, herald, somebody, role, may):
        at(role)
        open_one = Invitation.objects.create(
            organisation=herald, email=ADA, token_hash="x", expires_at="2099-01-01T00:00Z"
        )
        page = client.get(url("members", herald)).content.decode()
        for name, pk in (("member_remove", somebody.pk), ("invitation_revoke", open_one.pk)):
            assert (url(name, herald, pk) in page) is may
        assert (url("invite", herald) in page) is may
        assert url("leave", herald) in page

    def test_an_admin_is_not_offered_owners(self, client, at, herald):
        at("admin")
        owner = herald.memberships.get(role="owner")
        page = client.get(url("members", herald)).content.decode()
        assert url("member_role", herald, owner.pk) not in page
        assert 'value="owner"' not in page

    def test_a_closed_account_is_marked(self, client, at, herald, somebody):
        at("owner")
        User.objects.filter(pk=somebody.user.pk).update(is_active=False)
        assert "Account closed" in text(client.get(url("members", herald)))

    def test_many_members_come_in_pages(self, client, at, herald):
        at("auditor")
        for number in range(60):
            user = User.objects.create_user(f"m{number:02}@x.org")
            Membership.objects.create(organisation=herald, user=user)
        first, second = client.get(url("members", herald)), client.get(url("members", herald) + "?page=2")
        assert "m00@x.org" in text(first)
        assert "m59@x.org" not in text(first)
        assert "m59@x.org" in text(second)

    def test_the_list_costs_as_much_for_many_as_for_few(
        self, client, at, herald, make_member, django_assert_max_num_queries
    ):
        at("owner")
        for number in range(12):
            make_member(herald)
            Invitation.objects.create(
                organisation=herald,
                email=f"{number}@x.org",
                token_hash=number,
                expires_at="2099-01-01T00:00Z",
            )
        client.get(url("members", herald))
        with django_assert_max_num_queries(12):
            client.get(url("members", herald))

    def test_names_are_escaped(self, client, at, herald, somebody):
        at("owner")
        User.objects.filter(pk=somebody.user.pk).update(name="<script>alert(1)</script>")
        for name in ("members", "member_role", "member_remove", "member_ownership"):
            args = [] if name == "members" else [somebody.pk]
            page = client.get(url(name, herald, *args)).content
            assert b"<script>alert" not in page
            assert b"&lt;script&gt;alert" in page


class TestClosedToOthers:
    NAMES = ("member_role", "member_remove", "member_ownership")

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_strangers_sign_in_and_outsiders_find_nothing(self, client, make_user, herald, somebody, method):
        outsider = Client()
        outsider.force_login(make_user())
        addresses = [url(name, herald, somebody.pk) for name in self.NAMES]
        for address in [*addresses, url("members", herald), url("leave", herald), url("invite", herald)]:
            if method == "get" and address.endswith("invite/"):
                continue
            if method == "post" and address.endswith("members/"):
                continue
            assert reverse("account_login") in getattr(client, method)(address).url
            assert getattr(outsider, method)(address).status_code == 404

    @pytest.mark.parametrize("name", NAMES)
    def test_another_organisations_member_is_not_found(self, client, at, herald, make_organisation, name):
        at("owner")
        theirs = make_organisation("The Post").memberships.get()
        for pk in (theirs.pk, 2**70):
            for method in (client.get, client.post):
                assert method(url(name, herald, pk), {"role": "member"}).status_code == 404
        assert Membership.objects.get(pk=theirs.pk).role == Role.OWNER

    @pytest.mark.parametrize("name", ["invitation_resend", "invitation_revoke"])
    def test_another_organisations_invitation_is_not_found(self, client, at, herald, make_organisation, name):
        at("owner")
        theirs = Invitation.objects.create(
            organisation=make_organisation("P"), email=ADA, token_hash="x", expires_at="2099-01-01T00:00Z"
        )
        assert client.post(url(name, herald, theirs.pk)).status_code == 404
        theirs.refresh_from_db()
        assert (theirs.revoked_at, theirs.token_hash) == (None, "x")

    @pytest.mark.parametrize("role", ["member", "auditor"])
    @pytest.mark.parametrize("name", NAMES)
    def test_who_may_not_is_told_so(self, client, at, herald, somebody, role, name):
        at(role)
        assert client.get(url(name, herald, somebody.pk)).status_code == 403
        assert client.post(url(name, herald, somebody.pk), {"role": "admin"}).status_code == 403
        assert invite(client, herald).status_code == 403
        somebody.refresh_from_db()
        assert somebody.role == Role.MEMBER

    @pytest.mark.parametrize("name", NAMES)
    def test_an_admin_does_nothing_to_owners(self, client, at, herald, name):
        at("admin")
        owner = herald.memberships.get(role="owner")
        assert client.post(url(name, herald, owner.pk), {"role": "member"}).status_code == 403
        owner.refresh_from_db()
        assert owner.role == Role.OWNER


class TestChanging:
    def test_a_role(self, client, at, herald, somebody):
        at("admin")
        page = client.get(url("member_role", herald, somebody.pk))
        assert_framed(page.content.decode())
        assert 'value="member" checked' in page.content.decode()
        done = client.post(url("member_role", herald, somebody.pk), {"role": "auditor"}, follow=True)
        assert f"{somebody.user.email} is auditor now." in text(done)
        somebody.refresh_from_db()
        assert somebody.role == Role.AUDITOR

    @pytest.mark.parametrize("role", ["owner", "boss", ""])
    def test_a_role_that_one_may_not_give(self, client, at, herald, somebody, role):
        at("admin")
        assert client.post(url("member_role", herald, somebody.pk), {"role": role}).status_code == 422
        somebody.refresh_from_db()
        assert somebody.role == Role.MEMBER

    def test_the_last_owner_reads_why_not(self, client, herald):
        own = herald.memberships.get()
        client.force_login(own.user)
        answer = client.post(url("member_role", herald, own.pk), {"role": "admin"})
        assert answer.status_code == 422
        assert "Make somebody else an owner first." in text(answer)
        answer = client.post(url("leave", herald))
        assert answer.status_code == 422
        assert "Make somebody else an owner first." in text(answer)
        assert herald.memberships.filter(role="owner").exists()

    def test_removing_asks_first_and_says_what_goes_with_it(self, client, at, herald, somebody):
        at("owner")
        Membership.objects.filter(pk=somebody.pk).update(role="admin")
        keys.make(
            principal=principal_for(somebody.user, herald.slug),
            name="Newsroom CMS",
            scopes=["detections:read"],
        )
        Invitation.objects.create(
            organisation=herald,
            email=ADA,
            token_hash="x",
            expires_at="2099-01-01T00:00Z",
            invited_by=somebody.user,
        )
        asked = client.get(url("member_remove", herald, somebody.pk))
        assert "Newsroom CMS" in text(asked)
        assert "1 invitation that this person sent" in text(asked)
        assert Membership.objects.filter(pk=somebody.pk).exists()
        done = client.post(url("member_remove", herald, somebody.pk), follow=True)
        assert "is no longer in The Herald" in text(done)
        assert not Membership.objects.filter(pk=somebody.pk).exists()

    def test_removing_oneself_is_leaving(self, client, at, herald):
        own = at("owner").memberships.get(organisation=herald)
        for method in (client.get, client.post):
            assert method(url("member_remove", herald, own.pk)).url == url("leave", herald)
        assert Membership.objects.filter(pk=own.pk).exists()

    def test_leaving(self, client, at, herald):
        at("auditor")
        assert "you need an invitation" in text(client.get(url("leave", herald)))
        assert "You have left The Herald" in text(client.post(url("leave", herald), follow=True))
        assert client.get(url("members", herald)).status_code == 404

    def test_handing_over(self, client, at, herald, somebody):
        at("owner")
        assert "cannot undo" in text(client.get(url("member_ownership", herald, somebody.pk)))
        client.post(url("member_ownership", herald, somebody.pk))
        somebody.refresh_from_db()
        assert somebody.role == Role.OWNER
        assert client.post(url("member_ownership", herald, somebody.pk)).status_code == 403

    def test_a_forged_form_changes_nothing(self, at, herald, somebody):
        client = Client(enforce_csrf_checks=True)
        client.force_login(herald.memberships.get(role="owner").user)
        for name in TestClosedToOthers.NAMES:
            assert client.post(url(name, herald, somebody.pk), {"role": "owner"}).status_code == 403


class TestInviting:
    def test_several_by_commas_spaces_and_lines(self, client, at, herald):
        at("admin")
        done = invite(client, herald, "a@x.org, b@x.org;c@x.org\r\nd@x.org e@x.org", follow=True)
        assert "Invited: a@x.org, b@x.org, c@x.org, d@x.org, e@x.org." in text(done)
        assert len(mail.outbox) == 5
        assert "Link works until" in text(done)

    def test_an_error_stands_at_its_field_and_what_was_written_stays(self, client, at, herald):
        at("admin")
        answer = invite(client, herald, "a@x.org nonsense")
        assert answer.status_code == 422
        assert "“nonsense” is no e-mail address" in text(answer)
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


@pytest.fixture
def link(client, at, herald) -> str:
    """Where Ada's letter leads; ``client`` is nobody."""
    at("owner")
    invite(client, herald)
    client.logout()
    return link_in(mail.outbox[-1])


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


class TestFounding:
    def test_another_organisation(self, member_client, principal):
        assert_framed(member_client.get(reverse("organisation_new")).content.decode())
        done = member_client.post(reverse("organisation_new"), {"name": "The Evening Post"}, follow=True)
        post = Organisation.objects.get(slug="the-evening-post")
        assert done.redirect_chain[-1][0] == url("members", post)
        assert post.memberships.get().role == Role.OWNER
        assert post.memberships.get().user == principal.user
        assert reverse("check", args=[principal.organisation.slug]) in done.content.decode()

    def test_needs_a_name_and_a_person(self, member_client):
        assert member_client.post(reverse("organisation_new"), {"name": " "}).status_code == 422
        assert Client().get(reverse("organisation_new")).status_code == 302

    def test_not_without_end(self, member_client, monkeypatch):
        monkeypatch.setattr(founding, "MOST_OWNED", 2)
        member_client.post(reverse("organisation_new"), {"name": "Two"})
        answer = member_client.post(reverse("organisation_new"), {"name": "Three"})
        assert answer.status_code == 422
        assert "as many as one person may" in text(answer)


class TestTheMenu:
    def test_offers_eight_organisations_and_marks_the_one_in_the_address(
        self, member_client, principal, make_organisation
    ):
        organisations = [make_organisation(f"Paper {number}", owner=principal.user) for number in range(7)]
        page = member_client.get(url("members", organisations[3])).content.decode()
        menu = re.search(r'<nav aria-label="Organisations">.*?</nav>', page, re.S)[0]
        assert menu.count("menu__item") == 9  # and one to found another
        assert re.findall(r'aria-current="true">([^<]+)', menu) == ["Paper 3"]
        assert reverse("organisation_new") in menu

    @pytest.mark.parametrize(
        ("role", "reads"), [("owner", True), ("admin", True), ("member", False), ("auditor", True)]
    )
    def test_shows_the_activity_to_those_who_may_read_it(self, client, at, herald, role, reads):
        at(role)
        page = client.get(url("members", herald)).content.decode()
        assert (url("activity", herald) in page) is reads


def test_the_table_in_the_docs_is_the_gates(capsys):
    call_command("roles")
    docs = (ROOT / "docs/organisations.md").read_text()
    assert re.search(r"<!-- roles -->\n(.*?)<!-- /roles -->", docs, re.S)[1] == capsys.readouterr().out


def test_every_role_has_words():
    assert set(roles.WORDS) == set(Role)


def test_the_limit_of_a_link_is_what_the_page_says():
    assert invitations.VALID.days == 7
