"""One look at the rows for all that listen in this process, in case a push was lost.

Each organisation is looked at once, whatever the number of its listeners, and only while there are any.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from channels.db import database_sync_to_async

from accounts.access import Principal
from detection import selectors
from detection.watching import NEWEST, Look, Watch

logger = logging.getLogger(__name__)

REREAD_SECONDS = 2.0


class Listener(Protocol):
    watch: Watch

    def reread(self, look: Look | None) -> None:
        """``look`` is at what the watch is of, and at more; None where nothing could be read."""


class Rereading:
    """Of one event loop."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def of(self, listener: Listener) -> Iterator[None]:
        self.listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self.listeners.discard(listener)
            if not self.listeners and self._task is not None:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while self.listeners:
            await asyncio.sleep(REREAD_SECONDS)
            await self.turn()

    async def turn(self) -> None:
        for principal, listeners in self._by_organisation():
            found = await self._look(principal, listeners)
            for each in listeners:
                each.reread(found)

    def _by_organisation(self) -> list[tuple[Principal, list[Listener]]]:
        groups: dict[UUID, list[Listener]] = defaultdict(list)
        for each in self.listeners:
            groups[each.watch.principal.organisation.pk].append(each)
        return [(group[0].watch.principal, group) for group in groups.values()]

    async def _look(self, principal: Principal, listeners: list[Listener]) -> Look | None:
        ids = frozenset[UUID]().union(*(list(each.watch.watched) for each in listeners))
        limit = NEWEST if any(each.watch.pk is None for each in listeners) else 0
        read = database_sync_to_async(selectors.versions, thread_sensitive=False)
        try:
            return Look(ids, await read(principal, limit=limit, ids=ids))
        except Exception:
            logger.exception("What changed cannot be read.")
            return None


_by_loop: dict[asyncio.AbstractEventLoop, Rereading] = {}


@contextmanager
def rereading(listener: Listener) -> Iterator[None]:
    """Looks for this listener too, from now on."""
    loop = asyncio.get_running_loop()
    for closed in [each for each in _by_loop if each.is_closed()]:
        del _by_loop[closed]
    with _by_loop.setdefault(loop, Rereading()).of(listener):
        yield
