"""The page in place of all others of an organisation that has to be looked through first."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts import looking
from accounts.access import Principal
from accounts.errors import Refused
from accounts.requests import for_those_who_look, look_page


@require_POST
@for_those_who_look
def look_through(request: HttpRequest, principal: Principal) -> HttpResponse:
    """What the form says: who stays; or that the person leaves."""
    if not looking.is_asked(principal):
        return redirect("check", principal.organisation.slug)
    try:
        if request.POST.get("answer") == "leave":
            looking.leave(principal=principal)
            messages.success(request, f"You have left {principal.organisation}.")
            return redirect("home")
        keep = [int(each) for each in request.POST.getlist("keep") if each.isdecimal() and len(each) < 19]
        looking.stay(principal=principal, keep=keep)
    except Refused as refused:
        return look_page(request, principal, str(refused))
    messages.success(request, f"{principal.organisation} is open to you again.")
    return redirect("check", principal.organisation.slug)
