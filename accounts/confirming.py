"""What an address that nobody has confirmed is worth: nothing to who signed up under it, against its owner.

Anybody can sign up under somebody else's address, as long as confirming is not asked for. So whoever
proves later that the mailbox is theirs ends every other way into the account.
"""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed, password_reset
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, KeySecret, User, UserManager
from accounts.signals import happened


def listen() -> None:
    email_confirmed.connect(_confirmed, dispatch_uid="confirming.confirmed")
    password_reset.connect(_password_set_by_mail, dispatch_uid="confirming.password")


def has_confirmed(user: User, email: str) -> bool:
    email = UserManager.normalize_email(email)
    return EmailAddress.objects.filter(user=user, email=email, verified=True).exists()


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


def end_other_ways_in(user: User, email: str) -> None:
    """All but the password: other addresses, other sign-on, and what programs of this person come in by."""
    with transaction.atomic():
        EmailAddress.objects.filter(user=user).exclude(email=email).delete()
        SocialAccount.objects.filter(user=user).delete()
        _end_values(user)


def _end_values(user: User) -> None:
    lasting = KeySecret.objects.filter(Q(expiry=None) | Q(expiry__gt=timezone.now()), made_by=user)
    keys = list(ApiKey.objects.filter(secrets__in=lasting, revoked_at=None).distinct())
    lasting.update(expiry=timezone.now())
    for key in keys:
        happened.send(sender=ApiKey, event="key.values_ended", subject=key, details={"name": key.name})


def _confirmed(email_address: EmailAddress, **_: Any) -> None:
    prefer(email_address)


def _password_set_by_mail(user: User, **_: Any) -> None:
    """The letter may have gone to any address of the account, so it confirms none; sessions end by it."""
    if not has_confirmed(user, user.email):
        end_other_ways_in(user, user.email)
