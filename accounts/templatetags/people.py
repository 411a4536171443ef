"""Words about people, their browsers and their second factors."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django import template
from django.forms import BoundField
from django.utils.safestring import SafeString

from accounts.models import Organisation, User
from accounts.second_factor import is_last_factor, organisations_requiring

register = template.Library()

# Order matters: Edge and Opera also call themselves Chrome, and Chrome calls itself Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """A User-Agent header as people would say it: "Firefox on Windows"."""
    name = _first(BROWSERS, user_agent) or "Unknown browser"
    system = _first(SYSTEMS, user_agent)
    return f"{name} on {system}" if system else name


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in names if mark in user_agent), "")


@register.filter
def plain(field: BoundField) -> SafeString:
    """The field's control without allauth's placeholder, which only repeats the label."""
    return field.as_widget(attrs={"placeholder": False})


@register.filter
def is_unconfirmed(user: User) -> bool:
    """Whether an address of the account is not confirmed: a second step cannot be set up before it is."""
    return EmailAddress.objects.filter(user_id=user.pk, verified=False).exists()


@register.simple_tag
def closed_without(authenticator: Any) -> list[Organisation]:
    """The organisations that would shut a person out who removes this second factor."""
    if authenticator is None or not is_last_factor(authenticator):
        return []
    return organisations_requiring(authenticator.user)
