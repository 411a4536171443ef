"""The InferenceConsumer: the background task that turns queued rows into saved results.

It runs inside ``manage.py serve``, or by itself as ``manage.py inference_consumer``, in any
number: all they share is the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from channels.layers import get_channel_layer

from detection.lane import Lane
from detection.push import INFERENCE_GROUP
from detection.stages import FAST, SLOW

logger = logging.getLogger(__name__)

LANES = (FAST, SLOW)
STOP_SECONDS = 10.0  # for the batches at work to end by themselves
LISTEN_PAUSE = 1.0


class InferenceConsumer:
    """One Lane and one model process each; a slow stage never delays a verdict."""

    def __init__(self, lanes: Sequence[str] = LANES) -> None:
        self.lanes = [Lane(name) for name in LANES if name in lanes]
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns at once; models load in the background, those of the fast lane first."""
        self._listener = asyncio.create_task(self._listen())
        before: asyncio.Event | None = None
        for lane in self.lanes:
            self._tasks.append(asyncio.create_task(self._run(lane, before)))
            before = lane.ready

    async def stop(self) -> None:
        """Ends cleanly: batches at work are finished or, after a while, given back."""
        for lane in self.lanes:
            lane.stop()
        _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS) if self._tasks else ((), ())
        if late:
            logger.warning("A batch takes long: its rows go back to the queue.")
            for lane in self.lanes:
                lane.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _run(self, lane: Lane, before: asyncio.Event | None) -> None:
        if before is not None:
            await lane.wait_for(before)
        try:
            await lane.run()
        except Exception:
            logger.exception("The %s lane has stopped: restart the server.", lane.name)
            raise

    async def _listen(self) -> None:
        """Wakes the lanes when something is queued, in this process or (with Redis) another."""
        while True:
            try:
                await self._hear()
            except Exception:
                # Without its channel layer the consumer still finds its work, by polling.
                logger.warning("The channel layer cannot be heard.", exc_info=True)
                await asyncio.sleep(LISTEN_PAUSE)

    async def _hear(self) -> None:
        layer = get_channel_layer()
        channel = await layer.new_channel("inference")
        await layer.group_add(INFERENCE_GROUP, channel)
        while True:
            await layer.receive(channel)
            for lane in self.lanes:
                lane.wake()
