"""The one gate: who may do what with the records of which organisation.

Every selector and service takes a ``Principal`` and asks here. Another organisation's
objects do not exist for a principal (404, never 403).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404

from accounts.models import Membership, Organisation, Role, User

READ, WRITE, DELETE = "detections:read", "detections:write", "detections:delete"
SETTINGS = "organisation:settings"

ALLOWED: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset({READ, WRITE, DELETE, SETTINGS}),
    Role.ADMIN: frozenset({READ, WRITE, DELETE, SETTINGS}),
    Role.MEMBER: frozenset({READ, WRITE, DELETE}),
    Role.AUDITOR: frozenset({READ}),
}

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Principal:
    """Somebody acting within one organisation."""

    user: User
    organisation: Organisation
    role: str

    def may(self, permission: str) -> bool:
        return permission in ALLOWED.get(self.role, frozenset())


def principal_for(user: User | AnonymousUser, slug: str) -> Principal:
    """The person as a member of the organisation in the URL.

    Raises:
        Http404: no such organisation, or none of this person's: an outsider cannot tell.
    """
    if not user.is_authenticated:
        raise Http404
    membership = (
        # The row decides, not the object: a socket may hold a user who has been shut out since.
        Membership.objects.filter(user=user, user__is_active=True, organisation__slug=slug)
        .select_related("organisation", "user")
        .first()
    )
    if membership is None:
        raise Http404
    return Principal(membership.user, membership.organisation, membership.role)


def home_organisation(user: User) -> Organisation | None:
    """Where a person lands after signing in: the organisation joined first."""
    membership = user.memberships.select_related("organisation").order_by("created_at", "pk").first()
    return membership.organisation if membership else None


def require(principal: Principal, permission: str) -> None:
    """Raises PermissionDenied if the principal's role does not carry the permission."""
    if not principal.may(permission):
        raise PermissionDenied(f"Your role ({principal.role}) does not allow this.")


def scope(principal: Principal, queryset: QuerySet[M], permission: str = READ) -> QuerySet[M]:
    """The part of a queryset (of a model with ``organisation``) that the principal may touch."""
    require(principal, permission)
    return queryset.filter(organisation=principal.organisation)
