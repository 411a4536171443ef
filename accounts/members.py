"""Writes of memberships: who is what in an organisation, and who is no longer in it.

Each holds the organisation's row, so that two people at once cannot leave it without an owner,
and reads the acting person's rights again under that lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import get_object_or_404

from accounts import access, key_selectors
from accounts.access import MEMBERS_WRITE, OWN, Principal
from accounts.errors import Refused
from accounts.models import Membership, Organisation, Role, User
from accounts.signals import happened

LAST_OWNER = "An organisation needs an owner, and this is its last one. Make somebody else an owner first."


@contextmanager
def held(principal: Principal, permission: str | None = None) -> Iterator[Principal]:
    """A transaction that others who change the same organisation's people wait for.

    Gives the principal as it is now: what the caller read before may be out of date.

    Raises:
        Http404: the person is no member any more, or the key was revoked, or its value ended.
        PermissionDenied: the principal does not carry the permission (any more).
    """
    if permission:
        access.require(principal, permission)
    with transaction.atomic():
        # NO KEY: rows that only refer to the organisation, such as detections, do not wait.
        Organisation.objects.select_for_update(no_key=True).get(pk=principal.organisation.pk)
        current = _current(principal)
        if permission:
            access.require(current, permission)
        yield current


def change_role(*, principal: Principal, pk: int, role: Role) -> Membership:
    """Gives a member another role: both within what the principal may itself, so only owners make owners.

    Raises:
        Http404: no such membership in this organisation.
        PermissionDenied: the principal may not give, or not take, this role.
        Refused: ``last_owner``.
    """
    with held(principal, MEMBERS_WRITE) as principal:
        membership = _get(principal, pk)
        before = membership.role
        access.require_assignable(principal, before, role)
        if before == role:
            return membership
        _spare_last_owner(membership)
        _set_role(membership, role)
        _tell(principal, "member.role_changed", membership, role=role, before=before)
    return membership


def remove(*, principal: Principal, pk: int) -> User:
    """Takes somebody out of the organisation, with the invitations that they sent.

    Raises:
        Http404: no such membership in this organisation.
        PermissionDenied: the principal may not remove somebody of this role.
        Refused: ``last_owner``.
    """
    with held(principal, MEMBERS_WRITE) as principal:
        membership = _get(principal, pk)
        access.require_assignable(principal, membership.role)
        _spare_last_owner(membership)
        _end(membership)
        _tell(principal, "member.removed", membership, role=membership.role)
    return membership.user


def leave(*, principal: Principal) -> None:
    """Takes the acting person out of the organisation.

    Raises:
        PermissionDenied: a key cannot leave.
        Refused: ``last_owner``.
    """
    with held(principal) as principal:
        membership = _own(principal)
        _spare_last_owner(membership)
        _end(membership)
        _tell(principal, "member.left", membership, role=membership.role)


def give_ownership(*, principal: Principal, pk: int) -> Membership:
    """Makes a member the owner in place of the acting person, who stays as an admin.

    Raises:
        Http404: no such membership in this organisation.
        PermissionDenied: the acting person is no owner.
        Refused: ``yourself``, or ``suspended``: the other one's account is closed.
    """
    with held(principal, OWN) as principal:
        own, membership = _own(principal), _get(principal, pk)
        access.require_assignable(principal, membership.role, Role.OWNER)
        _require_heir(own, membership)
        before = membership.role
        _set_role(membership, Role.OWNER)
        _set_role(own, Role.ADMIN)
        _tell(principal, "member.ownership_given", membership, role=Role.OWNER, before=before)
    return membership


def _current(principal: Principal) -> Principal:
    if principal.user is not None:
        return access.principal_for(principal.user, principal.organisation.slug)
    return key_selectors.program_now(principal)


def _get(principal: Principal, pk: int) -> Membership:
    mine = access.scope(principal, Membership.objects.select_related("user"), access.MEMBERS_READ)
    return get_object_or_404(mine, pk=pk)


def _own(principal: Principal) -> Membership:
    if principal.user is None:
        raise PermissionDenied("Only a person can do this.")
    return principal.organisation.memberships.select_related("user").get(user=principal.user)


def _require_heir(own: Membership, membership: Membership) -> None:
    if membership == own:
        raise Refused("yourself", "You are an owner already. Choose somebody else.")
    if not membership.user.is_active:
        raise Refused("suspended", f"The account of {membership.user} is closed. Choose somebody else.")


def is_last_owner(membership: Membership) -> bool:
    """Owners whose account is closed do not count: nobody could act as them."""
    owners = Membership.objects.filter(
        organisation_id=membership.organisation_id, role=Role.OWNER, user__is_active=True
    )
    return membership.role == Role.OWNER and not owners.exclude(pk=membership.pk).exists()


def _spare_last_owner(membership: Membership) -> None:
    if is_last_owner(membership):
        raise Refused("last_owner", LAST_OWNER)


def _set_role(membership: Membership, role: Role) -> None:
    membership.role = role
    membership.save(update_fields=["role"])  # accounts.withdrawing hears of it


def _end(membership: Membership) -> None:
    Membership.objects.get(pk=membership.pk).delete()  # ours keeps its key, to speak of it


def _tell(principal: Principal, event: str, membership: Membership, **details: str) -> None:
    details = {"email": membership.user.email, **details}
    happened.send(
        sender=Membership, principal=principal, event=event, subject=membership.user, details=details
    )
