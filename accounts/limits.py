"""How often a key may ask, and how each answer of the API tells it.

Windows are the minutes of the clock, so two may follow each other closely: within sixty seconds that are
not one of the clock's minutes, a key gets through twice its limit at most. That is the price of one
atomic ``incr`` a request, which holds on Redis, for all processes, as it does in the memory of one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from accounts import usage
from accounts.access import Principal
from accounts.api_problem import Problem
from accounts.models import ApiKey

WINDOW_SECONDS = 60


@dataclass(frozen=True)
class Window:
    """A key's present minute: requests it may make and has made, seconds until the next one."""

    limit: int
    used: int
    seconds: int

    @property
    def allowed(self) -> bool:
        return self.used <= self.limit

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


def take(key: ApiKey) -> Window:
    """Counts one request of a key, and of the key that made it: the narrowest window is the one that counts.

    Atomic: of any number at once no more than the limit are allowed.
    """
    windows = [
        Window(each.per_minute, count(of_minute(f"key-minute:{each.pk}")), seconds_left())
        for each in usage.lineage(key)
    ]
    return min(windows, key=lambda window: window.limit - window.used)


def of_minute(what: str) -> str:
    """The name of a counter of the present minute."""
    return f"{what}:{int(_now() // WINDOW_SECONDS)}"


def seconds_left() -> int:
    """Until the next minute begins, at least 1."""
    return math.ceil(WINDOW_SECONDS - _now() % WINDOW_SECONDS)


def count(name: str) -> int:
    """Adds one to a counter named by ``of_minute``, atomically, and gives what it holds then."""
    # It outlives its minute, for an ``incr`` that found it gone would make one on Redis that never ends.
    cache.add(name, 0, 2 * WINDOW_SECONDS)
    try:
        return cache.incr(name)
    except ValueError:  # a full cache in memory has dropped it in between
        cache.add(name, 0, 2 * WINDOW_SECONDS)
        return cache.incr(name)


class KeyThrottle(BaseThrottle):
    """DRF: the limit a minute of the key that asks."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Raises Problem (429) with the seconds to wait; strangers are not its business."""
        require_room(request)
        return True


def require_room(request: Request) -> None:
    """Counts a request, once however often it is asked. Raises Problem (429): the minute is used up."""
    principal = request.auth
    if not isinstance(principal, Principal) or principal.key is None:
        return
    if hasattr(request._request, "key_window"):
        return
    window = request._request.key_window = take(principal.key)
    if not window.allowed:
        raise _too_many(window)


def tell_limits(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: counts what keys ask, and tells them in every answer how much they may still ask."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        principal = getattr(request, "auth", None)  # DRF leaves it here
        # A fault is told as it is: what it hit, the cache or the database, is not asked again.
        if isinstance(principal, Principal) and principal.key is not None and response.status_code < 500:
            # What was refused before anybody counted, for an unknown format say, counts as well.
            window = getattr(request, "key_window", None) or take(principal.key)
            usage.count_request(principal, refused=response.status_code == 429)
            _tell(response, principal.key, window)
        return response

    return answer


def _tell(response: HttpResponse, key: ApiKey, window: Window) -> None:
    """The fields of draft-ietf-httpapi-ratelimit-headers-10: a list of policies, and what is left of each."""
    policies = [f'"minute";q={window.limit};w={WINDOW_SECONDS}']
    left = [f'"minute";r={window.remaining};t={window.seconds}']
    if key.per_month is not None:
        policies.append(f'"month";q={key.per_month};qu="images"')
        images = max(0, key.per_month - usage.month_used(key))
        left.append(f'"month";r={images};t={usage.month_ends_in()}')
    response["RateLimit-Policy"] = ", ".join(policies)
    response["RateLimit"] = ", ".join(left)


def _too_many(window: Window) -> Problem:
    return Problem(
        "rate-limited",
        f"This key may ask {window.limit:,} times a minute. Go on in {window.seconds} seconds.",
        headers={"Retry-After": str(window.seconds)},
    )


def _now() -> float:
    return time.time()
