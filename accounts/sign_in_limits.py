"""How many wrong passwords may be tried at one address from everywhere together, by clients it does not know.

Many machines that guess at one address are slowed down by it. Its owner is not: a client from which a session
of theirs came is left out, and choosing a new password by mail begins the count anew.
"""

from __future__ import annotations

from typing import Any

from allauth.core.internal import ratelimit
from allauth.usersessions.models import UserSession
from django.http import HttpRequest

from accounts.models import UserManager

LIMIT: dict[str, Any] = {"app": "allauth.account", "action": "login_failed_anywhere"}


def is_known_client(email: str, address: str) -> bool:
    """Whether somebody is, or was lately, signed in from this client under the e-mail address."""
    email = UserManager.normalize_email(email)
    return UserSession.objects.filter(user__email=email, ip=address).exists()


def consume(request: HttpRequest, email: str) -> ratelimit.RateLimitUsage | None:
    """Counts one try; None if there were too many."""
    return ratelimit.consume(request, key=UserManager.normalize_email(email), **LIMIT)


def clear(request: HttpRequest, email: str) -> None:
    ratelimit.clear(request, key=UserManager.normalize_email(email), **LIMIT)
