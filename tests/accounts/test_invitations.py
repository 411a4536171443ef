"""Invitations: who may send which, what a link is worth, and to whom."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.http import Http404
from django.utils import timezone

from accounts import invitation_limits, invitations, joining
from accounts.access import principal_for, principal_of_key
from accounts.errors import Refused
from accounts.joining import InvitationClosed
from accounts.models import ApiKey, Invitation, Membership, Role, User

pytestmark = pytest.mark.django_db
SITE = "https://cifake.example/"
ADA = "ada@herald.example"


class BrokenBackend(EmailBackend):
    """Takes no letter for one address, as a mail server might."""

    def send_messages(self, messages):
        if messages[0].to == ["full@x.org"]:
            raise ConnectionResetError
        return super().send_messages(messages)


class DownBackend(EmailBackend):
    def open(self):
        raise ConnectionRefusedError


def invite(principal, *emails: str, role: Role = Role.MEMBER):
    return invitations.invite(principal=principal, emails=emails or (ADA,), role=role, site=SITE)


def token_in(message) -> str:
    return re.search(r"https://cifake\.example/invitations/([\w-]+)/", message.body)[1]


@pytest.fixture
def token(principal) -> str:
    """Of an open invitation of ada@herald.example, to a member's role."""
    invite(principal)
    return token_in(mail.outbox[-1])


@pytest.fixture
def ada(make_user) -> User:
    return make_user(ADA)


def refused_because(token: str) -> str:
    with pytest.raises(InvitationClosed) as closed:
        joining.find(token)
    return closed.value.state


class TestInviting:
    def test_the_letter_has_the_link_and_only_its_hash_is_kept(self, principal):
        assert invite(principal).sent == [ADA]
        [letter] = mail.outbox
        assert letter.to == [ADA]
        assert principal.organisation.name in letter.subject
        token = token_in(letter)
        assert len(token) == 43  # 32 bytes
        kept = Invitation.objects.get()
        assert kept.token_hash == invitations.hashed(token)
        assert token not in str(vars(kept))
        assert kept.expires_at == kept.sent_at + timedelta(days=7)
        assert kept.invited_by == principal.user

    def test_several_at_once_each_once_in_whatever_case(self, principal):
        invited = invite(principal, "b@x.org", " A@x.org ", "B@X.org")
        assert invited.sent == ["b@x.org", "a@x.org"]
        assert [letter.to for letter in mail.outbox] == [["b@x.org"], ["a@x.org"]]
        assert len({token_in(letter) for letter in mail.outbox}) == 2

    @pytest.mark.parametrize(
        "wrong", ["nonsense", "a@b", "a@b.org\nBcc: c@d.org", "", "a" * 250 + "@x.org", "a@x.org,b@x.org"]
    )
    def test_one_wrong_address_and_nobody_is_invited(self, principal, wrong):
        with pytest.raises(Refused, match="is no e-mail address"):
            invite(principal, "good@x.org", wrong)
        assert not Invitation.objects.exists()
        assert not mail.outbox

    def test_none_or_too_many(self, principal):
        with pytest.raises(Refused, match="at least one"):
            invitations.invite(principal=principal, emails=[], role=Role.MEMBER, site=SITE)
        with pytest.raises(Refused, match="At most 50"):
            invite(principal, *(f"a{number}@x.org" for number in range(51)))

    @pytest.mark.parametrize("role", ["member", "auditor"])
    def test_only_owners_and_admins(self, make_principal, role):
        with pytest.raises(PermissionDenied):
            invite(make_principal(role))

    def test_only_an_owner_invites_an_owner(self, make_principal, principal):
        invite(principal, "boss@x.org", role=Role.OWNER)
        admin = make_principal("admin", principal.organisation)
        with pytest.raises(PermissionDenied):
            invite(admin, role=Role.OWNER)
        with pytest.raises(PermissionDenied):  # nor takes that invitation away by inviting anew
            invite(admin, "boss@x.org", role=Role.MEMBER)
        key = ApiKey.objects.create(
            organisation=principal.organisation, name="k", scopes=["members:write", "members:read"]
        )
        with pytest.raises(PermissionDenied):
            invite(principal_of_key(key), role=Role.OWNER)
        assert invite(principal_of_key(key), role=Role.ADMIN).sent == [ADA]
        assert Invitation.objects.get(email="boss@x.org").role == Role.OWNER

    def test_members_are_not_invited_and_others_are(self, principal, make_member, ada):
        make_member(principal.organisation, user=ada)
        invited = invite(principal, ADA, "new@x.org")
        assert (invited.members, invited.sent) == ([ADA], ["new@x.org"])

    def test_who_invites_cannot_tell_who_has_an_account(self, principal, ada):
        with_account, without = invite(principal, ADA), invite(principal, "nobody@x.org")
        assert (with_account.unsent, with_account.members) == (without.unsent, without.members) == ([], [])
        letters = [letter.body.replace(token_in(letter), "") for letter in mail.outbox]
        assert letters[0] == letters[1]

    def test_inviting_again_is_a_new_link_with_the_new_role(self, principal, token):
        invite(principal, ADA, role=Role.AUDITOR)
        assert Invitation.objects.get().role == Role.AUDITOR
        assert refused_because(token) == "unknown"
        assert joining.find(token_in(mail.outbox[-1]))

    def test_names_cannot_write_headers_or_paragraphs(self, principal):
        principal.user.name = "Ada\n\nYour account is blocked, go to"
        principal.user.save()
        principal.organisation.name = "The\r\nBcc: all@x.org Herald"
        principal.organisation.save()
        invite(principal_for(principal.user, principal.organisation.slug))
        assert "\n" not in mail.outbox[0].subject
        assert "\n\nYour account" not in mail.outbox[0].body

    def test_a_letter_that_the_server_does_not_take_keeps_back_no_other(self, principal, settings):
        settings.EMAIL_BACKEND = f"{__name__}.BrokenBackend"
        invited = invite(principal, "full@x.org", "fine@x.org")
        assert (invited.unsent, invited.sent) == (["full@x.org"], ["fine@x.org"])
        assert Invitation.objects.count() == 2

    def test_a_mail_server_that_is_down_is_told(self, principal, settings):
        settings.EMAIL_BACKEND = f"{__name__}.DownBackend"
        assert invite(principal).unsent == [ADA]
        assert not invitations.resend(principal=principal, pk=Invitation.objects.get().pk, site=SITE)


class TestLimits:
    def test_of_an_organisation_a_day(self, principal, make_principal, monkeypatch):
        monkeypatch.setattr(invitation_limits, "A_DAY", 3)
        invite(principal, "a@x.org", "b@x.org")
        with pytest.raises(Refused, match="3 invitations can be sent in a day"):
            invite(principal, "c@x.org", "d@x.org")
        assert Invitation.objects.count() == len(mail.outbox) == 2
        invite(principal, "c@x.org")  # what was refused was not counted
        with pytest.raises(Refused):
            invite(make_principal("admin", principal.organisation), "d@x.org")
        assert invite(make_principal(), "d@x.org").sent

    def test_of_a_person_in_all_their_organisations(self, principal, make_organisation, monkeypatch):
        monkeypatch.setattr(invitation_limits, "A_DAY", 1)
        invite(principal, "a@x.org")
        other = make_organisation(owner=principal.user)
        with pytest.raises(Refused):
            invite(principal_for(principal.user, other.slug), "b@x.org")

    def test_to_one_mailbox(self, principal, token, monkeypatch):
        monkeypatch.setattr(invitation_limits, "A_DAY_TO_ONE", 2)
        pk = Invitation.objects.get().pk
        invitations.resend(principal=principal, pk=pk, site=SITE)
        with pytest.raises(Refused, match=f"{ADA} has been sent 2"):
            invitations.resend(principal=principal, pk=pk, site=SITE)
        invitations.revoke(principal=principal, pk=pk)
        with pytest.raises(Refused):
            invite(principal)
        assert len(mail.outbox) == 2


class TestResendingAndRevoking:
    def test_a_new_link_ends_the_old_one_and_lasts_as_long(self, principal, token):
        Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
        assert refused_because(token) == "expired"
        assert invitations.resend(principal=principal, pk=Invitation.objects.get().pk, site=SITE)
        assert refused_because(token) == "unknown"
        renewed = joining.find(token_in(mail.outbox[-1]))
        assert renewed.expires_at > timezone.now() + timedelta(days=6)

    def test_a_withdrawn_link_opens_nothing(self, principal, token, ada):
        invitations.revoke(principal=principal, pk=Invitation.objects.get().pk)
        assert refused_because(token) == "withdrawn"
        with pytest.raises(InvitationClosed):
            joining.accept(user=ada, token=token)
        assert not ada.memberships.filter(organisation=principal.organisation).exists()

    @pytest.mark.parametrize("act", ["resend", "revoke"])
    def test_not_by_others(self, make_principal, principal, token, act):
        pk, extra = Invitation.objects.get().pk, {"site": SITE} if act == "resend" else {}
        for stranger in (make_principal("owner"), make_principal("admin")):
            with pytest.raises(Http404):
                getattr(invitations, act)(principal=stranger, pk=pk, **extra)
        for role in ("member", "auditor"):
            with pytest.raises(PermissionDenied):
                getattr(invitations, act)(
                    principal=make_principal(role, principal.organisation), pk=pk, **extra
                )
        assert joining.find(token)

    @pytest.mark.parametrize("act", ["resend", "revoke"])
    def test_an_owners_invitation_is_the_owners_matter(self, make_principal, principal, act):
        invite(principal, role=Role.OWNER)
        extra = {"site": SITE} if act == "resend" else {}
        with pytest.raises(PermissionDenied):
            getattr(invitations, act)(
                principal=make_principal("admin", principal.organisation),
                pk=Invitation.objects.get().pk,
                **extra,
            )

    def test_a_closed_one_is_neither_sent_again_nor_withdrawn(self, principal, token, ada):
        joining.accept(user=ada, token=token)
        pk = Invitation.objects.get().pk
        with pytest.raises(Http404):
            invitations.resend(principal=principal, pk=pk, site=SITE)
        with pytest.raises(Http404):
            invitations.revoke(principal=principal, pk=pk)


class TestAccepting:
    def test_makes_a_member_once(self, principal, token, ada, make_user):
        membership = joining.accept(user=ada, token=token)
        assert (membership.organisation, membership.role) == (principal.organisation, Role.MEMBER)
        assert refused_because(token) == "used"
        with pytest.raises(InvitationClosed):
            joining.accept(user=make_user(), token=token, as_other=True)
        assert principal.organisation.memberships.count() == 2

    def test_confirms_the_address_on_the_account_that_has_it(self, token, ada):
        EmailAddress.objects.create(user=ada, email=ADA, primary=True, verified=False)
        joining.accept(user=ada, token=token)
        assert EmailAddress.objects.get(user=ada).verified

    def test_a_second_address_of_ones_own_will_do(self, token, make_user):
        user = make_user("private@x.org")
        EmailAddress.objects.create(user=user, email=ADA)
        assert joining.accept(user=user, token=token)
        assert EmailAddress.objects.get(user=user).verified

    def test_what_another_account_has_confirmed_stays_theirs(self, token, ada, make_user):
        EmailAddress.objects.create(user=ada, email=ADA, verified=True)
        user = make_user("private@x.org")
        EmailAddress.objects.create(user=user, email=ADA)
        joining.accept(user=user, token=token)
        assert not EmailAddress.objects.get(user=user).verified

    def test_under_another_address_only_knowingly_and_without_getting_the_address(self, token, make_user):
        user = make_user("private@x.org")
        with pytest.raises(Refused, match=r"You are signed in as private@x\.org"):
            joining.accept(user=user, token=token)
        assert joining.find(token)
        assert joining.accept(user=user, token=token, as_other=True)
        assert not EmailAddress.objects.filter(user=user, email=ADA).exists()

    def test_who_is_a_member_already_keeps_the_role(self, principal, make_member, make_user):
        invite(principal, "alias@x.org", role=Role.AUDITOR)
        user = make_member(principal.organisation, "admin")
        joining.accept(user=user, token=token_in(mail.outbox[-1]), as_other=True)
        assert principal.organisation.memberships.get(user=user).role == Role.ADMIN

    @pytest.mark.parametrize("token", ["", "x", "x" * 43, "\0", "é" * 1000])
    def test_a_made_up_link_opens_nothing(self, ada, token):
        assert refused_because(token) == "unknown"
        with pytest.raises(InvitationClosed):
            joining.accept(user=ada, token=token)

    def test_nor_does_the_hash_that_is_kept(self, token):
        assert refused_because(Invitation.objects.get().token_hash) == "unknown"

    def test_the_last_second_counts(self, token, ada, monkeypatch):
        expires = Invitation.objects.get().expires_at
        monkeypatch.setattr(joining.timezone, "now", lambda: expires)
        assert refused_because(token) == "expired"
        monkeypatch.setattr(joining.timezone, "now", lambda: expires - timedelta(milliseconds=1))
        assert joining.accept(user=ada, token=token)

    def test_declining_ends_it(self, token, ada):
        joining.decline(token=token)
        assert refused_because(token) == "withdrawn"
        with pytest.raises(InvitationClosed):
            joining.decline(token=token)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same", [True, False])
def test_two_who_accept_at_once_make_one_membership(principal, token, make_user, same):
    people = [make_user(ADA)] * 2 if same else [make_user(), make_user()]
    start = Barrier(2)

    def go(user: User) -> str:
        start.wait()
        try:
            joining.accept(user=user, token=token, as_other=True)
        except InvitationClosed as closed:
            return closed.state
        finally:
            connection.close()
        return "joined"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(go, people)) == ["joined", "used"]
    assert Membership.objects.filter(organisation=principal.organisation).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_invite_one_address_at_once_make_one_invitation(principal, make_principal):
    pair = [principal, make_principal("admin", principal.organisation)]
    start = Barrier(2)

    def go(this) -> list[str]:
        start.wait()
        try:
            return invite(this).sent
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(go, pair)) == [[ADA], [ADA]]
    assert Invitation.objects.count() == 1
    opening = [letter for letter in mail.outbox if not _closed(token_in(letter))]
    assert len(opening) == 1


def _closed(token: str) -> bool:
    try:
        joining.find(token)
    except InvitationClosed:
        return True
    return False
