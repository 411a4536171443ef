"""Pages of detections. Each view parses, calls one service or selector, and renders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, quote_etag
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import SETTINGS, SETTINGS_READ, WRITE, Principal, require
from accounts.errors import Refused
from accounts.forms import ErrorRateForm
from accounts.models import ErrorRate
from accounts.organisations import choose_error_rate
from accounts.requests import for_members, wants_json
from accounts.storage import StorageFull
from detection import model_pages, selectors, services, trash, trash_pages
from detection.early import early_checks
from detection.intake import PREVIEW_SIDE
from detection.requests import UploadRefused, uploaded
from detection.turns import Busy
from mlcore.errors import DrawingFailed, ImageRefused
from mlcore.imaging import ACCEPTED, clean_name

# Whose own pixels the viewer can show; of other formats it shows the preview.
SHOWN_BY_BROWSERS = {f"image/{kind}" for kind in ("jpeg", "png", "webp", "gif", "bmp", "avif")}
# A file of ours is only ever a picture: whatever a browser takes it for, it may do nothing.
FILE_POLICY = "default-src 'none'; sandbox"


@require_safe
@never_cache
@for_members
def check(request: HttpRequest, principal: Principal) -> HttpResponse:
    """The page to drop images on, with the organisation's latest results; those alone as JSON."""
    states = [selectors.state(detection) for detection in selectors.recent(principal)]
    if wants_json(request):
        return JsonResponse({"detections": states})
    context = {
        "states": states,
        "waiting": any(state["status"] in ("waiting", "working") for state in states),
        "may_write": principal.may(WRITE),
        "accepted": ACCEPTED,
        "max_mb": settings.MAX_UPLOAD_BYTES // (1024 * 1024),
        "checks": early_checks(settings.MAX_UPLOAD_BYTES),
    }
    return render(request, "detection/check.html", context)


@csrf_exempt  # _take_in is protected: the form is read first, so that a limit ends in a sentence
@require_POST
@for_members
def submit(request: HttpRequest, principal: Principal) -> HttpResponseBase:
    """Takes one or more files in; JSON for scripts, a redirect for a form."""
    require(principal, WRITE)
    try:
        uploaded(request)
    except UploadRefused as refused:
        return _answer(request, principal, [], [{"file": "", "code": "upload", "detail": str(refused)}])
    return _take_in(request, principal)


@csrf_protect
def _take_in(request: HttpRequest, principal: Principal) -> HttpResponse:
    accepted: list[UUID] = []
    refused: list[dict[str, str]] = []
    wait = 0
    for file in uploaded(request):
        name = file.name or ""
        try:
            accepted.append(services.submit(principal=principal, data=file, name=name).pk)
        except ImageRefused as error:
            refused.append({"file": name, "code": error.code, "detail": str(error)})
        except Busy as error:
            refused.append({"file": name, "code": "busy", "detail": f"{clean_name(name)}: {error}"})
            wait = error.wait
        except StorageFull as error:
            refused.append({"file": name, "code": "storage_full", "detail": f"{clean_name(name)}: {error}"})
    response = _answer(request, principal, accepted, refused)
    if wait and not accepted and wants_json(request):
        response.status_code, response["Retry-After"] = 503, str(wait)
    return response


def _answer(
    request: HttpRequest, principal: Principal, accepted: list[UUID], refused: list[dict[str, str]]
) -> HttpResponse:
    if wants_json(request):
        found = {each.pk: selectors.state(each) for each in selectors.with_ids(principal, accepted)}
        states = [found[pk] for pk in accepted if pk in found]
        full = any(each["code"] == "storage_full" for each in refused)
        status = 201 if accepted else 507 if full else 422
        return JsonResponse({"detections": states, "refused": refused}, status=status)
    if accepted:
        count = len(accepted)
        messages.success(request, "1 image is in." if count == 1 else f"{count} images are in.")
    for each in refused:
        messages.error(request, each["detail"])
    return redirect("check", principal.organisation.slug)


@require_safe
@never_cache
@for_members
def detail(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """One result as a page, or its state alone as JSON. Of one in the trash: where it is."""
    try:
        detection = selectors.get(principal, pk)
    except selectors.Trashed as trashed:
        return trash_pages.instead(request, principal, trashed)
    state = selectors.state(detection)
    if wants_json(request):
        return JsonResponse(state)
    rights = {"may_write": principal.may(WRITE), "may_delete": trash.may_delete(principal, detection)}
    return render(request, "detection/detail.html", {"state": state, **rights, **_frame(state)})


@require_POST
@for_members
def retry(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Queues what failed once more."""
    services.retry(principal=principal, pk=pk)
    return redirect("detection_detail", principal.organisation.slug, pk)


@require_POST
@for_members
def explain(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Queues one more map of a picture; answers with the state, or with the page."""
    try:
        services.explain(principal=principal, pk=pk, stage=request.POST.get("stage", ""))
    except Refused as refused:
        if wants_json(request):
            return JsonResponse({"code": refused.code, "detail": str(refused)}, status=409)
        messages.error(request, str(refused))
        return redirect("detection_detail", principal.organisation.slug, pk)
    if wants_json(request):
        return JsonResponse(selectors.state(selectors.get(principal, pk)), status=202)
    return redirect("detection_detail", principal.organisation.slug, pk)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def settings_page(request: HttpRequest, principal: Principal) -> HttpResponse:
    """How sure an answer must be. All members may read it; owners and admins choose."""
    organisation = principal.organisation
    form = ErrorRateForm(request.POST if request.method == "POST" else None)
    require(principal, SETTINGS if request.method == "POST" else SETTINGS_READ)
    if form.is_valid():
        rate = ErrorRate(form.cleaned_data["error_rate"])
        choose_error_rate(principal=principal, error_rate=rate)
        messages.success(request, "Saved. It holds for the images checked from now on.")
        return redirect("organisation_answers", organisation.slug)
    choices = model_pages.error_rates(organisation.error_rate)
    context = {"organisation": organisation, "active": "answers", "form": form, "choices": choices}
    context["may_change"] = principal.may(SETTINGS)
    status = 422 if form.errors else 200
    return render(request, "detection/settings.html", context, status=status)


@require_safe
@for_members
def file(request: HttpRequest, principal: Principal, pk: UUID, kind: str) -> HttpResponseBase:
    """A file of a detection. Browsers may keep it, but ask the gate again each time."""
    try:
        return file_response(request, selectors.open_file(principal, pk, kind), kind)
    except (DrawingFailed, Busy) as error:
        headers = {"Retry-After": str(error.wait if isinstance(error, Busy) else 60)}
        return HttpResponse(str(error), status=503, headers=headers, content_type="text/plain")


def file_response(request: HttpRequest, stored: selectors.StoredFile, kind: str) -> HttpResponseBase:
    """The file, or 304 for who has it already; a thing to look at or to save, and nothing that may act."""
    etag = quote_etag(stored.etag)
    response = get_conditional_response(request, etag=etag) or _body(request, stored)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Content-Security-Policy"] = FILE_POLICY
    response["Content-Disposition"] = _disposition(kind, stored.name)
    return response


def _body(request: HttpRequest, stored: selectors.StoredFile) -> HttpResponseBase:
    """HEAD reads and draws nothing. Streaming, as Django would call an empty body 0 bytes long."""
    if request.method != "HEAD":
        return HttpResponse(stored.read(), content_type=stored.mime)
    response = StreamingHttpResponse(_nothing(), content_type=stored.mime)
    if stored.size is not None:
        response["Content-Length"] = str(stored.size)
    return response


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # makes it a generator


def _disposition(kind: str, name: str) -> str:
    """Only what the browser is meant to show is shown: a sender's own bytes are saved."""
    return content_disposition_header(kind in ("original", "overlay"), name) or "inline"


def _frame(state: dict[str, Any]) -> dict[str, Any]:
    """How the viewer frames a picture: small ones are enlarged, by the side that fits the page."""
    width, height, mime = (state["facts"][key] for key in ("width", "height", "mime"))
    shown = mime in SHOWN_BY_BROWSERS
    return {
        "full": state["files"]["original"] if shown else "",
        "reduced": not shown and max(width, height) > PREVIEW_SIDE,
        "preview_side": PREVIEW_SIDE,
        "small": max(width, height) <= 256,
        "tall": height > width,
        "boxes": [_rectangle(*each["box"]) for each in state["sure_objects"]],
        "waiting": state["status"] in ("waiting", "working"),
    }


def _rectangle(left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
