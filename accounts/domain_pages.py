"""Pages of joining by domain: for those who open the door, and for those who come in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import domains
from accounts.access import SETTINGS, Principal, require
from accounts.errors import Refused
from accounts.models import Role
from accounts.requests import for_members
from accounts.security_pages import security_page
from accounts.settings_forms import DomainForm


@require_POST
@for_members
def add(request: HttpRequest, principal: Principal) -> HttpResponse:
    require(principal, SETTINGS)
    form = DomainForm(request.POST, domains=domains.own_domains(principal.user))
    if form.is_valid() and _added(form, principal):
        messages.success(request, f"People with an address at {form.cleaned_data['domain']} can join now.")
        return redirect("organisation_security", principal.organisation.slug)
    return security_page(request, principal, form=form)


def _added(form: DomainForm, principal: Principal) -> bool:
    try:
        role = Role(form.cleaned_data["role"])
        domains.add(principal=principal, domain=form.cleaned_data["domain"], role=role)
    except Refused as refused:
        form.add_error(refused.code, str(refused))
    return form.is_valid()


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def remove(request: HttpRequest, principal: Principal, pk: int) -> HttpResponse:
    """Asks first, then closes the door."""
    require(principal, SETTINGS)
    domain = domains.get(principal, pk)
    if request.method != "POST":
        return render(request, "organisation/domain_remove.html", {"domain": domain})
    domains.remove(principal=principal, pk=pk)
    messages.success(request, f"Nobody else joins with an address at {domain.domain}.")
    return redirect("organisation_security", principal.organisation.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def join(request: HttpRequest, slug: str) -> HttpResponse:
    """For those to whom it is offered; for all others there is no such page."""
    if request.method != "POST":
        return render(request, "organisation/join.html", {"offer": domains.offer(request.user, slug)})
    organisation = domains.join(user=request.user, slug=slug)  # type: ignore[arg-type]
    messages.success(request, f"You are in {organisation} now.")
    return redirect("check", organisation.slug)
