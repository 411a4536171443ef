"""Sends what is to be delivered, in the InferenceConsumer: several at once, each receiver in its share.

Nothing here decides what a row may become: that is ``deliveries``. What was sent is saved together
with what else came back meanwhile, in one transaction, so that a burst takes few.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.conf import settings

from detection import deliveries, waking, webhook_mail
from detection.deliveries import Try
from detection.idling import Rest
from detection.models import Delivery
from detection.sending import send
from detection.threads import DatabaseThread, pause

logger = logging.getLogger(__name__)

AT_ONCE = 32  # requests
POLL_SECONDS = 1.0  # to the first look again where nothing was found; then less often (detection.idling)
PAUSE_SECONDS = 1.0  # after a database error
STOP_SECONDS = 5.0  # for requests under way to end by themselves
CLEAN_SECONDS = 3600.0


class DeliveryWorker:
    def __init__(self, hears: bool = True) -> None:
        self._idle = Rest(hears)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._sends: dict[asyncio.Future[Try], Delivery] = {}
        self._done: list[tuple[Delivery, Try]] = []  # and not yet saved
        self._cleaned = -math.inf  # time.monotonic() of the last clean-up
        self._requests = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._in_database = DatabaseThread("rows-deliveries")

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Begins nothing more; what is under way is finished or, after a while, given back."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Works until ``stop``."""
        loop = asyncio.get_running_loop()
        beat = asyncio.create_task(self._keep_leases())
        try:
            with waking.registered(lambda: _wake_from_thread(loop, self._wake)):
                while not self._stopping.is_set():
                    await self._turn()
        finally:
            beat.cancel()
            await self._close()

    async def _turn(self) -> None:
        """Saves what came back, takes what is due, and waits for either to happen again."""
        self._wake.clear()  # before looking: what is queued from here on wakes us again
        try:
            await self._save()
            await self._claim()
            await self._clean_up()
            due = await self._in_database(deliveries.next_due)
        except Exception:
            logger.exception("The deliveries cannot be read or saved.")
            await pause(PAUSE_SECONDS, self._stopping)
            return
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._idle.seconds(POLL_SECONDS, due))
            self._idle.over()

    async def _claim(self) -> None:
        at_work = list(self._sends.values())
        loop = asyncio.get_running_loop()
        for delivery in await self._in_database(deliveries.claim, AT_ONCE - len(at_work), at_work):
            sent = loop.run_in_executor(self._requests, send, delivery)
            self._sends[sent] = delivery
            sent.add_done_callback(self._returned)

    def _returned(self, sent: asyncio.Future[Try]) -> None:
        delivery = self._sends.pop(sent)
        if not sent.cancelled():
            self._done.append((delivery, sent.result()))
        self._wake.set()

    async def _save(self) -> None:
        if not self._done:
            return
        done = list(self._done)
        switched_off = await self._in_database(deliveries.save, done)
        del self._done[: len(done)]
        for webhook in switched_off:  # a mail server may be slow: not in the thread of the rows
            self._requests.submit(webhook_mail.tell_owners, webhook)

    async def _clean_up(self) -> None:
        """Now and once an hour, where nothing else is to be done."""
        if time.monotonic() - self._cleaned >= CLEAN_SECONDS and not self._wake.is_set():
            await self._in_database(deliveries.clean_up)
            self._cleaned = time.monotonic()

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(settings.LEASE_SECONDS / 3)
            held = [*self._sends.values(), *(delivery for delivery, _ in self._done)]
            try:
                if held:
                    await self._in_database(deliveries.extend, held)
            except Exception:
                logger.exception("The leases of deliveries could not be kept.")

    async def _close(self) -> None:
        if self._sends:
            await asyncio.wait(list(self._sends), timeout=STOP_SECONDS)
        try:
            await self._save()
            if late := list(self._sends.values()):
                await self._in_database(deliveries.give_back, late)
        except Exception:
            logger.exception("What was sent could not be saved; the leases bring it back.")
        await self._in_database.close()
        self._requests.shutdown(wait=False)


def _wake_from_thread(loop: asyncio.AbstractEventLoop, wake: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(wake.set)
