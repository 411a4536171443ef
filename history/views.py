"""The record as pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import DELETE, Principal
from accounts.requests import for_members
from detection import batch_selectors
from detection.selectors import state
from detection.wording import VERDICT_WORDS
from history import activity as happenings
from history import selectors

TABS = {"": "All", **VERDICT_WORDS}


@require_safe
@never_cache
@for_members
def history(request: HttpRequest, principal: Principal) -> HttpResponse:
    """The organisation's detections, newest first; all, or those of one batch."""
    asked = selectors.filters(request.GET.dict())
    found = selectors.find(principal, asked)
    tabs = [
        {"verdict": verdict, "label": label, "count": found.counts.get(verdict, 0)}
        for verdict, label in TABS.items()
    ]
    states = [state(detection) for detection in found.page]
    context = {
        "asked": asked,
        "batch": batch_selectors.batch(principal, asked.batch) if asked.batch else None,
        "page": found.page,
        "pages": found.page.paginator.get_elided_page_range(found.page.number, on_each_side=1, on_ends=1),
        "until": found.until.isoformat(),
        "tabs": tabs,
        "states": states,
        "waiting": any(each["status"] in ("waiting", "working") for each in states),
        "may_delete": principal.may(DELETE),
    }
    return render(request, "history/history.html", context)


@require_safe
@never_cache
@for_members
def activity(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Who did what in the organisation, newest first."""
    before = request.GET.get("before", "")
    context = {"activity": happenings.page(principal, before), "later": bool(before)}
    return render(request, "history/activity.html", context)
