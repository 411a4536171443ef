"""Hearing what ``detection.push`` tells, outside of a WebSocket: for requests that wait.

Nothing that matters hangs on it. What is heard only says that it is time to look; who listens looks
again on a slow timer as well, and where the channel layer is down that timer is all there is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0  # after an error of the layer


class Ear:
    """``changed`` and ``deleted`` are ids, as text, since they were last taken."""

    def __init__(self, group: str) -> None:
        self.group, self.layer, self.channel = group, get_channel_layer(), ""
        self.changed, self.deleted, self.news = set[str](), set[str](), asyncio.Event()

    async def join(self) -> None:
        """Again from time to time: a layer forgets its members, after a day at the latest."""
        with suppress(Exception):
            await self.layer.group_add(self.group, self.channel)

    async def wait(self, seconds: float) -> None:
        """Returns when something was heard, or the time is up."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.news.wait(), max(0.0, seconds))
        self.news.clear()

    def take(self) -> tuple[set[str], set[str]]:
        """What has changed, and what was deleted, since the last call. What was restored is in both."""
        taken = self.changed, self.deleted
        self.changed, self.deleted = set(), set()
        return taken

    async def listen(self) -> None:
        while True:
            try:
                self.hear(await self.layer.receive(self.channel))
            except Exception:
                logger.warning("The channel layer cannot be heard.", exc_info=True)
                await asyncio.sleep(PAUSE_SECONDS)

    def hear(self, message: dict[str, Any]) -> None:
        heard = self.deleted if message["type"] == "detections.deleted" else self.changed
        heard |= set(message.get("ids", ()))
        self.news.set()


@asynccontextmanager
async def listening(group: str) -> AsyncIterator[Ear]:
    """An ear within one group of ``detection.push``. Joined before it is given: look after that."""
    ear = Ear(group)
    ear.channel = await ear.layer.new_channel("listening")
    task = asyncio.create_task(ear.listen())
    try:
        await ear.join()
        yield ear
    finally:
        task.cancel()
        with suppress(Exception):  # the layer may be what has failed
            await ear.layer.group_discard(group, ear.channel)
