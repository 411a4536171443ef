"""Starts and stops, with the server, what runs in its background."""

from __future__ import annotations

import logging
from typing import Any

from detection.inference import InferenceConsumer

logger = logging.getLogger(__name__)


class Lifespan:
    """ASGI lifespan. Start-up does not wait for models: pages are served while they load."""

    def __init__(self, *, consumer: bool) -> None:
        self.consumer = consumer
        self.inference: InferenceConsumer | None = None

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
        if self.consumer:
            # Made here and not in __init__: it belongs to the server's event loop.
            self.inference = InferenceConsumer()
            await self.inference.start()

    async def _stop(self) -> None:
        if self.inference is not None:
            await self.inference.stop()
