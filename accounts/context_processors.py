"""What every page's header shows."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import sign_up_policy
from accounts.access import ALLOWED
from accounts.domains import offers
from accounts.models import Membership, Organisation
from accounts.selectors import memberships_of


def organisation(request: HttpRequest) -> dict[str, Any]:
    """``organisation`` (that of the URL, else one's only one, else None), ``memberships``, ``offers``.

    All lazy, the first two from one query: a page that shows none of them pays nothing. ``offers``
    are organisations that one may join. ``rights``: what one may do in this one, as in
    ``rights.audit_read``. ``single_sign_on`` tells whether there is a provider, ``sign_up_mode`` who
    may make an account: open, invited or closed.
    """

    @cache
    def memberships() -> list[Membership]:
        return memberships_of(request.user) if hasattr(request, "user") else []

    return {
        "memberships": SimpleLazyObject(memberships),
        "offers": SimpleLazyObject(lambda: offers(request.user) if hasattr(request, "user") else []),
        "sign_up_mode": SimpleLazyObject(lambda: sign_up_policy.policy().mode),
        "single_sign_on": bool(settings.SOCIALACCOUNT_PROVIDERS),
        "organisation": SimpleLazyObject(lambda: _current(request, memberships())),
        "rights": SimpleLazyObject(lambda: _rights(_current(request, memberships()), memberships())),
    }


def _current(request: HttpRequest, memberships: list[Membership]) -> Organisation | None:
    match = request.resolver_match
    slug = match.kwargs.get("organisation") if match else None
    by_slug = {m.organisation.slug: m.organisation for m in memberships}
    # A page of no organisation puts nobody into one of several: what they press next would act there.
    only = next(iter(by_slug.values())) if len(by_slug) == 1 else None
    return by_slug.get(slug or "") or only


def _rights(organisation: Organisation | None, memberships: list[Membership]) -> dict[str, bool]:
    role = next((each.role for each in memberships if each.organisation == organisation), "")
    return {permission.replace(":", "_"): True for permission in ALLOWED.get(role, ())}
