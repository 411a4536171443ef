"""What an invited person sees, whoever they are; and the way to an organisation of one's own."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import founding, joining, roles
from accounts.errors import Refused
from accounts.joining import InvitationClosed
from accounts.member_forms import FoundForm
from accounts.models import Invitation, Membership, User

# 410: it was here. 404 tells nothing more than that this is no link of ours.
STATUS = {joining.UNKNOWN: 404, joining.EXPIRED: 410, joining.USED: 410, joining.WITHDRAWN: 410}


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind the link of an invitation: it asks, and does nothing by being opened.

    Mail scanners open links. A stranger sees the same whether or not there is an account under the
    invited address.
    """
    try:
        if request.method == "POST":
            return _answered(request, token)
        return _asked(request, token, joining.find(token))
    except InvitationClosed as closed:
        return _closed(request, closed)


def _asked(request: HttpRequest, token: str, found: Invitation) -> HttpResponse:
    user = request.user
    here = {"next": reverse("invitation", args=[token])}
    context = {
        "invitation": found,
        "role_words": roles.WORDS[found.role],
        "is_theirs": user.is_authenticated and joining.is_theirs(user, found),
        "is_member": user.is_authenticated and found.organisation.memberships.filter(user=user).exists(),
        "sign_in": f"{reverse('account_login')}?{urlencode(here)}",
        "sign_up": f"{reverse('account_signup')}?{urlencode(here)}",
    }
    return render(request, "accounts/invitation.html", context)


def _answered(request: HttpRequest, token: str) -> HttpResponse:
    answer = request.POST.get("answer")
    if answer == "decline":
        return render(request, "accounts/declined.html", {"invitation": joining.decline(token=token)})
    if answer == "sign_out":
        logout(request)
    elif answer in ("accept", "accept_as_other") and isinstance(request.user, User):
        return _joined(request, token, as_other=answer == "accept_as_other")
    return redirect("invitation", token)


def _joined(request: HttpRequest, token: str, *, as_other: bool) -> HttpResponse:
    assert isinstance(request.user, User)
    try:
        membership = joining.accept(user=request.user, token=token, as_other=as_other)
    except Refused as refused:
        messages.error(request, str(refused))
        return redirect("invitation", token)
    messages.success(request, f"Welcome to {membership.organisation}.")
    return redirect("check", membership.organisation.slug)


def _closed(request: HttpRequest, closed: InvitationClosed) -> HttpResponse:
    """Who has just signed up by the link, or opens it again, goes where it led."""
    invitation = closed.invitation
    if invitation and request.user.is_authenticated and invitation.accepted_by_id == request.user.pk:
        membership = Membership.objects.filter(user=request.user, organisation=invitation.organisation)
        if membership.exists():
            return redirect("check", invitation.organisation.slug)
    context = {"state": closed.state, "invitation": invitation}
    return render(request, "accounts/invitation_closed.html", context, status=STATUS[closed.state])


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def found(request: HttpRequest) -> HttpResponse:
    """One more organisation, with oneself as its owner."""
    form = FoundForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        assert isinstance(request.user, User)
        try:
            organisation = founding.found_another(user=request.user, name=form.cleaned_data["name"])
        except Refused as refused:
            form.add_error("name", str(refused))
        else:
            messages.success(request, f"{organisation} is founded, and you own it. Now invite its people.")
            return redirect("members", organisation.slug)
    return render(request, "accounts/found.html", {"form": form}, status=422 if form.errors else 200)
