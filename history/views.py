"""The record as pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import DELETE, Principal
from accounts.requests import for_members, zone_of
from detection import batch_selectors
from detection.selectors import state, told
from detection.wording import VERDICT_WORDS
from history import activity as happenings
from history import activity_filter, selectors
from history.activity_csv import comma_separated

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
    states = [told(detection, state) for detection in found.page]
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
    """Who did what in the organisation, newest first: all, or what is asked for."""
    before = request.GET.get("before", "")
    asked = activity_filter.filters(request.GET.dict())
    context = {
        "activity": happenings.page(principal, asked, before),
        "later": bool(before),
        "asked": asked,
        "actors": activity_filter.actors(happenings.events(principal)),
        "kinds": activity_filter.KINDS,
    }
    return render(request, "history/activity.html", context)


@require_safe
@never_cache
@for_members
def activity_csv(request: HttpRequest, principal: Principal) -> HttpResponseBase:
    """The same to take along, all pages of it. Streamed: a long record is never in memory as a whole."""
    rows = activity_filter.narrowed(happenings.events(principal), activity_filter.filters(request.GET.dict()))
    organisation = principal.organisation
    lines = comma_separated(rows, zone_of(organisation))
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="activity-{organisation.slug}.csv"'
    return response
