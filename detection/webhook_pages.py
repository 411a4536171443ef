"""Pages of webhooks and their deliveries."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import WEBHOOKS_WRITE, Principal, require
from accounts.errors import Refused
from accounts.requests import for_members
from detection import events, webhook_wording, webhooks
from detection import selectors_webhooks as selectors
from detection.models import Delivery, Webhook
from detection.webhook_forms import WebhookForm

PER_PAGE = 25
FILTERS = {"": "All", Delivery.State.DEAD: "Not delivered", Delivery.State.QUEUED: "Waiting"}


@require_safe
@never_cache
@for_members
def index(request: HttpRequest, principal: Principal) -> HttpResponse:
    """All webhooks of the organisation, with what became of their deliveries."""
    rows = [(each, webhook_wording.of_webhook(each)) for each in selectors.with_counts(principal)]
    context = {"rows": rows, **_rights(principal)}
    return render(request, "detection/webhooks.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def new(request: HttpRequest, principal: Principal) -> HttpResponse:
    require(principal, WEBHOOKS_WRITE)
    form = WebhookForm(request.POST if request.method == "POST" else None, initial={"events": _usual()})
    if form.is_valid():
        try:
            row = webhooks.make(principal=principal, **form.cleaned_data)
        except (ValidationError, Refused) as refused:
            _add(form, refused)
        else:
            messages.success(
                request, "The webhook is on. Next: give its secret to the receiver, then test it."
            )
            return _to(row)
    return _form(request, form, None)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def edit(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    require(principal, WEBHOOKS_WRITE)
    row = selectors.webhook(principal, pk)
    now = {name: getattr(row, name) for name in ("url", "description", "events")}
    form = WebhookForm(request.POST if request.method == "POST" else None, initial=now)
    if form.is_valid():
        try:
            webhooks.change(principal=principal, pk=pk, **form.cleaned_data)
        except ValidationError as refused:
            _add(form, refused)
        else:
            messages.success(request, "Saved. It holds for deliveries that are still waiting as well.")
            return _to(row)
    return _form(request, form, row)


@require_safe
@never_cache
@for_members
def detail(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """One webhook: its state, its secret for those who may change it, its deliveries."""
    row = selectors.webhook(principal, pk)
    chosen = request.GET.get("state", "")
    chosen = chosen if chosen in FILTERS else ""
    page = Paginator(selectors.deliveries(principal, pk, chosen), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "webhook": row,
        "state": webhook_wording.of_webhook(row),
        "replaced": _is_replaced(row),
        "events": [webhook_wording.event(each) for each in row.events],
        "deliveries": [webhook_wording.of_delivery(each) for each in page],
        "page": page,
        "filters": FILTERS.items(),
        "chosen": chosen,
        **_rights(principal),
    }
    return render(request, "detection/webhook.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def switch(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """On, or, after asking, off."""
    on = request.POST.get("active") == "true"
    words = "The webhook is on again." if on else "The webhook is off. Nothing is sent to it any more."
    return _once_asked(request, principal, pk, "off", partial(webhooks.change, active=on), words)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def rotate(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks first, then makes a new secret."""
    words = "There is a new secret. Give it to the receiver within 24 hours: until then both are valid."
    return _once_asked(request, principal, pk, "rotate", webhooks.rotate_secret, words)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def delete(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks first, then deletes."""
    words = "The webhook was deleted, with the record of its deliveries."
    return _once_asked(request, principal, pk, "delete", webhooks.delete, words)


@require_POST
@for_members
def test(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Sends a test event, and leads to where its result will be."""
    try:
        row = webhooks.test(principal=principal, pk=pk)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("webhook_detail", principal.organisation.slug, pk)
    return redirect("webhook_delivery", principal.organisation.slug, pk, row.pk)


@require_safe
@never_cache
@for_members
def delivery(request: HttpRequest, principal: Principal, pk: UUID, number: int) -> HttpResponse:
    """What was sent, and what came back at each try. Loads itself again while the first is under way."""
    row = selectors.delivery(principal, pk, number)
    under_way = row.state == Delivery.State.RUNNING or (
        row.state == Delivery.State.QUEUED and not row.attempts
    )
    context = {
        "webhook": row.webhook,
        "delivery": webhook_wording.of_delivery(row),
        "tries": webhook_wording.tries(row),
        "body": json.dumps(json.loads(row.body), indent=2, ensure_ascii=False),
        "under_way": under_way and row.webhook.active,
        **_rights(principal),
    }
    return render(request, "detection/webhook_delivery.html", context)


@require_POST
@for_members
def replay(request: HttpRequest, principal: Principal, pk: UUID, number: int) -> HttpResponse:
    try:
        webhooks.replay(principal=principal, webhook=pk, pk=number)
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("webhook_delivery", principal.organisation.slug, pk, number)


def _rights(principal: Principal) -> dict[str, bool]:
    return {"may_write": principal.may(WEBHOOKS_WRITE)}


def _usual() -> list[str]:
    return [events.DETECTION_COMPLETED, events.DETECTION_FAILED]


def _add(form: WebhookForm, refused: ValidationError | Refused) -> None:
    form.add_error(None, refused if isinstance(refused, ValidationError) else str(refused))


def _form(request: HttpRequest, form: WebhookForm, row: Webhook | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "webhook": row}
    return render(request, "detection/webhook_form.html", context, status=422 if form.errors else 200)


def _once_asked(
    request: HttpRequest, principal: Principal, pk: UUID, act: str, do: Callable[..., object], words: str
) -> HttpResponse:
    """Asks on a page of its own; sent back from there, does it and says so."""
    require(principal, WEBHOOKS_WRITE)
    row = selectors.webhook(principal, pk)
    if request.method != "POST":
        context = {"webhook": row, "act": act, "replaced": _is_replaced(row)}
        return render(request, "detection/webhook_ask.html", context)
    do(principal=principal, pk=pk)
    messages.success(request, words)
    return redirect("webhooks", principal.organisation.slug) if act == "delete" else _to(row)


def _is_replaced(row: Webhook) -> bool:
    """Whether a secret before the present one still signs."""
    return row.old_secret_until is not None and row.old_secret_until > timezone.now()


def _to(row: Webhook) -> HttpResponse:
    return redirect("webhook_detail", row.organisation.slug, row.pk)
