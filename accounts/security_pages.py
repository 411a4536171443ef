"""The settings page of who is let in, and how: a second factor, joining by domain."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import domains, organisations, second_factor
from accounts.access import SETTINGS, SETTINGS_READ, Principal, require
from accounts.errors import Refused
from accounts.requests import for_members
from accounts.settings_forms import DomainForm


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@for_members
def security(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Whether members need a second factor, and who may join by themselves."""
    require(principal, SETTINGS if request.method == "POST" else SETTINGS_READ)
    if request.method != "POST":
        return security_page(request, principal)
    required = request.POST.get("require_mfa") == "on"
    try:
        organisations.require_second_factor(principal=principal, required=required)
    except Refused as refused:
        return security_page(request, principal, refused=str(refused))
    messages.success(request, _said(principal, required))
    return redirect("organisation_security", principal.organisation.slug)


def _said(principal: Principal, required: bool) -> str:
    if not required:
        return "A second step is no longer asked for."
    count = second_factor.members_without(principal.organisation)
    if not count:
        return "A second step is asked for from now on. Everybody here has one already."
    people = "1 person sees" if count == 1 else f"{count} people see"
    return f"A second step is asked for from now on. {people} nothing here until they have set one up."


def security_page(
    request: HttpRequest, principal: Principal, refused: str = "", form: DomainForm | None = None
) -> HttpResponse:
    """The settings page that says who is let in, and how."""
    own, added = domains.own_domains(principal.user), domains.of_organisation(principal)
    free = own - {each.domain for each in added}
    context = {
        "active": "security",
        "may_change": principal.may(SETTINGS),
        "has_factor": principal.user is not None and second_factor.has_second_factor(principal.user),
        "without": second_factor.members_without(principal.organisation),
        "refused": refused,
        "domains": added,
        "own_domains": own,
        "free_domains": free,
        "form": form or DomainForm(domains=free),
    }
    return render(request, "organisation/security.html", context, status=422 if refused or form else 200)
