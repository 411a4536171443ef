"""Pages of an organisation's settings. All its members read them; owners and admins change them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import organisations
from accounts.access import SETTINGS, SETTINGS_READ, Principal, require
from accounts.errors import Refused
from accounts.organisations import General
from accounts.requests import for_members
from accounts.settings_forms import GeneralForm, LogoForm

# A file of ours is only ever a picture: whatever a browser takes it for, it may do nothing.
FILE_POLICY = "default-src 'none'; sandbox"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def general(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Name, time zone, logo, and how long things are kept."""
    require(principal, SETTINGS if request.method == "POST" else SETTINGS_READ)
    if request.method != "POST":
        return _general(request, principal)
    form = GeneralForm(request.POST)
    if form.is_valid() and _saved(form, principal):
        messages.success(request, "Saved.")
        return redirect("organisation_settings", principal.organisation.slug)
    return _general(request, principal, form=form)


def _saved(form: GeneralForm, principal: Principal) -> bool:
    try:
        organisations.change(principal=principal, wanted=form.wanted())
    except Refused as refused:
        form.add_error(refused.code, str(refused))
    return form.is_valid()


def _general(
    request: HttpRequest,
    principal: Principal,
    form: GeneralForm | None = None,
    logo_form: LogoForm | None = None,
) -> HttpResponse:
    sent = form or logo_form
    now = General.of(principal.organisation)
    context = {
        "active": "general",
        "form": form or GeneralForm(initial=now.__dict__),
        "logo_form": logo_form or LogoForm(),
        "may_change": principal.may(SETTINGS),
        "keeps": now.keep_files_days or now.keep_records_days,
    }
    return render(request, "organisation/general.html", context, status=422 if sent else 200)


@require_POST
@for_members
def change_logo(request: HttpRequest, principal: Principal) -> HttpResponse:
    require(principal, SETTINGS)
    form = LogoForm(request.POST, request.FILES)
    if form.is_valid() and _logo_saved(form, principal):
        messages.success(request, "The logo is in place.")
        return redirect("organisation_settings", principal.organisation.slug)
    return _general(request, principal, logo_form=form)


def _logo_saved(form: forms.Form, principal: Principal) -> bool:
    try:
        organisations.set_logo(principal=principal, data=form.cleaned_data["logo"].read())
    except Refused as refused:
        form.add_error("logo", str(refused))
    return form.is_valid()


@require_POST
@for_members
def remove_logo(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Asks nothing first: whoever has the file puts it back in a moment."""
    organisations.remove_logo(principal=principal)
    messages.success(request, "The logo is gone. You can upload one again at any time.")
    return redirect("organisation_settings", principal.organisation.slug)


@require_safe
@for_members
def logo(request: HttpRequest, principal: Principal) -> HttpResponseBase:
    """The picture, for members. Browsers may keep it, but ask the gate again each time."""
    require(principal, SETTINGS_READ)
    stored = principal.organisation.logo
    if not stored.name:
        raise Http404("This organisation has no logo.")
    etag = quote_etag(stored.name.rpartition("/")[2])
    response = get_conditional_response(request, etag=etag)
    response = response or HttpResponse(_read(stored), content_type="image/png")
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Content-Security-Policy"] = FILE_POLICY
    response["Content-Disposition"] = "inline"
    return response


def _read(stored: Any) -> bytes:
    try:
        with stored.storage.open(stored.name, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise Http404("This file is gone.") from None
