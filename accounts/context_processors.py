"""What every page's header shows."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts.models import Membership, Organisation
from accounts.selectors import memberships_of


def organisation(request: HttpRequest) -> dict[str, Any]:
    """``organisation`` (that of the URL, else the first joined, else None) and ``memberships``.

    Both lazy, from one query: a page that shows neither pays nothing.
    """

    @cache
    def memberships() -> list[Membership]:
        return memberships_of(request.user) if hasattr(request, "user") else []

    return {
        "memberships": SimpleLazyObject(memberships),
        "organisation": SimpleLazyObject(lambda: _current(request, memberships())),
    }


def _current(request: HttpRequest, memberships: list[Membership]) -> Organisation | None:
    match = request.resolver_match
    slug = match.kwargs.get("organisation") if match else None
    by_slug = {m.organisation.slug: m.organisation for m in memberships}
    return by_slug.get(slug or "") or next(iter(by_slug.values()), None)
