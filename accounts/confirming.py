"""What an address that nobody has confirmed is worth: nothing to who signed up under it, against its owner.

Anybody can sign up under somebody else's address, as long as confirming is not asked for. So whoever
proves later that the mailbox is theirs ends every other way into the account, and nothing that was founded
under it is worked in before its people, keys and webhooks have been looked through.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, password_reset
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts import withdrawing
from accounts.models import ApiKey, JoinDomain, KeySecret, Membership, Role, User, UserManager
from accounts.signals import doors_closed, happened


def listen() -> None:
    email_confirmed.connect(_confirmed, dispatch_uid="confirming.confirmed")
    password_reset.connect(_password_set_by_mail, dispatch_uid="confirming.password")


def has_confirmed(user: User, email: str) -> bool:
    email = UserManager.normalize_email(email)
    return EmailAddress.objects.filter(user=user, email=email, verified=True).exists()


def may_get_password_mail(user: User, email: str) -> bool:
    """Whether a letter to this address may open the account: its own, or one confirmed beside its own.

    An address that is only claimed is somebody else's, whom the link would put into the claimant's account.
    """
    email = UserManager.normalize_email(email)
    return email == user.email or (has_confirmed(user, email) and has_confirmed(user, user.email))


def prefer(address: EmailAddress) -> None:
    """One that was confirmed takes the place of the account's own, if nobody ever confirmed that."""
    user = User.objects.get(pk=address.user_id)
    if not address.verified or address.email == user.email or has_confirmed(user, user.email):
        return
    if User.objects.filter(email=address.email).exists():  # signed up under it, and never confirmed it
        return
    with transaction.atomic():
        EmailAddress.objects.filter(user=user, email=user.email).delete()
        address.set_as_primary()


def take_over(user: User, email: str) -> None:
    """Gives the account to whoever has just proved, the first of all, that its address is theirs.

    Everything that whoever set it up could come back by ends: sessions, second steps, other addresses, other
    sign-on, values of keys. In its organisations nothing is done before a look at who else is there.
    The password is the caller's to change.
    """
    email = UserManager.normalize_email(email)
    with transaction.atomic():
        EmailAddress.objects.filter(user=user).exclude(email=email).delete()
        address, _ = EmailAddress.objects.get_or_create(user=user, email=email, defaults={"primary": True})
        address.set_verified()
        SocialAccount.objects.filter(user=user).delete()
        Authenticator.objects.filter(user=user).delete()
        _end_values(KeySecret.objects.filter(made_by=user))
        for membership in user.memberships.select_related("organisation", "user"):
            _close_doors(membership)
    for session in UserSession.objects.filter(user=user):
        session.end()


def _close_doors(membership: Membership) -> None:
    """What was left open by whoever acted as this member; of one that is theirs, by everybody in it."""
    organisation = membership.organisation
    withdrawing.withdraw(withdrawing.sent_by(membership.user_id, organisation.pk))
    if membership.role == Role.OWNER:
        withdrawing.withdraw(withdrawing.open_of(organisation))
        JoinDomain.objects.filter(organisation=organisation).delete()
        _end_values(KeySecret.objects.filter(key__organisation=organisation))
        doors_closed.send(sender=Membership, organisation=organisation)
    others = organisation.memberships.exclude(pk=membership.pk)
    if others.exists() or ApiKey.objects.filter(organisation=organisation, revoked_at=None).exists():
        membership.needs_look = True
        membership.save(update_fields=["needs_look"])


def _end_values(values: QuerySet[KeySecret]) -> None:
    lasting = values.filter(Q(expiry=None) | Q(expiry__gt=timezone.now()))
    keys = list(ApiKey.objects.filter(secrets__in=lasting, revoked_at=None).distinct())
    lasting.update(expiry=timezone.now())
    for key in keys:
        happened.send(sender=ApiKey, event="key.values_ended", subject=key, details={"name": key.name})


def _confirmed(email_address: EmailAddress, **_: Any) -> None:
    prefer(email_address)


def _password_set_by_mail(user: User, **_: Any) -> None:
    """The letter went to the account's own address, if nobody had confirmed that (may_get_password_mail)."""
    if not has_confirmed(user, user.email):
        take_over(user, user.email)
