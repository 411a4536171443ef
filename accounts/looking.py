"""Looking through an organisation, once an account was taken over from whoever had set it up."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from accounts import members
from accounts.access import Principal
from accounts.members import held
from accounts.models import ApiKey, Membership, Role
from accounts.signals import happened


def is_asked(principal: Principal) -> bool:
    mine = Membership.objects.filter(user=principal.user, organisation=principal.organisation)
    return mine.filter(needs_look=True).exists()


def others(principal: Principal) -> list[Membership]:
    """Everybody else in the organisation, the owners first."""
    rest = principal.organisation.memberships.exclude(user=principal.user).select_related("user")
    return sorted(rest, key=lambda each: (list(Role).index(Role(each.role)), str(each.user)))


def open_keys(principal: Principal) -> list[ApiKey]:
    return list(ApiKey.objects.filter(organisation=principal.organisation, revoked_at=None).order_by("name"))


def stay(*, principal: Principal, keep: Iterable[int] = ()) -> None:
    """Opens the organisation to the acting person again. An owner keeps those members alone who are named.

    Raises:
        Refused: as ``accounts.members.remove``.
    """
    with transaction.atomic():
        _looked(principal)
        if principal.role == Role.OWNER:
            for each in others(principal):
                if each.pk not in set(keep):
                    members.remove(principal=principal, pk=each.pk)


def leave(*, principal: Principal) -> None:
    """For who does not know what this organisation is.

    Raises:
        Refused: ``last_owner``.
    """
    with transaction.atomic():
        _looked(principal)
        members.leave(principal=principal)


def _looked(principal: Principal) -> None:
    Membership.objects.filter(user=principal.user, organisation=principal.organisation).update(
        needs_look=False
    )
    with held(principal) as current:
        happened.send(
            sender=Membership,
            principal=current,
            event="member.looked_through",
            subject=current.user,
            details={"email": current.user.email if current.user else ""},
        )
