"""Pages of API keys. Each view parses, calls one service or selector, and renders."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts import key_selectors, keys, selectors
from accounts.access import KEYS_READ, KEYS_WRITE, Principal, require
from accounts.key_forms import KeyForm, NewKeyForm, RotateForm, ServiceForm, stored
from accounts.models import ApiKey
from accounts.requests import for_members

ASKED = ["GET", "HEAD", "POST"]  # GET asks, POST does it
FORM_SECONDS = 24 * 60 * 60  # for which a form is known to have been sent
SENT_BEFORE = (
    "This form was sent before, and did its work then. The value was shown once: "
    "if you have not kept it, give the key a new one."
)


@require_safe
@never_cache
@for_members
def keys_page(request: HttpRequest, principal: Principal) -> HttpResponse:
    """The organisation's keys, with what each may do and whether it works."""
    require(principal, KEYS_READ)
    found = key_selectors.cards(principal)
    context = {
        "cards": [each for each in found if each.state != key_selectors.REVOKED],
        "revoked": [each for each in found if each.state == key_selectors.REVOKED],
        "most_revoked": key_selectors.MOST_REVOKED,
        "may_change": principal.may(KEYS_WRITE),
    }
    return render(request, "accounts/keys.html", context)


@require_http_methods(ASKED)
@never_cache
@for_members
def make(request: HttpRequest, principal: Principal) -> HttpResponse:
    """A form, then the key's value, this once."""
    require(principal, KEYS_WRITE)
    if request.method != "POST":
        form = NewKeyForm(principal=principal, initial={"once": _once()})
        return render(request, "accounts/keys_make.html", {"form": form})
    form = NewKeyForm(request.POST, principal=principal)
    if form.is_valid():
        if not _first_time(form):
            return _sent_before(request, principal)
        if made := _done(form, partial(keys.make, principal=principal)):
            return _show(request, *made)
    return render(request, "accounts/keys_make.html", {"form": form}, status=422)


@require_http_methods(ASKED)
@never_cache
@for_members
def change(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Name, scopes, addresses and limits of a key: new ones hold from its next request on."""
    require(principal, KEYS_WRITE)
    card = key_selectors.card(principal, pk)
    if card.state == key_selectors.REVOKED:
        return _closed(request, principal)
    if request.method != "POST":
        form = KeyForm(principal=principal, initial=stored(card.key))
        return render(request, "accounts/keys_change.html", {"card": card, "form": form})
    form = KeyForm(request.POST, principal=principal)
    if form.is_valid():
        try:
            key = keys.change(principal=principal, pk=pk, fields=form.wanted())
        except ValidationError as error:
            form.refuse(error)
        else:
            messages.success(request, f"{key} was changed. It holds from its next request on.")
            return redirect("keys", principal.organisation.slug)
    return render(request, "accounts/keys_change.html", {"card": card, "form": form}, status=422)


@require_http_methods(ASKED)
@never_cache
@for_members
def rotate(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """A new value; the old one goes on for as long as is chosen."""
    require(principal, KEYS_WRITE)
    card = key_selectors.card(principal, pk)
    if card.state == key_selectors.REVOKED:
        return _closed(request, principal)
    if request.method != "POST":
        form = RotateForm(initial={"once": _once()})
        return render(request, "accounts/keys_rotate.html", {"card": card, "form": form})
    form = RotateForm(request.POST)
    if form.is_valid():
        if not _first_time(form):
            return _sent_before(request, principal)
        if rotated := _done(form, partial(keys.rotate, principal=principal, pk=pk)):
            return _show(request, *rotated)
    return render(request, "accounts/keys_rotate.html", {"card": card, "form": form}, status=422)


@require_http_methods(ASKED)
@never_cache
@for_members
def revoke(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks first, then closes the key for good."""
    require(principal, KEYS_WRITE)
    card = key_selectors.card(principal, pk)
    if request.method != "POST":
        context = {"card": card, "invitations": selectors.invitations_of_key(card.key)}
        context["made"] = key_selectors.made_by(card.key)
        return render(request, "accounts/keys_revoke.html", context)
    key = keys.revoke(principal=principal, pk=pk)
    messages.success(request, f"{key} was revoked. Its next request will be refused.")
    return redirect("keys", principal.organisation.slug)


def _show(request: HttpRequest, key: ApiKey, value: str) -> HttpResponse:
    """The one page that has the value: it is kept nowhere, so no address leads here again."""
    until = list(key.secrets.order_by("-created").values_list("expiry", flat=True))
    context: dict[str, Any] = {"key": key, "value": value, "expires_at": until[0], "old": len(until) > 1}
    return render(request, "accounts/keys_value.html", context)


def _once() -> str:
    return secrets.token_urlsafe(16)


def _first_time(form: ServiceForm) -> bool:
    """Whether the form is sent for the first time: a page that is loaded anew makes no second key."""
    return not form.cleaned_data["once"] or cache.add(_mark(form), True, FORM_SECONDS)


def _done(
    form: NewKeyForm | RotateForm, service: Callable[..., tuple[ApiKey, str]]
) -> tuple[ApiKey, str] | None:
    """What the service gives; None if it refused, which the form then says, and may be sent again."""
    try:
        return service(**form.wanted())
    except ValidationError as error:
        cache.delete(_mark(form))
        form.refuse(error)
        return None


def _mark(form: ServiceForm) -> str:
    return f"key-form:{form.cleaned_data['once']}"


def _sent_before(request: HttpRequest, principal: Principal) -> HttpResponse:
    messages.info(request, SENT_BEFORE)
    return redirect("keys", principal.organisation.slug)


def _closed(request: HttpRequest, principal: Principal) -> HttpResponse:
    messages.error(request, "This key was revoked, and stays so. Make a new one.")
    return redirect("keys", principal.organisation.slug)
