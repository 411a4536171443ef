"""Request bodies are measured as they come in, for Django keeps a whole one on disk before any view.

``BodyLimit`` stands in front of Django and cuts short what is too large for its address and its
sender; ``refuse_bodies`` then answers, within Django, with a sentence, and so it does to packed ones.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from rest_framework.exceptions import APIException

from accounts.access import WRITE
from accounts.api_problem import Problem
from accounts.authentication import KeyAuthentication
from accounts.requests import wants_json
from cifake_site import problems
from cifake_site.numbers import LARGEST_ID, whole
from mlcore.imaging import size_words

EXCEEDED = "cifake.exceeded"  # in the scope of a request without its body: the limit, in bytes


class BodyTooLarge(Exception):
    """Raised out of ``receive``, and so through Django's reading of the body."""


class BodyLimit:
    """ASGI: MAX_FORM_BYTES a request, and more for images that a signed-in person or a valid key sends."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        meter = _Meter(scope, receive)
        try:
            await meter.check(_declared(scope))
            await self.application(scope, meter.receive, send)
        except BodyTooLarge:
            # Django reads all of a body before it answers, so no answer has been begun.
            await self.application({**scope, EXCEEDED: meter.limit}, _Empty().receive, send)


class _Meter:
    """Counts what comes, for nothing needs to say beforehand how long it is."""

    def __init__(self, scope: Any, receive: Any) -> None:
        self.scope, self.next = scope, receive
        self.limit: int = settings.MAX_FORM_BYTES
        self.count, self.asked = 0, False

    async def receive(self) -> Any:
        message = await self.next()
        self.count += len(message.get("body", b""))
        await self.check(self.count)
        return message

    async def check(self, length: int) -> None:
        # Who sends is looked up in the database, and so only for bodies that depend on it.
        if length > self.limit and not self.asked:
            self.asked = True
            self.limit = max(self.limit, await _limit_of_sender(self.scope))
        if length > self.limit:
            raise BodyTooLarge


class _Empty:
    """A body of nothing. What the client still sends stays with the server, which throws it away."""

    def __init__(self) -> None:
        self.given = False

    async def receive(self) -> Any:
        if self.given:
            await asyncio.Event().wait()  # Django listens for a disconnect until it has answered
        self.given = True
        return {"type": "http.request", "body": b"", "more_body": False}


def _declared(scope: Any) -> int:
    """Of a number with more digits than any length has: more than is ever taken."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length" and value.isdigit()]
    found = [whole(value.decode()) for value in lengths]
    return max((LARGEST_ID if length is None else length for length in found), default=0)


@database_sync_to_async
def _limit_of_sender(scope: Any) -> int:
    """What may be sent to the address by this person or key; a made-up session or key is not enough."""
    try:
        request = ASGIRequest(scope, io.BytesIO())
        name = resolve(request.path_info).url_name
    except (Resolver404, UnicodeDecodeError):
        return 0
    if limit := _of_pages().get(name or "", 0):
        return limit if _is_signed_in(request) else 0
    limit = _of_the_api().get(name or "", 0)
    return limit if limit and _has_key(request) else 0


def _of_pages() -> dict[str, int]:
    """In bytes, by the name of the address: images, or a whole zip."""
    return {
        "detection_submit": settings.MAX_UPLOAD_REQUEST_BYTES,
        "batches": settings.MAX_BATCH_BYTES + settings.MAX_FORM_BYTES,
    }


def _of_the_api() -> dict[str, int]:
    """In bytes, by the name of the address: one file with its form, or a whole zip."""
    return {
        "api_detections": settings.MAX_UPLOAD_BYTES + settings.MAX_FORM_BYTES,
        "api_batches": settings.MAX_BATCH_BYTES + settings.MAX_FORM_BYTES,
    }


def _is_signed_in(request: HttpRequest) -> bool:
    sessions = import_module(settings.SESSION_ENGINE)
    request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    return get_user(request).is_authenticated


def _has_key(request: HttpRequest) -> bool:
    """A key that may send images from where it is."""
    try:
        found = KeyAuthentication().authenticate(request)
    except APIException:
        return False
    return found is not None and found[1].may(WRITE)


def refuse_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Middleware, the innermost, so that the page has its person, its frame and its headers."""

    def answer(request: HttpRequest) -> HttpResponse:
        coding = request.headers.get("Content-Encoding", "").strip().lower()
        if coding not in ("", "identity"):
            return _encoded(request)
        limit = getattr(request, "scope", {}).get(EXCEEDED)
        return get_response(request) if limit is None else _refusal(request, limit)

    return answer


def _encoded(request: HttpRequest) -> HttpResponse:
    """Nothing here unpacks a body: RFC 9110, 15.5.16."""
    detail = "The body is compressed (Content-Encoding). Send it as it is."
    headers = {"Accept-Encoding": "identity"}
    if request.path_info.startswith("/api/"):
        return problems.answer(Problem("unsupported-media-type", detail, headers=headers))
    return JsonResponse({"detail": detail}, status=415, headers=headers)


def _refusal(request: HttpRequest, limit: int) -> HttpResponse:
    most = f"At most {size_words(limit)} can be sent"
    if request.path_info.startswith("/api/"):
        return problems.answer(Problem("too-large", f"{most} to this address by this key, or without one."))
    if not request.user.is_authenticated:
        detail = f"{most} by somebody who is signed out. Sign in, then send it again."
    elif limit == settings.MAX_UPLOAD_REQUEST_BYTES:
        detail = f"{most} at once. Send fewer files at a time."
    else:
        detail = f"{most} to this address. Send less."
    if wants_json(request):
        return JsonResponse({"detail": detail}, status=413)
    return render(request, "413.html", {"detail": detail}, status=413)
