"""Requests under way, before Django has them: how slowly a body may come, and how many there may be.

Django reads a whole body before anything else, and gives each request a thread of its own. Three ASGI
applications stand around it: ``PerAddress`` (behind proxies, where :mod:`cifake_site.connections` cannot
tell clients apart), ``SlowBodies`` and, next to Django, ``Turns``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from django.conf import settings

from accounts.api_problem import Problem
from cifake_site import problems

BODIES = 200  # that are still coming in, of each server process
AT_WORK = 40  # requests in Django, each with a thread and a connection to the database
AGAIN_SECONDS = 5
TOO_SLOW = "The request's body took too long to arrive. Send it again."
NO_ROOM = "Too many uploads are under way. Send yours again in a moment."
TOO_MANY = "Too many requests are under way from your address. Try again in a moment."


class NotNow(Exception):
    """Raised out of ``receive``, and so through Django's reading of the body."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class SlowBodies:
    """ASGI: a body has BODY_SECONDS between two pieces, and must keep up BODY_BYTES_PER_SECOND.

    Where there are too many, the one of which nothing has come for longest goes; where they take too much
    of the disk, the largest. Who sends steadily is not hindered by who does not.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self.coming: set[_Body] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        body = _Body(self, receive)
        try:
            await self.application(scope, body.receive, send)
        except NotNow as reason:  # Django answers nothing before it has the whole body
            await refuse(scope, send, reason)
        finally:
            self.coming.discard(body)

    def make_room(self) -> None:
        if len(self.coming) > BODIES:
            min(self.coming, key=lambda body: body.last).send_away()
        elif sum(body.count for body in self.coming) > 2 * settings.MAX_BATCH_BYTES:
            max(self.coming, key=lambda body: body.count).send_away()


class _Body:
    """The time that passes while we wait for its client, not that which we take ourselves."""

    def __init__(self, bodies: SlowBodies, receive: Any) -> None:
        self.bodies, self.next = bodies, receive
        self.count, self.waited, self.last = 0, 0.0, 0.0
        self.is_complete = self.is_unwanted = False
        self.timer: asyncio.Timeout | None = None

    async def receive(self) -> Any:
        if self.is_complete:  # Django listens for the client's hanging up
            return await self.next()
        message = await self._within(self._seconds())
        self.count += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        if self.is_complete:
            self.bodies.coming.discard(self)
        else:
            self.bodies.coming.add(self)
            self.bodies.make_room()
        return message

    def _seconds(self) -> float:
        """Until the next piece has to be there."""
        earned = settings.BODY_SECONDS + self.count / settings.BODY_BYTES_PER_SECOND
        return max(0.0, min(settings.BODY_SECONDS, earned - self.waited))

    async def _within(self, seconds: float) -> Any:
        if self.is_unwanted:
            raise NotNow(503, NO_ROOM)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(seconds) as self.timer:
                message = await self.next()
        except TimeoutError:
            raise NotNow(503, NO_ROOM) if self.is_unwanted else NotNow(408, TOO_SLOW) from None
        finally:
            self.timer = None
        self.last = loop.time()
        self.waited += self.last - begun
        return message

    def send_away(self) -> None:
        self.is_unwanted = True
        self.bodies.coming.discard(self)
        if self.timer is not None:
            self.timer.reschedule(asyncio.get_running_loop().time())


class Turns:
    """ASGI, around Django: what comes in whole waits for its turn. A slow reader holds none."""

    def __init__(self, application: Any, at_work: int = AT_WORK) -> None:
        self.application = application
        self.free = asyncio.Semaphore(at_work)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        turn = _Turn(self.free, receive, send)
        try:
            await self.application(scope, turn.receive, turn.send)
        finally:
            turn.end()


class _Turn:
    def __init__(self, free: asyncio.Semaphore, receive: Any, send: Any) -> None:
        self.free, self._receive, self._send = free, receive, send
        self.is_whole = self.is_held = False

    async def receive(self) -> Any:
        message = await self._receive()
        if not self.is_whole and not message.get("more_body", False):
            self.is_whole = True
            await self.free.acquire()
            self.is_held = True
        return message

    async def send(self, message: Any) -> None:
        self.end()
        await self._send(message)

    def end(self) -> None:
        if self.is_held:
            self.is_held = False
            self.free.release()


class PerAddress:
    """ASGI: MAX_CONNECTIONS_PER_ADDRESS requests and WebSockets at a time, where proxies name the address."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.under_way: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        address = forwarded_address(scope)
        if not address:
            await self.application(scope, receive, send)
            return
        if self.under_way[address] >= settings.MAX_CONNECTIONS_PER_ADDRESS:
            await refuse(scope, send, NotNow(503, TOO_MANY))
            return
        self.under_way[address] += 1
        try:
            await self.application(scope, receive, send)
        finally:
            self.under_way[address] -= 1
            if not self.under_way[address]:
                del self.under_way[address]


def forwarded_address(scope: Any) -> str:
    """The client's, as the outermost of our own proxies has written it down; "" where we have none."""
    proxies = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    if not proxies or scope["type"] not in ("http", "websocket"):
        return ""
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    said = [part.strip() for part in b",".join(lines).decode("latin-1").split(",") if part.strip()]
    return said[-proxies] if len(said) >= proxies else ""


async def refuse(scope: Any, send: Any, reason: NotNow) -> None:
    """Without Django, which is what there is too little of. What is still to come is not waited for."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013, "reason": str(reason)})
        return
    kind, body = _told(scope, reason)
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(AGAIN_SECONDS).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": reason.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _told(scope: Any, reason: NotNow) -> tuple[str, bytes]:
    if scope["path"].startswith("/api/"):
        answer = problems.answer(Problem({408: "too-slow", 503: "unavailable"}[reason.status], str(reason)))
        return problems.CONTENT_TYPE, answer.content
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if b"application/json" in accepted:
        return "application/json", json.dumps({"detail": str(reason)}).encode()
    return "text/plain; charset=utf-8", str(reason).encode()
