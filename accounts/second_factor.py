"""Who has a second step when signing in, and which organisations ask for one."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib.auth.models import AnonymousUser

from accounts.models import Organisation, User

# Recovery codes alone are none: they only stand in for one that was lost.
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_second_factor(user: User | AnonymousUser) -> bool:
    """An authenticator app, a passkey or a security key."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS).exists()


def is_last_factor(authenticator: Authenticator) -> bool:
    """Whether its owner would be left with the password alone."""
    others = Authenticator.objects.filter(user_id=authenticator.user_id, type__in=FACTORS)
    return not others.exclude(pk=authenticator.pk).exists()


def organisations_requiring(user: User | AnonymousUser) -> list[Organisation]:
    """Those of a person's organisations that let nobody in without a second factor, by name."""
    if not user.is_authenticated:
        return []
    return list(user.organisations.filter(require_mfa=True).order_by("name", "pk"))


def members_without(organisation: Organisation) -> int:
    """How many members would be asked to set one up."""
    with_one = Authenticator.objects.filter(type__in=FACTORS).values("user_id")
    return organisation.memberships.exclude(user_id__in=with_one).count()
