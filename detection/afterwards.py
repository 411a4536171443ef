"""What an answer waits for takes place after Django is done with the request.

Within Django a waiting request would hold a thread, and with it a connection to the database. A view
hands over an ``Afterwards`` instead; ``AfterwardsApplication`` keeps Django's answer back, and has the
Afterwards send it, or another one, on the event loop. A server without it (WSGI) sends Django's answer
at once, which is right as well: it only says less.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from channels.db import database_sync_to_async
from rest_framework.request import Request

KEY = "cifake.afterwards"  # in the scope

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Afterwards(Protocol):
    async def __call__(self, held: list[Message], gone: asyncio.Task[None], send: Send) -> None:
        """``held`` is Django's answer. ``gone`` ends when the client hangs up."""


class AfterwardsApplication:
    """ASGI, around Django."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if KEY in scope:
                held.append(message)
            else:
                await send(message)

        await self.application(scope, receive, hold)
        if held and held[0]["status"] >= 400:  # something failed behind the view: nothing is to come
            for message in held:
                await send(message)
        elif held:
            async with _until_gone(receive) as gone:
                await scope[KEY](held, gone, send)


@asynccontextmanager
async def _until_gone(receive: Any) -> Any:
    task = asyncio.create_task(_gone(receive))
    try:
        yield task
    finally:
        task.cancel()


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def hand_over(request: Request, afterwards: Afterwards) -> None:
    """To be called by a view before it answers."""
    scope = getattr(request._request, "scope", None)
    if scope is not None:
        scope[KEY] = afterwards


def start(held: list[Message], status: int, headers: dict[str, str], without: set[str]) -> Message:
    """Django's start of an answer with another status, and other headers beside its own."""
    dropped = {name.lower().encode() for name in {*headers, *without}}
    kept = [(name, value) for name, value in held[0]["headers"] if name.lower() not in dropped]
    added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {**held[0], "status": status, "headers": [*kept, *added]}


async def read(call: Callable[..., Any], *args: Any) -> Any:
    """In any thread, for as long as the read takes: reads do not wait for each other."""
    return await database_sync_to_async(call, thread_sensitive=False)(*args)
