"""Invitations: who may send which, and how many; sending again and withdrawing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.http import Http404
from django.utils import timezone

from accounts import access, invitation_limits, invitations, joining
from accounts.access import principal_for, principal_of_key
from accounts.errors import Refused
from accounts.joining import InvitationClosed
from accounts.models import ApiKey, Invitation, Role
from tests.accounts.acts import ADA
from tests.accounts.letters import SITE, invite, refused_because, token_in

pytestmark = pytest.mark.django_db


class BrokenBackend(EmailBackend):
    """Takes no letter for one address, as a mail server might."""

    def send_messages(self, messages):
        if messages[0].to == ["full@x.org"]:
            raise ConnectionResetError
        return super().send_messages(messages)


class DownBackend(EmailBackend):
    def open(self):
        raise ConnectionRefusedError


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
        with pytest.raises(Refused, match="is no email address"):
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
            organisation=principal.organisation, name="k", scopes=sorted(access.SCOPES)
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
