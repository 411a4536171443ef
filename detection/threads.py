"""What an event loop hands over: calls that block, each kind to one thread of its own, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection

P = ParamSpec("P")
T = TypeVar("T")


class OneThread:
    """``await thread(call, *args)``: gives what the call gives, raises what it raises."""

    def __init__(self, name: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))

    async def close(self) -> None:
        self._pool.shutdown()


class DatabaseThread(OneThread):
    """It keeps its connection; one that has gone bad is dropped, so that the next try works."""

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await super().__call__(_fresh, lambda: call(*args, **kwargs))

    async def close(self) -> None:
        await super().__call__(lambda: connection.close())
        await super().close()


def _fresh(call: Callable[[], T]) -> T:
    try:
        return call()
    except (OperationalError, InterfaceError):
        connection.close()
        raise


async def pause(seconds: float, stopping: asyncio.Event) -> None:
    """Returns when the time is up, or when ``stopping`` is set."""
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
