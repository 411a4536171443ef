"""Writes of invitations, on the organisation's side. The invited person's side is accounts.joining.

An invitation is an e-mail with a link that makes its reader a member, once. The link is worth as
much as a membership, so it goes to the invited mailbox alone, and not even to who invites.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, invitation_limits, invitation_mail, key_selectors
from accounts.access import MEMBERS_READ, MEMBERS_WRITE, Principal
from accounts.errors import Refused
from accounts.invitation_mail import Letter
from accounts.members import held
from accounts.models import Invitation, Role, User, UserManager
from accounts.signals import happened

TOKEN_BYTES = 32
VALID = timedelta(days=7)
MOST_AT_ONCE = 50


@dataclass
class Invited:
    """What became of each address."""

    sent: list[str] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)  # invited, but the mail server did not take the letter
    members: list[str] = field(default_factory=list)  # members already


def invite(*, principal: Principal, emails: Iterable[str], role: Role, site: str) -> Invited:
    """Invites each address; one that is invited already gets a new link, and this role.

    ``site`` is where links lead, as in ``https://cifake.example``. Whether somebody has an account
    under an address makes no difference.

    Raises:
        PermissionDenied: the principal may not invite, or not to this role.
        Refused: ``email``, ``too_many``, ``invitation_limit``; then nobody was invited.
    """
    asked = addresses(emails)
    with held(principal, MEMBERS_WRITE) as principal:
        access.require_assignable(principal, role)
        members = _members_among(principal, asked)
        new = [email for email in asked if email not in members]
        invitation_limits.spend(principal, new)
        letters = [_write(principal, email, role) for email in new]
    return Invited(*invitation_mail.send(letters, site=site), members)


def resend(*, principal: Principal, pk: UUID, site: str) -> bool:
    """Sends a new link, good for as long as a first one; the old one opens nothing any more.

    Gives whether the mail server took the letter.

    Raises:
        Http404: no such open invitation in this organisation.
        PermissionDenied: the principal may not invite, or not to this role.
        Refused: ``invitation_limit``.
    """
    with held(principal, MEMBERS_WRITE) as principal:
        invitation = _get(principal, pk)
        access.require_assignable(principal, invitation.role)
        invitation_limits.spend(principal, [invitation.email])
        letter = _renew(invitation, principal, invitation.role)
        tell(principal, "invitation.resent", invitation)
    _, unsent = invitation_mail.send([letter], site=site)
    return not unsent


def revoke(*, principal: Principal, pk: UUID) -> Invitation:
    """The link opens nothing any more.

    Raises:
        Http404: no such open invitation in this organisation.
        PermissionDenied: the principal may not invite, or not to this role.
    """
    with held(principal, MEMBERS_WRITE) as principal:
        invitation = _get(principal, pk)
        access.require_assignable(principal, invitation.role)
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        tell(principal, "invitation.revoked", invitation)
    return invitation


def addresses(emails: Iterable[str]) -> list[str]:
    """E-mail addresses as we spell them, each once.

    Raises:
        Refused: ``email``: one is none, or there is none; ``too_many``: above ``MOST_AT_ONCE``.
    """
    found = list(dict.fromkeys(UserManager.normalize_email(each) for each in emails))
    if not found:
        raise Refused("email", "Enter at least one email address.")
    if len(found) > MOST_AT_ONCE:
        raise Refused("too_many", f"At most {MOST_AT_ONCE} people can be invited at once. Split the list.")
    wrong = [email for email in found if not _is_address(email)]
    if wrong:
        raise Refused("email", f"“{wrong[0][:100]}” is no email address. Correct it, then send again.")
    return found


def hashed(token: str) -> str:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def tell(principal: Principal, event: str, invitation: Invitation) -> None:
    details = {"email": invitation.email, "role": invitation.role}
    happened.send(
        sender=Invitation, principal=principal, event=event, subject=invitation.email, details=details
    )


def _write(principal: Principal, email: str, role: Role) -> Letter:
    open_ones = principal.organisation.invitations.filter(email=email, accepted_at=None, revoked_at=None)
    invitation = open_ones.first() or Invitation(organisation=principal.organisation, email=email)
    if not invitation._state.adding:  # only who could have sent it may change it
        access.require_assignable(principal, invitation.role)
    letter = _renew(invitation, principal, role)
    tell(principal, "invitation.sent", invitation)
    return letter


def _renew(invitation: Invitation, principal: Principal, role: str) -> Letter:
    """A new link. Who sends it answers for it from now on."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.token_hash = hashed(token)
    invitation.role = role
    invitation.invited_by, invitation.by_key = principal.user, principal.key
    invitation.behind = key_selectors.behind(principal)
    invitation.sent_at = timezone.now()
    invitation.expires_at = invitation.sent_at + VALID
    invitation.save()
    return Letter(invitation, token, str(principal))


def _get(principal: Principal, pk: UUID) -> Invitation:
    mine = access.scope(principal, Invitation.objects.all(), MEMBERS_READ)
    return get_object_or_404(mine.select_related("organisation"), pk=pk, accepted_at=None, revoked_at=None)


def _members_among(principal: Principal, emails: list[str]) -> list[str]:
    """By the address that members see of each other; another one of theirs is nobody's business."""
    members = User.objects.filter(memberships__organisation=principal.organisation, email__in=emails)
    return sorted(members.values_list("email", flat=True))


def _is_address(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= 254
