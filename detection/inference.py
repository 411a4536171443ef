"""The InferenceConsumer: the background task that turns queued rows into saved results.

It runs inside ``manage.py serve``, or by itself as ``manage.py inference_consumer``, in any
number: all they share is the database.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from detection import plan, push, sweeper
from detection.batch_worker import BatchWorker
from detection.delivery_worker import DeliveryWorker
from detection.idling import hears_others
from detection.lane import Lane
from detection.push import INFERENCE_GROUP
from detection.stages import ANSWERING, EXPLAIN, FAST, ORIGIN, SLOW
from detection.threads import pause

logger = logging.getLogger(__name__)

LANES = (ORIGIN, FAST, SLOW, EXPLAIN)
STOP_SECONDS = 10.0  # for the batches at work to end by themselves
HEAD_START = 60.0  # that those who answer have to load their models without company
RESTART_PAUSE = 10.0
LISTEN_PAUSE = 1.0
# That verdicts have to themselves: one image alone is over by then, and all else that begins with it
# would double the time on two processors.
LATER_SECONDS = 0.1
JOIN_SECONDS = 600.0
SWEEP_SECONDS = 24 * 3600.0


class InferenceConsumer:
    """One Lane and one model process each; a slow stage never delays a verdict.

    ``serving``: images come in through this very process, which then needs no channel layer to be woken.
    """

    def __init__(self, lanes: Sequence[str] = LANES, *, serving: bool = False) -> None:
        hears = self._hears = serving or hears_others()
        # No answer without both of them: who works the one works the other, too.
        wanted = {*lanes, *(ANSWERING if FAST in lanes else ())}
        self.lanes = [Lane(name, hears) for name in LANES if name in wanted and plan.runs(name)]
        self.deliveries = DeliveryWorker(hears)
        # Beside the fast lane: so many processes feed batches in as examine them.
        self.batches = BatchWorker(hears=hears) if FAST in lanes else None
        self._pushes = ExitStack()
        self._stopping = asyncio.Event()
        self._later: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._others: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns at once; models load in the background, those of the fast lane first."""
        self._pushes.enter_context(push.from_threads_to(asyncio.get_running_loop()))
        self._others = [asyncio.create_task(each) for each in (self._listen(), self._sweep())]
        self._tasks.append(asyncio.create_task(self.deliveries.run()))
        if self.batches is not None:
            self._tasks.append(asyncio.create_task(self.batches.run()))
        before: asyncio.Event | None = None
        for place, lane in enumerate(self.lanes):
            first = None if lane.name in ANSWERING else before
            self._tasks.append(asyncio.create_task(self._run(place, first)))
            before = lane.ready

    async def stop(self) -> None:
        """Ends cleanly: batches at work are finished or, after a while, given back."""
        self._stopping.set()
        self.deliveries.stop()
        if self.batches is not None:
            self.batches.stop()
        for lane in self.lanes:
            lane.stop()
        _, late = await asyncio.wait(self._tasks, timeout=STOP_SECONDS) if self._tasks else ((), ())
        if late:
            logger.warning("A batch takes long: its rows go back to the queue.")
            for lane in self.lanes:
                lane.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in self._others:
            task.cancel()
        await asyncio.gather(*self._others, return_exceptions=True)
        self._pushes.close()

    async def _run(self, place: int, before: asyncio.Event | None) -> None:
        """Keeps a lane at work: what breaks it is a fault, but nobody's images shall wait for ever."""
        if before is not None:
            await self.lanes[place].wait_for(before, HEAD_START)
        while not await self._ran(self.lanes[place]):
            await pause(RESTART_PAUSE, self._stopping)
            if self._stopping.is_set():
                return
            self.lanes[place] = Lane(self.lanes[place].name, self._hears)

    async def _ran(self, lane: Lane) -> bool:
        try:
            await lane.run()
        except Exception:
            logger.exception("The %s lane has failed. It starts again in a moment.", lane.name)
            return False
        return True

    async def _sweep(self) -> None:
        """Now and once a day."""
        while True:
            try:
                sweep = database_sync_to_async(sweeper.sweep, thread_sensitive=False)
                await sweep(self._stopping.is_set)
            except Exception:
                logger.exception("Files without a record could not be looked for.")
            await asyncio.sleep(SWEEP_SECONDS)

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
        news = asyncio.create_task(layer.receive(channel))
        try:
            while True:
                # Again and again: a layer forgets its members, after a day at the latest.
                await layer.group_add(INFERENCE_GROUP, channel)
                heard, _ = await asyncio.wait({news}, timeout=JOIN_SECONDS)
                if heard:
                    news.result()
                    news = asyncio.create_task(layer.receive(channel))
                    self._wake()
        finally:
            news.cancel()
            with suppress(Exception):  # the layer may be what has failed
                await layer.group_discard(INFERENCE_GROUP, channel)

    def _wake(self) -> None:
        """The lanes that answer at once, for which people wait; all else a moment later."""
        for lane in self.lanes:
            if lane.name in ANSWERING:
                lane.wake()
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(LATER_SECONDS, self._wake_others)

    def _wake_others(self) -> None:
        self._later = None
        self.deliveries.wake()
        if self.batches is not None:
            self.batches.wake()
        for lane in self.lanes:
            lane.wake()
