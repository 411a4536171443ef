"""Pages of batches: the list with its upload, one batch with its progress, cancelling, downloads."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import WRITE, Principal, require
from accounts.errors import Refused
from accounts.requests import for_members
from accounts.single_files import OneFileField, OneFileInput
from accounts.storage import StorageFull
from detection import batch_selectors, batch_services
from detection.api_batches import download
from detection.batch_services import OPEN
from detection.batch_wording import of_batch
from mlcore.imaging import ACCEPTED

PER_PAGE = 20
SHOWN_REFUSALS = 50


class BatchForm(forms.Form):
    archive = OneFileField(
        label="A zip of images",
        max_length=1000,
        allow_empty_file=True,
        widget=OneFileInput(attrs={"accept": ".zip,application/zip"}),
        error_messages={"required": "Choose a zip first."},
    )
    reference = forms.CharField(label="Your name for it", max_length=200, required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def index(request: HttpRequest, principal: Principal) -> HttpResponse:
    """All batches, and the form for one more."""
    form = BatchForm()
    if request.method == "POST":
        require(principal, WRITE)
        form = BatchForm(request.POST, request.FILES)
        if form.is_valid() and (made := _made(principal, form)):
            messages.success(request, "The zip is in. Its images are examined one after the other.")
            return redirect("batch", principal.organisation.slug, made)
    page = Paginator(batch_selectors.batches(principal), PER_PAGE).get_page(request.GET.get("page"))
    progress = batch_selectors.progresses(list(page))
    context = {
        "form": form,
        "page": page,
        "rows": [of_batch(batch, progress[batch.pk]) for batch in page],
        "may_write": principal.may(WRITE),
        "accepted": ACCEPTED,
        "most": settings.MAX_BATCH_ENTRIES,
        "most_mb": settings.MAX_BATCH_BYTES // (1024 * 1024),
    }
    return render(request, "detection/batches.html", context, status=422 if form.errors else 200)


@require_safe
@never_cache
@for_members
def detail(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """One batch: how far it is, what was refused and why, its results to take along."""
    batch = batch_selectors.batch(principal, pk)
    context: dict[str, Any] = {
        "batch": of_batch(batch, batch_selectors.progress(batch)),
        "refused": batch_selectors.refused(batch, SHOWN_REFUSALS),
        "may_write": principal.may(WRITE),
    }
    return render(request, "detection/batch.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def cancel(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks first."""
    require(principal, WRITE)
    batch = batch_selectors.batch(principal, pk)
    if request.method != "POST" and batch.state in OPEN:
        context = {"batch": of_batch(batch, batch_selectors.progress(batch))}
        return render(request, "detection/batch_cancel.html", context)
    if request.method == "POST":
        batch_services.cancel(principal=principal, pk=pk)
        messages.success(request, "Cancelled. The images that were in already stay.")
    return redirect("batch", principal.organisation.slug, pk)


@require_safe
@never_cache
@for_members
def results(request: HttpRequest, principal: Principal, pk: UUID, kind: str) -> HttpResponseBase:
    return download(batch_selectors.batch(principal, pk), kind)


def _made(principal: Principal, form: BatchForm) -> UUID | None:
    """None where it was refused: then the field says why."""
    fields = form.cleaned_data
    try:
        return batch_services.create_batch(
            principal=principal, archive=fields["archive"], reference=fields["reference"].strip()
        ).pk
    except (Refused, StorageFull) as refused:
        form.add_error("archive", str(refused))
        return None
