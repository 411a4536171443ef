"""Signing up by an invitation: its link is where the new person goes on to, so ``next`` names it.

In the address and not in the session, so that two tabs cannot take each other's invitation.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.utils import get_next_redirect_url
from allauth.core import context
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest
from django.urls import Resolver404, resolve

from accounts import joining, services, sign_up_policy
from accounts.errors import Refused
from accounts.joining import InvitationClosed
from accounts.models import Invitation, User, UserManager

CLOSED = (
    "The invitation was withdrawn meanwhile. You have an account and an organisation of your own; "
    "ask whoever invited you for a new invitation."
)


def token_of(request: HttpRequest | None) -> str:
    """The token of the invitation that the person came from; empty without one."""
    return token_in(get_next_redirect_url(request) if request else None)


def token_in(target: str | None) -> str:
    """The token of the invitation that an address of this site leads to; empty for any other."""
    try:
        match = resolve(urlsplit(target).path) if target else None
    except Resolver404:
        return ""
    return match.kwargs["token"] if match and match.url_name == "invitation" else ""


def invitation_of(request: HttpRequest | None) -> Invitation | None:
    """The open invitation that the person came from."""
    return _open_behind(token_of(request))


def admits_from_provider(emails: list[str], target: str | None) -> bool:
    """Whether who a provider vouches for, under these addresses, may have an account.

    ``target`` is where they go on to afterwards: an invitation counts if it was sent to one of the addresses.
    """
    invitation = _open_behind(token_in(target))
    invited = invitation.email if invitation else None
    rules = sign_up_policy.policy()
    return rules.mode == sign_up_policy.OPEN or any(
        rules.admits(email, invited=UserManager.normalize_email(email) == invited) for email in emails
    )


def _open_behind(token: str) -> Invitation | None:
    try:
        return joining.find(token)
    except InvitationClosed:
        return None


def fit(form: Form) -> Invitation | None:
    """Fixes the form's address to the invited one, which the link has confirmed already."""
    invitation = invitation_of(context.request)
    if invitation is not None:
        email: Any = form.fields["email"]
        form.initial["email"] = invitation.email
        email.disabled = True
        email.help_text = "The invitation was sent to it, so it is confirmed already."
    return invitation


def settle(request: HttpRequest, user: User) -> None:
    """Puts a new person where they belong: where they are invited, else into an organisation of their own.

    To be called in the transaction that makes the account.
    """
    try:
        joining.accept(user=user, token=token_of(request))
    except (InvitationClosed, Refused):
        services.found_own_organisation(user=user)
        messages.warning(request, CLOSED)
    else:
        get_adapter().stash_verified_email(request, user.email)
