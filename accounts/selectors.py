"""Reads."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser

from accounts.models import Membership, User


def memberships_of(user: User | AnonymousUser) -> list[Membership]:
    """A person's memberships with their organisations, the first joined first; none for a stranger."""
    if not user.is_authenticated:
        return []
    return list(user.memberships.select_related("organisation").order_by("created_at", "pk"))
