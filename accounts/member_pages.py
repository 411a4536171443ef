"""Pages of an organisation's people. Each view parses, calls one service or selector, and renders."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import access, invitations, roles, selectors
from accounts import members as services
from accounts.access import MEMBERS_READ, MEMBERS_WRITE, OWN, Principal, require
from accounts.errors import Refused
from accounts.invitations import Invited
from accounts.member_forms import InviteForm, RoleForm
from accounts.models import Membership, Role
from accounts.requests import for_members
from accounts.site import site_of

PER_PAGE = 50
ASKED = ["GET", "HEAD", "POST"]  # GET asks, POST does it


@require_safe
@never_cache
@for_members
def members(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Who is in the organisation, who is invited, and what each role may do."""
    require(principal, MEMBERS_READ)
    return _members(request, principal)


@require_POST
@for_members
def invite(request: HttpRequest, principal: Principal) -> HttpResponse:
    """Sends invitations to one or more addresses."""
    require(principal, MEMBERS_WRITE)
    form = InviteForm(request.POST, roles=access.assignable(principal))
    if form.is_valid() and (invited := _invited(request, principal, form)):
        _say(request, invited)
        return redirect("members", principal.organisation.slug)
    return _members(request, principal, form)


def _invited(request: HttpRequest, principal: Principal, form: InviteForm) -> Invited | None:
    asked = form.cleaned_data
    try:
        return invitations.invite(
            principal=principal, emails=asked["emails"], role=Role(asked["role"]), site=site_of(request)
        )
    except Refused as refused:
        form.add_error("emails", str(refused))
        return None


def _say(request: HttpRequest, invited: Invited) -> None:
    if invited.sent:
        messages.success(request, f"Invited: {', '.join(invited.sent)}. The link works for seven days.")
    if invited.unsent:
        messages.error(request, f"{UNSENT} {', '.join(invited.unsent)}.")
    if invited.members:
        messages.info(request, f"Already here, so not invited: {', '.join(invited.members)}.")


UNSENT = "The mail server did not take the letter. Check its settings, then send again to:"


@require_POST
@for_members
def resend(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    """Asks nothing first: the person gets one more letter, and its link works instead of the old one."""
    email = selectors.open_invitation(principal, pk).email
    try:
        if invitations.resend(principal=principal, pk=pk, site=site_of(request)):
            messages.success(request, f"{email} got a new link. The one sent before works no more.")
        else:
            messages.error(request, f"{UNSENT} {email}.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("members", principal.organisation.slug)


@require_http_methods(ASKED)
@never_cache
@for_members
def revoke(request: HttpRequest, principal: Principal, pk: UUID) -> HttpResponse:
    require(principal, MEMBERS_WRITE)
    invitation = selectors.open_invitation(principal, pk)
    if request.method != "POST":
        return render(request, "accounts/revoke.html", {"invitation": invitation})
    invitations.revoke(principal=principal, pk=pk)
    messages.success(request, f"The invitation to {invitation.email} is withdrawn.")
    return redirect("members", principal.organisation.slug)


@require_http_methods(ASKED)
@never_cache
@for_members
def role(request: HttpRequest, principal: Principal, pk: int) -> HttpResponse:
    """Another role for somebody, and for owners the way to hand the organisation over."""
    membership = _managed(principal, pk)
    form = RoleForm(request.POST if request.method == "POST" else None, roles=access.assignable(principal))
    if form.is_valid() and _role_changed(principal, membership, form):
        messages.success(request, _promoted(membership, Role(form.cleaned_data["role"])))
        return redirect("members", principal.organisation.slug)
    chosen = form["role"].value() if form.is_bound else membership.role
    choices = [
        {"value": each.value, "label": each.label, "words": roles.WORDS[each], "checked": each == chosen}
        for each in access.assignable(principal)
    ]
    context = {
        "membership": membership,
        "form": form,
        "choices": choices,
        "own": _is_own(principal, membership),
        "must_stay": services.is_last_owner(membership),
    }
    context["may_give"] = principal.may(OWN) and not context["own"] and membership.user.is_active
    return render(request, "accounts/role.html", context, status=422 if form.errors else 200)


def _promoted(membership: Membership, role: Role) -> str:
    return f"{membership.user} is {'a' if role == Role.MEMBER else 'an'} {role} now."


def _role_changed(principal: Principal, membership: Membership, form: RoleForm) -> bool:
    try:
        services.change_role(principal=principal, pk=membership.pk, role=Role(form.cleaned_data["role"]))
    except Refused as refused:
        form.add_error("role", str(refused))
        return False
    return True


@require_http_methods(ASKED)
@never_cache
@for_members
def remove(request: HttpRequest, principal: Principal, pk: int) -> HttpResponse:
    membership = _managed(principal, pk)
    if _is_own(principal, membership):
        return redirect("leave", principal.organisation.slug)
    if request.method == "POST":
        try:
            person = services.remove(principal=principal, pk=pk)
        except Refused as refused:
            return _ending(request, "accounts/remove.html", membership, refused)
        messages.success(request, f"{person} is no longer in {principal.organisation}.")
        return redirect("members", principal.organisation.slug)
    return _ending(request, "accounts/remove.html", membership)


@require_http_methods(ASKED)
@never_cache
@for_members
def leave(request: HttpRequest, principal: Principal) -> HttpResponse:
    membership = principal.organisation.memberships.select_related("user").get(user=principal.user)
    if request.method == "POST":
        try:
            services.leave(principal=principal)
        except Refused as refused:
            return _ending(request, "accounts/leave.html", membership, refused)
        messages.success(request, f"You have left {principal.organisation}.")
        return redirect("home")
    return _ending(request, "accounts/leave.html", membership)


@require_http_methods(ASKED)
@never_cache
@for_members
def give_ownership(request: HttpRequest, principal: Principal, pk: int) -> HttpResponse:
    require(principal, OWN)
    membership = selectors.member(principal, pk)
    context: dict[str, Any] = {"membership": membership}
    if request.method == "POST":
        try:
            services.give_ownership(principal=principal, pk=pk)
        except Refused as refused:
            return render(request, "accounts/give.html", {**context, "refused": refused}, status=422)
        messages.success(request, f"{membership.user} is the owner now, and you are an admin.")
        return redirect("members", principal.organisation.slug)
    return render(request, "accounts/give.html", context)


def _members(request: HttpRequest, principal: Principal, form: InviteForm | None = None) -> HttpResponse:
    assignable = access.assignable(principal)
    page = Paginator(selectors.members(principal), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1),
        "invitations": selectors.open_invitations(principal),
        "form": form or InviteForm(roles=assignable),
        "assignable": assignable,
        "roles": [{"label": each.label, "words": roles.WORDS[each]} for each in Role],
        "table": roles.table(),
        "may_manage": principal.may(MEMBERS_WRITE),
        "self": principal.user,
        "moment": timezone.now(),
    }
    return render(request, "accounts/members.html", context, status=422 if form else 200)


def _ending(
    request: HttpRequest, template: str, membership: Membership, refused: Refused | None = None
) -> HttpResponse:
    context = {
        "membership": membership,
        "refused": refused,
        "keys": selectors.keys_resting_on(membership),
        "invitations": selectors.invitations_resting_on(membership),
        "must_stay": services.is_last_owner(membership),
    }
    return render(request, template, context, status=422 if refused else 200)


def _managed(principal: Principal, pk: int) -> Membership:
    """Somebody whose role the principal may change. Raises Http404, PermissionDenied."""
    require(principal, MEMBERS_WRITE)
    membership = selectors.member(principal, pk)
    access.require_assignable(principal, membership.role)
    return membership


def _is_own(principal: Principal, membership: Membership) -> bool:
    return membership.user == principal.user
