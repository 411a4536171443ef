"""Reads."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, withdrawing
from accounts.access import KEYS_READ, MEMBERS_READ, Principal
from accounts.models import ApiKey, Invitation, KeySecret, Membership, User
from accounts.roles import RANK


def memberships_of(user: User | AnonymousUser) -> list[Membership]:
    """A person's memberships with their organisations, the first joined first; none for a stranger."""
    if not user.is_authenticated:
        return []
    return list(user.memberships.select_related("organisation").order_by("created_at", "pk"))


def members(principal: Principal) -> QuerySet[Membership]:
    """The organisation's members with their accounts: owners first, then by name.

    Raises:
        PermissionDenied: the principal may not see members.
    """
    rank = Case(
        *(When(role=role, then=Value(rank)) for role, rank in RANK.items()), output_field=IntegerField()
    )
    mine = access.scope(principal, Membership.objects.select_related("user"), MEMBERS_READ)
    return mine.order_by(rank, "user__name", "user__email")


def member(principal: Principal, pk: int) -> Membership:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(members(principal), pk=pk)


def open_invitations(principal: Principal) -> QuerySet[Invitation]:
    """Neither accepted nor withdrawn, the latest sent first; expired ones too, to be sent again."""
    mine = access.scope(principal, Invitation.objects.select_related("invited_by", "by_key"), MEMBERS_READ)
    return mine.filter(accepted_at=None, revoked_at=None).order_by("-sent_at", "pk")


def open_invitation(principal: Principal, pk: UUID) -> Invitation:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(open_invitations(principal), pk=pk)


def keys(principal: Principal) -> QuerySet[ApiKey]:
    """The organisation's keys with their secrets, revoked ones too: the newest first.

    Raises:
        PermissionDenied: the principal may not see keys.
    """
    mine = access.scope(principal, ApiKey.objects.prefetch_related("secrets"), KEYS_READ)
    return mine.order_by("-created_at", "pk")


def key(principal: Principal, pk: UUID) -> ApiKey:
    """Raises Http404 for another organisation's, as for none."""
    return get_object_or_404(keys(principal), pk=pk)


def keys_resting_on(membership: Membership) -> list[str]:
    """Names of the API keys of which a value works only while this person is a member."""
    lasting = Q(expiry=None) | Q(expiry__gt=timezone.now())
    secrets = KeySecret.objects.filter(
        lasting,
        made_by=membership.user_id,
        key__organisation=membership.organisation_id,
        key__revoked_at=None,
    )
    return list(secrets.order_by("key__name").values_list("key__name", flat=True).distinct())


def invitations_resting_on(membership: Membership) -> int:
    """How many open invitations this person has sent: they go when the person does."""
    sent = withdrawing.sent_by(membership.user_id, membership.organisation_id)
    return sent.count()


def invitations_of_key(key: ApiKey) -> int:
    """How many open invitations this key has sent: they go when it is revoked."""
    return withdrawing.sent_by_key(key).count()
