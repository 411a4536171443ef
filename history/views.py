"""The record as pages."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import Principal
from accounts.requests import for_members, zone_of
from detection import batch_selectors
from detection.models import Detection
from detection.selectors import state, told, trashed
from detection.trash import may_delete
from detection.wording import ANSWER_LABELS
from history import activity as happenings
from history import activity_filter, selectors
from history.activity_csv import comma_separated

TABS: dict[str, str] = {"": "All", **ANSWER_LABELS}


@require_safe
@never_cache
@for_members
def history(request: HttpRequest, principal: Principal) -> HttpResponse:
    """The organisation's detections, newest first; all, or those of one batch."""
    asked = selectors.filters(request.GET.dict())
    found = selectors.find(principal, asked)
    tabs = [
        {"answer": answer, "label": label, "count": found.counts[answer]} for answer, label in TABS.items()
    ]
    states = [told(detection, partial(_row, principal)) for detection in found.page]
    context = {
        "asked": asked,
        "batch": batch_selectors.batch(principal, asked.batch) if asked.batch else None,
        "page": found.page,
        "pages": found.page.paginator.get_elided_page_range(found.page.number, on_each_side=1, on_ends=1),
        "until": found.until.isoformat(),
        "tabs": tabs,
        "states": states,
        "waiting": any(each["status"] in ("waiting", "working") for each in states),
        "may_delete": any(each["may_delete"] for each in states),
        "trashed": _just_trashed(principal, asked.trashed),
    }
    return render(request, "history/history.html", context)


def _row(principal: Principal, detection: Detection) -> dict[str, Any]:
    """What a row shows: the state, and where among the organisation's files it came from."""
    entry = getattr(detection, "entry", None)
    folder = entry.name.rpartition("/")[0] if entry and not entry.is_url else ""
    more = {"may_delete": may_delete(principal, detection), "batch": detection.batch, "folder": folder}
    return {**state(detection), **more}


def _just_trashed(principal: Principal, pk: UUID | None) -> Detection | None:
    """What was deleted a moment ago, if it is there to be restored."""
    if pk is None:
        return None
    with suppress(Http404):
        found = trashed(principal, pk)
        return found if may_delete(principal, found) else None
    return None


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
