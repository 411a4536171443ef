"""Writes of invitations, on the invited person's side: accept, decline, sign up by one.

Who has the link reads the mailbox that it was sent to, or was given it by somebody who does. So it
confirms that address on the account that has it already, and on no other account. Nothing here
tells whether there is an account under an address.
"""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone

from accounts import confirming
from accounts.access import Principal
from accounts.errors import Refused
from accounts.invitations import hashed, tell
from accounts.models import Invitation, Membership, User
from accounts.signals import happened

UNKNOWN, EXPIRED, USED, WITHDRAWN = "unknown", "expired", "used", "withdrawn"
OTHER_ADDRESS = "This invitation was sent to {email}. You are signed in as {own}."


class InvitationClosed(Exception):
    """The link opens nothing (any more): unknown, expired, used, or withdrawn (or declined)."""

    def __init__(self, state: str, invitation: Invitation | None = None) -> None:
        super().__init__(f"The invitation is {state}.")
        self.state = state
        self.invitation = invitation


def find(token: str) -> Invitation:
    """The open invitation behind a link.

    Raises:
        InvitationClosed: with why.
    """
    found = Invitation.objects.select_related("organisation", "invited_by")
    return _checked(found.filter(token_hash=hashed(token)).first())


def accept(*, user: User, token: str, as_other: bool = False) -> Membership:
    """Makes the person a member, once; who is one already keeps their role.

    ``as_other``: they know that the invitation was sent to an address that their account does not have.

    Raises:
        InvitationClosed: with why.
        Refused: ``other_address``.
    """
    with transaction.atomic():
        invitation = _held(token)
        theirs = is_theirs(user, invitation)
        if not theirs and not as_other:
            raise Refused("other_address", OTHER_ADDRESS.format(email=invitation.email, own=user.email))
        membership = _join(user, invitation)
        if theirs:
            _confirm(user, invitation.email)
    return membership


def decline(*, token: str) -> Invitation:
    """The link opens nothing any more; those who invited can see why.

    Raises:
        InvitationClosed: with why.
    """
    with transaction.atomic():
        invitation = _held(token)
        invitation.revoked_at = timezone.now()
        invitation.save(update_fields=["revoked_at"])
        tell(Principal(None, invitation.organisation, "invited"), "invitation.declined", invitation)
    return invitation


def is_theirs(user: User, invitation: Invitation) -> bool:
    """Whether the invited address is one of the account's, confirmed or not: the link confirms it."""
    addresses = EmailAddress.objects.filter(user=user, email=invitation.email)
    return invitation.email == user.email or addresses.exists()


def _held(token: str) -> Invitation:
    """Of two who come with one link, the second finds it used."""
    found = Invitation.objects.select_for_update(of=("self",)).select_related("organisation")
    return _checked(found.filter(token_hash=hashed(token)).first())


def _checked(invitation: Invitation | None) -> Invitation:
    if invitation is None:
        raise InvitationClosed(UNKNOWN)
    if invitation.accepted_at is not None:
        raise InvitationClosed(USED, invitation)
    if invitation.revoked_at is not None:
        raise InvitationClosed(WITHDRAWN, invitation)
    if invitation.expires_at <= timezone.now():
        raise InvitationClosed(EXPIRED, invitation)
    return invitation


def _join(user: User, invitation: Invitation) -> Membership:
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    organisation = invitation.organisation
    membership, new = Membership.objects.get_or_create(
        organisation=organisation, user=user, defaults={"role": invitation.role}
    )
    if new:
        happened.send(
            sender=Membership,
            principal=Principal(user, organisation, membership.role),
            event="member.joined",
            subject=user,
            details={"email": user.email, "role": membership.role, "invited_as": invitation.email},
        )
    return membership


def _confirm(user: User, email: str) -> None:
    address = EmailAddress.objects.filter(user=user, email=email).first()
    if address is not None:
        address.set_verified()  # or not, if another account has confirmed it before
        confirming.prefer(address)
