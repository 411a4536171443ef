"""Whose account a provider's word on an e-mail address opens, and what has to end before it does.

Anybody can sign up under, or add to their account, an address that they cannot confirm. allauth counts
such claims as theirs, and would sign its owner into the account of whoever claims it.
"""

from __future__ import annotations

from allauth.account.models import EmailAddress

from accounts import confirming
from accounts.models import User, UserManager

WARNING = (
    "This account was set up here before your address was confirmed, by you or by somebody else. So its "
    "password, its other addresses, its second steps, its sessions and the values of its API keys work no "
    "more, and its organisations ask you first who stays in them."
)


def owner_of(email: str) -> User | None:
    """Who has confirmed the address; else whose only name here it is, though never confirmed."""
    email = UserManager.normalize_email(email)
    confirmed = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    return confirmed.user if confirmed else User.objects.filter(email=email).first()


def drop_claims(email: str) -> None:
    """Takes the address off accounts that have it beside their own and never confirmed it."""
    email = UserManager.normalize_email(email)
    EmailAddress.objects.filter(email=email, verified=False).exclude(user__email=email).delete()


def hand_over(user: User, email: str) -> None:
    """Ends every way into an account but the provider's: whoever set it up may be somebody else."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    confirming.take_over(user, email)
