"""Pages of the trash: deleting with its question, what lies there, restoring, and emptying it at once."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import DELETE, Principal, require
from accounts.requests import for_members, wants_json
from detection import selectors, trash
from detection.models import Detection

PER_PAGE = 25


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def delete(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks first, then moves it to the trash; the history then offers to undo that."""
    detection = selectors.get(principal, pk)
    if not trash.may_delete(principal, detection):
        raise PermissionDenied(trash.ONLY_OWN)
    if request.method != "POST":
        return render(request, "detection/delete.html", {"state": selectors.state(detection)})
    trash.delete(principal=principal, pk=pk)
    return redirect(f"{reverse('history', args=[principal.organisation.slug])}?trashed={pk}")


@require_POST
@for_members
def restore(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Leads to the result, which is there again."""
    trash.restore(principal=principal, pk=pk)
    messages.success(request, "Restored. It is as it was.")
    return redirect("detection_detail", principal.organisation.slug, pk)


@require_safe
@never_cache
@for_members
def index(request: HttpRequest, principal: Principal) -> HttpResponse:
    """All that can be restored: what it is, who deleted it and when, and when it goes for good."""
    page = Paginator(selectors.trash(principal), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [_row(principal, detection) for detection in page],
        "days": trash.KEEP.days,
        "may_empty": principal.may(DELETE),
    }
    return render(request, "detection/trash.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def empty(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Asks first, then removes all that is in the trash for good."""
    require(principal, DELETE)
    slug = principal.organisation.slug
    if request.method != "POST":
        return render(request, "detection/trash_empty.html", {"count": selectors.trash(principal).count()})
    count = trash.empty(principal=principal)
    messages.success(request, f"Removed for good: {count} result{'' if count == 1 else 's'}.")
    return redirect("trash", slug)


def instead(request: HttpRequest, principal: Principal, trashed: selectors.Trashed) -> HttpResponse:
    """In the place of a result that is in the trash."""
    if wants_json(request):
        return JsonResponse({"detail": str(trashed)}, status=404)
    context = {"row": _row(principal, trashed.detection), "days": trash.KEEP.days}
    return render(request, "detection/trashed.html", context, status=404)


def _row(principal: Principal, detection: Detection) -> dict[str, object]:
    assert detection.deleted_at is not None
    return {
        **selectors.state(detection),
        "deleted_at": detection.deleted_at,
        "deleted_by": trash.deleted_by(detection),
        "until": detection.deleted_at + trash.KEEP,
        "may_restore": trash.may_delete(principal, detection),
    }
