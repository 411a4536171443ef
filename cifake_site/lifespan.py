"""Starts and stops, with the server, what runs in its background."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import suppress
from importlib import import_module
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from accounts import usage
from detection import intake
from detection.inference import InferenceConsumer

logger = logging.getLogger(__name__)


class Lifespan:
    """ASGI lifespan. Start-up does not wait for models: pages are served while they load."""

    def __init__(self, *, consumer: bool) -> None:
        self.consumer = consumer
        self.inference: InferenceConsumer | None = None
        self.usage: asyncio.Task[None] | None = None
        self.decoders: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        spare_the_program()
        self.usage = asyncio.create_task(_write_usage())
        self.decoders = asyncio.create_task(asyncio.to_thread(intake.start))
        if self.consumer:
            # Made here and not in __init__: it belongs to the server's event loop.
            self.inference = InferenceConsumer(serving=True)
            await self.inference.start()

    async def _stop(self) -> None:
        if self.usage is not None:
            self.usage.cancel()
            with suppress(asyncio.CancelledError):
                await self.usage
        if self.inference is not None:
            await self.inference.stop()
        if self.decoders is not None:
            await self.decoders
            intake.stop()


def spare_the_program() -> None:
    """The garbage collector no longer looks at what is loaded by now, all that pages and the API need.

    Of that nothing is ever garbage, and looking at all of it makes a request wait for as long as two take.
    """
    import_module(settings.ROOT_URLCONF)
    gc.collect()
    gc.freeze()


async def _write_usage() -> None:
    """Every few seconds what keys have asked meanwhile, and the rest at the end."""
    try:
        while True:
            await asyncio.sleep(usage.FLUSH_SECONDS)
            if usage.has_pending():
                await _flush()
    finally:
        await _flush()


async def _flush() -> None:
    try:
        await database_sync_to_async(usage.flush)()
    except DatabaseError:
        logger.exception("Usage could not be written; it is kept for the next time.")
