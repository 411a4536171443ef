"""The pages of members, as a browser sees them; founding an organisation, and the menu of all."""

from __future__ import annotations

import re

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import founding, keys, roles
from accounts.access import principal_for
from accounts.models import Invitation, Membership, Organisation, Role, User
from tests.accounts.acts import ADA, invite, text, url
from tests.accounts.test_pages import assert_framed
from tests.servers import ROOT

pytestmark = pytest.mark.django_db


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
            found = text(client.get(url("members", herald)))
        assert all(f"{number}@x.org" in found for number in range(12))

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
        assert f"{somebody.user.email} is an auditor now." in text(done)
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
    def test_shows_the_person_and_the_organisation_as_two_things(self, member_client, principal):
        page = member_client.get(url("members", principal.organisation)).content.decode()
        summaries = [
            re.sub("<[^>]+>", "", each) for each in re.findall("<summary>(.*?)</summary>", page, re.S)
        ]
        assert f"Organisation: {principal.organisation}" in summaries
        assert any(f"Your account: {principal.user}" in each for each in summaries)

    def test_offers_eight_organisations_and_marks_the_one_in_the_address(
        self, member_client, principal, make_organisation
    ):
        organisations = [make_organisation(f"Paper {number}", owner=principal.user) for number in range(7)]
        page = member_client.get(url("members", organisations[3])).content.decode()
        menu = re.search(r'<nav aria-label="Organisations">.*?</nav>', page, re.S)[0]
        assert menu.count("menu__item") == 9  # and one to found another
        assert re.findall(r'aria-current="true">([^<]+)', menu) == ["Paper 3"]
        assert reverse("organisation_new") in menu

    def test_pages_of_no_organisation_choose_none_of_several(
        self, member_client, principal, make_organisation
    ):
        own = [url("leave", principal.organisation), url("check", principal.organisation)]
        page = member_client.get(reverse("profile")).content.decode()
        assert all(f'href="{each}"' in page for each in own)
        assert 'aria-label="Main"' in page
        make_organisation("Another Paper", owner=principal.user)
        page = member_client.get(reverse("profile")).content.decode()
        assert all(f'href="{each}"' in page for each in own)
        assert 'aria-label="Main"' not in page

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
