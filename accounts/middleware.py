"""What happens around every request of a signed-in person."""

from __future__ import annotations

import logging
from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

SEEN_EVERY_S = 60

logger = logging.getLogger(__name__)


class ConflictMiddleware:
    """Of two requests that do the same at once, a unique index stops one: nobody's fault, and no error 500.

    The net below those places that find a better answer themselves. The API has one in cifake_site.problems.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, IntegrityError):
            return None
        logger.warning("Two requests did the same at once: %s", request.path, exc_info=exception)
        return render(request, "409.html", status=409)


class SessionActivityMiddleware:
    """Keeps "last seen" on the sessions page, once a minute for each session and address.

    allauth's own middleware writes on every request; a page of thumbnails would queue up
    dozens of writers before SQLite's one lock.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.session.session_key and request.user.is_authenticated and self._due(request):
            UserSession.objects.create_from_request(request)
        return self.get_response(request)

    def _due(self, request: HttpRequest) -> bool:
        address = get_adapter().get_client_ip(request)
        return cache.add(f"session-seen:{request.session.session_key}:{address}", True, SEEN_EVERY_S)
