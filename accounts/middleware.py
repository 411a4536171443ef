"""What happens around every request of a signed-in person."""

from __future__ import annotations

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

SEEN_EVERY_S = 60


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
