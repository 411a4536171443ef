"""The page of what was used."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts import usage_selectors
from accounts.access import KEYS_READ, USAGE_READ, Principal, require
from accounts.requests import for_members
from accounts.usage import today
from accounts.usage_plot import Plot, plot
from accounts.usage_selectors import Day

SPANS = (30, 90)  # days


@require_safe
@never_cache
@for_members
def usage_page(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Images and requests by day, and this month by key against its quota."""
    require(principal, USAGE_READ)
    span = 90 if request.GET.get("days") == "90" else 30
    days = usage_selectors.days(principal, span)
    context: dict[str, Any] = {
        "span": span,
        "spans": SPANS,
        "days": days[::-1],
        "ticks": [days[place].day for place in (0, span // 2, -1)],
        "images": sum(day.images for day in days),
        "images_plot": _images(days),
        "requests": sum(day.requests for day in days),
        "refused": sum(day.refused for day in days),
        "requests_plot": _requests(days),
        "month": today().replace(day=1),
        "stored": usage_selectors.stored(principal),
        "shares": usage_selectors.month(principal),
        "may_see_keys": principal.may(KEYS_READ),
    }
    return render(request, "accounts/usage.html", context)


def _images(days: list[Day]) -> Plot:
    series = {"people": [day.by_people for day in days], "keys": [day.by_keys for day in days]}
    words = {"people": "images by people", "keys": "by keys"}
    return plot([day.day for day in days], series, words)


def _requests(days: list[Day]) -> Plot:
    answered = [max(0, day.requests - day.refused) for day in days]
    series = {"keys": answered, "refused": [day.refused for day in days]}
    words = {"keys": "requests answered", "refused": "refused"}
    return plot([day.day for day in days], series, words)
