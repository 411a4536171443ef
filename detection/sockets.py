"""DetectionConsumer: pushes whole states to browsers, each with its version.

A push says only that something changed; the state is read from the database when it is
sent, and looked for on a slow timer (:mod:`detection.rereading`). So a lost message, a
dropped socket or a late join costs seconds at most, and the highest version is always the truth.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import import_module
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.utils.crypto import constant_time_compare

from accounts import access
from accounts.access import Principal
from accounts.models import User
from detection import places, push
from detection.rereading import rereading
from detection.watching import MAX_WATCHED, Look, Message, Watch, asked_ids

logger = logging.getLogger(__name__)

ADMIT_SECONDS = 30.0  # at most, between two looks at whether this person may still listen
TELL_SECONDS = 2.0  # as old may such a look be where there is something to tell
ASK_SECONDS = 0.01  # of pause for each id that was asked for: reading its state takes as long
FULL = 4429  # close code: too many sockets are open
NO_LONGER_YOURS = 4404  # close code: signed out, no member (any more), or without the second factor asked for
CONNECT_AGAIN = 1011  # close code of RFC 6455: an error here; browsers come back and ask for all anew


class DetectionConsumer(AsyncWebsocketConsumer):
    """One detection (``pk`` in the path) or all of an organisation, for its members only."""

    pump: asyncio.Task[None] | None = None
    groups: tuple[str, ...] = ()
    look: Look | None = None  # of which not all was told yet
    doubted = False  # whether this person may still listen

    async def connect(self) -> None:
        """Refuses with 403 before the handshake; then sends what a late joiner has missed."""
        self.held = ExitStack()  # its place, and its part in the look at the rows
        self.changed, self.asked, self.gone = set[UUID](), set[UUID](), set[str]()
        self.news, self.failed = asyncio.Event(), False
        self.admitted_at = self.ask_at = time.monotonic()
        path = self.scope["url_route"]["kwargs"]
        try:
            principal = await _read(self._admit)
            places.require(principal)
            self.held.enter_context(places.taken(principal))
            self.watch, self.groups = Watch(principal, path.get("pk")), self._groups(principal)
            await self._join()
            missed = await _read(self.watch.start)
        except (Http404, PermissionDenied):  # the latter: no second factor where one is asked for
            await self._leave()
            await self.close(NO_LONGER_YOURS)
            return
        except places.Full as full:
            await self.accept()  # only an open socket can be told why it is closed
            await self.close(FULL, str(full))
            return
        except BaseException:  # nobody would call disconnect
            await self._leave()
            raise
        await self.accept()
        await self._send(missed)
        self.held.enter_context(rereading(self))
        self.pump = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        if self.pump is not None:
            self.pump.cancel()
        await self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """``{"type": "watch", "ids": […]}`` asks for the state of these now; all else is ignored."""
        self.asked |= set(list(asked_ids(text_data))[: max(0, MAX_WATCHED - len(self.asked))])
        self.news.set()

    def reread(self, look: Look | None) -> None:
        """What the shared look at the rows has found."""
        self.failed = look is None
        if look is None or self.watch.differs(look):
            self.look = look
            self.news.set()

    async def detections_changed(self, event: dict[str, Any]) -> None:
        self.changed |= {UUID(each) for each in event["ids"]}
        self.gone -= set(event["ids"])  # it may have been restored: whoever reads it finds out
        self.news.set()

    async def detections_deleted(self, event: dict[str, Any]) -> None:
        self.gone |= set(event["ids"])
        await self._say_all([{"type": "deleted", "id": each} for each in event["ids"]])

    async def access_changed(self, event: dict[str, Any]) -> None:
        """Nothing more is told before the gate was asked again."""
        self.doubted = True
        self.news.set()

    async def _run(self) -> None:
        """What could not be read may have been missed: the browser is to connect, and ask, again."""
        try:
            await self._tell_news()
        except Exception:
            logger.exception("A WebSocket cannot go on.")
            with suppress(Exception):  # it may be the socket itself that is gone
                await self.close(CONNECT_AGAIN)

    async def _tell_news(self) -> None:
        """Sends all that there is to say, one read for many pushes; the timer in between."""
        while True:
            await self._wait()
            age = time.monotonic() - self.admitted_at
            late = age >= ADMIT_SECONDS
            if (late or self.doubted or age >= TELL_SECONDS) and not await self._still_admitted():
                return
            if self.failed:
                raise OperationalError("The rows could not be read.")
            await self._tell()
            if late:
                await self._join()

    async def _wait(self) -> None:
        """For news, or for the time to look whether this person may still listen."""
        now = time.monotonic()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.news.wait(), max(0.0, self.admitted_at + ADMIT_SECONDS - now))
        self.news.clear()

    async def _tell(self) -> None:
        asked = await self._asked()
        look, self.look = self.look, None
        changed, self.changed = self.changed - asked, set()
        if asked:
            await self._send(await _read(self.watch.ask, asked))
        if changed:
            await self._send(await _read(self.watch.newer, changed))
        if look is not None:
            await self._send(await _read(self.watch.catch_up, look))

    async def _asked(self) -> set[UUID]:
        """What a browser asks for in a row it gets at a pace that leaves time for others."""
        left = self.ask_at - time.monotonic()
        if self.asked and left > 0:
            asyncio.get_running_loop().call_later(left, self.news.set)
            return set()
        asked, self.asked = self.asked, set()
        self.ask_at = time.monotonic() + len(asked) * ASK_SECONDS
        return asked

    async def _still_admitted(self) -> bool:
        """A person who leaves the organisation or signs out hears nothing more of it."""
        self.doubted, self.admitted_at = False, time.monotonic()
        try:
            self.watch.principal = await _read(self._admit)
        except (Http404, PermissionDenied):
            await self.close(NO_LONGER_YOURS)
            return False
        return True

    def _admit(self) -> Principal:
        user = _signed_in(self.scope["session"].session_key)
        slug = self.scope["url_route"]["kwargs"]["organisation"]
        return access.principal_for(user or AnonymousUser(), slug)

    async def _join(self) -> None:
        """Again from time to time: a layer forgets its members, after a day at the latest."""
        for group in self.groups:
            await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self) -> None:
        self.held.close()
        for group in self.groups:
            await self.channel_layer.group_discard(group, self.channel_name)

    def _groups(self, principal: Principal) -> tuple[str, str]:
        """That of what is watched, and the person's own."""
        pk = self.scope["url_route"]["kwargs"].get("pk")
        watched = push.detection_group(pk) if pk else push.organisation_group(principal.organisation.pk)
        assert principal.user is not None  # sockets are opened by browsers
        return watched, push.person_group(principal.user.pk)

    async def _send(self, messages: list[Message]) -> None:
        """Leaves out what was deleted while it was read."""
        states = [each for each in messages if each["type"] == "detection"]
        late = [each for each in states if each["detection"]["id"] in self.gone]
        await self._say_all([each for each in messages if each not in late])

    async def _say_all(self, messages: list[Message]) -> None:
        for message in messages:
            await self.send(text_data=json.dumps(message))


def _signed_in(session_key: str | None) -> User | None:
    """Whose session this is now: nobody's once it has ended, or the password was changed."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = User.objects.filter(pk=session.get(SESSION_KEY)).first()
    if user is None:
        return None
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    own = session.get(HASH_SESSION_KEY, "")
    return user if any(constant_time_compare(own, each) for each in hashes) else None


async def _read(call: Callable[..., Any], *args: Any) -> Any:
    """In any thread: reads of many sockets do not wait for each other."""
    return await database_sync_to_async(call, thread_sensitive=False)(*args)


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """For any other address: a clean 403, where the router would raise."""
    await send({"type": "websocket.close", "code": NO_LONGER_YOURS})
