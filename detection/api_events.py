"""Server-sent events: whole states as in the WebSocket, for clients without one, by key.

``id`` is what a client gives back as ``Last-Event-ID`` to hear what it has missed: of one detection its
version, of the organisation's stream the time. As with the WebSocket a push only says that it is time to
read, and versions are read anew every other second (:mod:`detection.rereading`). The key is looked at again
before anything is told, and from time to time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from accounts.access import READ, Principal, require
from accounts.api_base import ApiView, Problem, query
from cifake_site.numbers import whole
from detection import afterwards, places, push, selectors
from detection.afterwards import Message, Send
from detection.api import TAGS, AnyFormat
from detection.api_state import api_state
from detection.listening import Ear, listening
from detection.rereading import rereading
from detection.watching import Look, Watch

logger = logging.getLogger(__name__)

ADMIT_SECONDS = 15.0  # at most, between two looks at the key
BEAT_SECONDS = 15.0  # proxies close a connection on which nothing comes
MISSED = 500  # detections that a client hears of after a pause
SLACK = timedelta(seconds=30)  # what was true at a moment is seen when its transaction ends, a little later
BAD_ID = "This is no id of an event of this stream. Leave it out to begin with what is under way."
LAST = OpenApiParameter("Last-Event-ID", OpenApiTypes.STR, OpenApiParameter.HEADER)
STREAM = {(200, "text/event-stream"): OpenApiTypes.STR}


class EventsView(ApiView):
    permissions = {"GET": READ}
    content_negotiation_class = AnyFormat
    problems = {"GET": (400,)}

    @extend_schema(
        operation_id="detections_events",
        tags=TAGS,
        summary="Follow all detections",
        parameters=[LAST],
        responses=STREAM,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Server-sent events without end: `detection` with a whole state, `deleted` with an id.

        Taken up again with `Last-Event-ID`, it tells what was missed, and the last half minute twice.
        """
        query(request, serializers.Serializer, also=())
        watch = _watch(self.principal, request)
        since = _moment(request)

        def begin() -> list[Message]:
            missed = selectors.changed_since(watch.principal, since, MISSED) if since else []
            return [*watch.say(missed), *watch.start()]

        require_place(self.principal)
        group = push.organisation_group(self.principal.organisation.pk)
        return _streamed(request, Stream(watch, group, begin, _admission(request)))


class DetectionEventsView(ApiView):
    permissions = {"GET": READ}
    content_negotiation_class = AnyFormat
    problems = {"GET": (400,)}

    @extend_schema(
        operation_id="detections_follow",
        tags=TAGS,
        summary="Follow one detection",
        parameters=[LAST],
        responses={**STREAM, 204: OpenApiResponse(description="It is done, and you know it all.")},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Server-sent events until nothing is left to do: `detection` with the whole state, or `deleted`."""
        query(request, serializers.Serializer, also=())
        detection, known = selectors.get(self.principal, pk), _version(request)
        watch = _watch(self.principal, request, pk)
        if known >= detection.version and _is_over(watch.render(detection)):
            return HttpResponse(status=204)  # by which an EventSource knows not to come again
        require_place(self.principal)
        watch.sent, watch.watched = {pk: known}, {pk}
        return _streamed(request, Stream(watch, push.detection_group(pk), watch.reread, _admission(request)))


def require_place(principal: Principal) -> None:
    """Raises Problem, 429 or 503, where too many listen already."""
    try:
        places.require(principal)
    except places.Full as full:
        headers = {"Retry-After": str(places.AGAIN_SECONDS)}
        raise Problem("rate-limited" if full.own else "unavailable", str(full), headers=headers) from None


def _watch(principal: Principal, request: Request, pk: UUID | None = None) -> Watch:
    absolute = request.build_absolute_uri
    return Watch(principal, pk, render=lambda detection: api_state(detection, absolute))


def _admission(request: Request) -> Callable[[], Principal]:
    """Reads the key anew: it may have been revoked, or lost its scope, since."""
    [authenticator] = request.authenticators[:1]

    def admit() -> Principal:
        found = authenticator.authenticate(request)
        if found is None:
            raise Http404
        require(found[1], READ)
        return found[1]

    return admit


def _streamed(request: Request, stream: Stream) -> HttpResponseBase:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if request.method != "HEAD":
        afterwards.hand_over(request, stream)
    return HttpResponse(b"", content_type="text/event-stream", headers=headers)


@dataclass(eq=False)
class Stream:
    """For ``detection.afterwards``. ``begin`` gives what is told first."""

    watch: Watch
    group: str
    begin: Callable[[], list[Message]]
    admit: Callable[[], Principal]
    over: bool = False
    failed: bool = False
    ear: Ear | None = None
    look: Look | None = None  # of which not all was told yet

    def reread(self, look: Look | None) -> None:
        """What the shared look at the rows has found."""
        assert self.ear is not None
        self.failed = look is None
        if look is None or self.watch.differs(look):
            self.look = look
            self.ear.news.set()

    async def __call__(self, held: list[Message], gone: asyncio.Task[None], send: Send) -> None:
        """After an error the stream ends: the client comes again, with the last id it has heard."""
        await send(afterwards.start(held, 200, {}, without={"Content-Length"}))
        with suppress(Http404, PermissionDenied, APIException):  # no longer admitted
            try:
                async with listening(self.group) as ear:
                    self.ear = ear
                    gone.add_done_callback(lambda task: ear.news.set())
                    with places.taken(self.watch.principal), rereading(self):
                        await self._tell(ear, gone, send)
            except (Http404, PermissionDenied, APIException):
                raise
            except Exception:
                logger.exception("A stream of events cannot go on.")
        await send({"type": "http.response.body", "body": b""})

    async def _tell(self, ear: Ear, gone: asyncio.Task[None], send: Send) -> None:
        await self._say(await afterwards.read(self.begin), send)
        beat, due = time.monotonic() + BEAT_SECONDS, time.monotonic() + ADMIT_SECONDS
        while not gone.done() and not self.over:
            await ear.wait(min(beat, due) - time.monotonic())
            if self.failed:
                raise OperationalError("The rows could not be read.")
            (changed, deleted), late = ear.take(), time.monotonic() >= due
            look, self.look = self.look, None
            if changed or deleted or look or late:  # nothing is told before the gate was asked again
                self.watch.principal = await afterwards.read(self.admit)
            await self._tell_news(changed, deleted, send)
            if look is not None:
                await self._say(await afterwards.read(self.watch.catch_up, look), send)
            if late:
                await ear.join()
                due = time.monotonic() + ADMIT_SECONDS
            if time.monotonic() >= beat:
                await _send(send, ": still here\n\n")
                beat = time.monotonic() + BEAT_SECONDS

    async def _tell_news(self, changed: set[str], deleted: set[str], send: Send) -> None:
        self.watch.watched -= {UUID(each) for each in deleted}
        await self._say([{"type": "deleted", "id": each} for each in sorted(deleted)], send)
        if changed:  # after that: what was deleted and is there again was restored
            ids = {UUID(each) for each in changed}
            await self._say(await afterwards.read(self.watch.newer, ids), send)

    async def _say(self, messages: list[Message], send: Send) -> None:
        for message in messages:
            await _send(send, self._event(message))
        if self.watch.pk is not None and messages:
            last = messages[-1]
            self.over = last["type"] == "deleted" or _is_over(last["detection"])
            if self.over:
                # Its stages are read after its version: the end may have been told under the one before.
                await self._say(await afterwards.read(self.watch.reread), send)

    def _event(self, message: Message) -> str:
        if message["type"] == "deleted":
            return f"event: deleted\ndata: {json.dumps({'id': message['id']})}\n\n"
        mark = message["version"] if self.watch.pk is not None else timezone.now().isoformat()
        return f"event: detection\nid: {mark}\ndata: {json.dumps(message['detection'])}\n\n"


async def _send(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _is_over(state: dict[str, Any]) -> bool:
    """Every stage has reported, those that somebody asked for as well."""
    asked = any(each["waiting"] for each in state["explanations"].values())
    return state["status"] in ("done", "failed") and not asked


def _version(request: Request) -> int:
    said = request.headers.get("Last-Event-ID", "0")
    if (version := whole(said)) is None:
        raise _bad_id()
    return version


def _moment(request: Request) -> datetime | None:
    said = request.headers.get("Last-Event-ID")
    if said is None:
        return None
    with suppress(ValueError, OverflowError):
        moment = parse_datetime(said)
        if moment is not None and timezone.is_aware(moment):
            return moment.astimezone(timezone.get_default_timezone()) - SLACK
    raise _bad_id()


def _bad_id() -> Problem:
    errors = [{"header": "Last-Event-ID", "detail": BAD_ID}]
    return Problem("invalid-parameter", BAD_ID, errors=errors)
