"""The one gate: who may do what with the records of which organisation.

Every selector and service takes a ``Principal`` and asks here. Another organisation's
objects do not exist for a principal (404, never 403).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404

from accounts.models import ApiKey, KeySecret, Membership, Organisation, Role, User
from accounts.second_factor import has_second_factor

READ, WRITE, DELETE = "detections:read", "detections:write", "detections:delete"
MEMBERS_READ, MEMBERS_WRITE, OWN = "members:read", "members:write", "organisation:own"
SETTINGS_READ, SETTINGS = "organisation:read", "organisation:settings"
KEYS_READ, KEYS_WRITE = "keys:read", "keys:write"
WEBHOOKS_READ, WEBHOOKS_WRITE = "webhooks:read", "webhooks:write"
USAGE_READ, AUDIT_READ = "usage:read", "audit:read"

PERMISSIONS: dict[str, str] = {
    READ: "See images, results and the history",
    WRITE: "Check images, ask for more explanations, try again, delete what one sent oneself",
    DELETE: "Delete any image with its result",
    MEMBERS_READ: "See members and invitations",
    MEMBERS_WRITE: "Invite people, change roles, remove members",
    OWN: "Give the organisation to another owner, and make owners",
    SETTINGS_READ: "See the organisation's settings",
    SETTINGS: "Change the organisation's settings",
    KEYS_READ: "See API keys",
    KEYS_WRITE: "Make, change, rotate and revoke API keys",
    WEBHOOKS_READ: "See webhooks and their deliveries",
    WEBHOOKS_WRITE: "Make, change, test and delete webhooks",
    USAGE_READ: "See what was used",
    AUDIT_READ: "See who did what",
}

_READS = frozenset({READ, MEMBERS_READ, SETTINGS_READ, KEYS_READ, WEBHOOKS_READ, USAGE_READ, AUDIT_READ})
_MEMBER = frozenset({READ, WRITE, MEMBERS_READ, SETTINGS_READ, USAGE_READ})

ALLOWED: dict[str, frozenset[str]] = {
    Role.OWNER: frozenset(PERMISSIONS),
    Role.ADMIN: frozenset(PERMISSIONS) - {OWN},
    Role.MEMBER: _MEMBER,
    Role.AUDITOR: _READS,
}
# What a program needs beside: answers to these show what only readers may know. The left alone opens nothing.
TAKES = {WRITE: READ, MEMBERS_WRITE: MEMBERS_READ}
SCOPES = frozenset(PERMISSIONS) - {OWN}  # what a key may be given: never what only a person may do

M = TypeVar("M", bound=Model)


class MfaRequired(PermissionDenied):
    """A member, but without the second factor that the organisation asks of its members."""

    def __init__(self, organisation: Organisation) -> None:
        super().__init__(f"{organisation} asks its members for a second step when they sign in.")
        self.organisation = organisation


class LookNeeded(PermissionDenied):
    """A member who has taken the account over, and has not looked through this organisation since."""

    def __init__(self, principal: Principal) -> None:
        super().__init__(f"First look through who is in {principal.organisation}.")
        self.principal = principal


@dataclass(frozen=True)
class Principal:
    """Somebody acting within one organisation: a person (``user``), or a program (``key``).

    ``secret`` is the value that a program came in by; None where it goes on without a request.
    """

    user: User | None
    organisation: Organisation
    role: str
    key: ApiKey | None = None
    secret: KeySecret | None = None

    def may(self, permission: str) -> bool:
        if self.key is not None:
            return permission in SCOPES and permission in self.key.scopes
        return permission in ALLOWED.get(self.role, frozenset())

    def __str__(self) -> str:
        return str(self.user) if self.key is None else f"API key {self.key}"


def principal_for(user: User | AnonymousUser, slug: str, *, looking: bool = False) -> Principal:
    """The person as a member of the organisation in the URL. ``looking``: even if they must look through it.

    Raises:
        Http404: no such organisation, or none of this person's: an outsider cannot tell.
        MfaRequired: the organisation asks for a second factor, and this person has none.
        LookNeeded: see accounts.confirming.
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
    if membership.organisation.require_mfa and not has_second_factor(membership.user):
        raise MfaRequired(membership.organisation)
    principal = Principal(membership.user, membership.organisation, membership.role)
    if membership.needs_look and not looking:
        raise LookNeeded(principal)
    return principal


def principal_of_key(key: ApiKey) -> Principal:
    """The program as itself, in the organisation that its key belongs to."""
    return Principal(None, key.organisation, "key", key)


def home_organisation(user: User) -> Organisation | None:
    """Where a person lands after signing in: the organisation joined first."""
    membership = user.memberships.select_related("organisation").order_by("created_at", "pk").first()
    return membership.organisation if membership else None


def require(principal: Principal, permission: str) -> None:
    """Raises PermissionDenied if the principal's role, or key, does not carry the permission."""
    if not principal.may(permission):
        holder = "This key's scopes do" if principal.key else f"Your role ({principal.role}) does"
        raise PermissionDenied(f"{holder} not allow this.")


def lacking(principal: Principal, permissions: Iterable[str]) -> list[str]:
    """In words, what of these the principal may not itself, and so neither gives nor takes."""
    return [PERMISSIONS[each] for each in dict.fromkeys(permissions) if not principal.may(each)]


def assignable(principal: Principal) -> list[Role]:
    """The roles that the principal may give and take: those that carry nothing which it lacks itself."""
    if not principal.may(MEMBERS_WRITE):
        return []
    return [role for role in Role if not lacking(principal, ALLOWED[role])]


def require_assignable(principal: Principal, *roles: str) -> None:
    """Before a role is given, taken, invited to or opened to a domain, and before its holder is removed.

    Raises:
        PermissionDenied: a role may what the principal, a person or a program, may not itself.
    """
    for role in roles:
        # In the order of the table, so that the sentence is the same each time.
        beyond = lacking(principal, [each for each in PERMISSIONS if each in ALLOWED[role]])
        if beyond:
            holder = "This key" if principal.key else f"Your role ({principal.role})"
            raise PermissionDenied(
                f"{holder} may not itself do what the role “{role}” may: {'; '.join(beyond)}."
            )


def scope(principal: Principal, queryset: QuerySet[M], permission: str = READ) -> QuerySet[M]:
    """The part of a queryset (of a model with ``organisation``) that the principal may touch."""
    require(principal, permission)
    return queryset.filter(organisation=principal.organisation)
