"""Telling the others: the consumer that there is work, the browsers that something changed.

No message carries state. It names what changed, and the receiver reads that from the
database; so a lost message costs latency, never a result.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

INFERENCE_GROUP = "inference"
_loop: asyncio.AbstractEventLoop | None = None


@contextmanager
def from_threads_to(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """What other threads push goes by way of this loop: the in-memory layer's queues belong to it.

    From a loop of the thread's own it would arrive whenever this one happens to wake up.
    """
    global _loop
    before, _loop = _loop, loop
    try:
        yield
    finally:
        _loop = before


@dataclass(frozen=True)
class Change:
    """One detection of which a browser could see something new."""

    detection: UUID
    organisation: UUID


def detection_group(pk: UUID) -> str:
    return f"detection.{pk}"


def organisation_group(pk: UUID) -> str:
    return f"organisation.{pk}"


def person_group(pk: int) -> str:
    """All the sockets of one person, whatever they watch."""
    return f"person.{pk}"


async def announce(changes: Iterable[Change], kind: str = "detections.changed") -> None:
    """One message to each detection's group, and one to each organisation's for all of its."""
    by_organisation: dict[UUID, list[str]] = defaultdict(list)
    for change in changes:
        by_organisation[change.organisation].append(str(change.detection))
        await _send(detection_group(change.detection), {"type": kind, "ids": [str(change.detection)]})
    for organisation, ids in by_organisation.items():
        await _send(organisation_group(organisation), {"type": kind, "ids": ids})


async def wake() -> None:
    await _send(INFERENCE_GROUP, {"type": "wake"})


def woken() -> None:
    """For consumers to look again, where nothing new is queued."""
    _from_sync(wake)


def queued(changes: list[Change]) -> None:
    """To be called on commit, when there is new work."""
    _from_sync(_queued, changes)


def deleted(changes: list[Change]) -> None:
    """To be called on commit, when detections are gone."""
    _from_sync(announce, changes, "detections.deleted")


def access_changed(person: int) -> None:
    """To be called on commit, when somebody may do less than before, or nothing any more."""
    _from_sync(_send, person_group(person), {"type": "access.changed"})


def _from_sync(call: Callable[..., Awaitable[None]], *args: Any) -> None:
    """A browser that hangs up cancels what its request waits for; what was committed stands."""
    if _loop is not None and _loop.is_running():
        asyncio.run_coroutine_threadsafe(_logged(call, *args), _loop)
        return
    try:
        async_to_sync(call)(*args)
    except asyncio.CancelledError:
        logger.info("A browser was gone before its change was announced.")


async def _logged(call: Callable[..., Awaitable[None]], *args: Any) -> None:
    try:
        await call(*args)
    except Exception:
        logger.exception("A push was lost.")


async def _queued(changes: list[Change]) -> None:
    await wake()
    await announce(changes)


async def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    try:
        await layer.group_send(group, message)
    except Exception:
        # Whatever a channel layer raises, the row is saved, and slow timers will find it.
        logger.warning("The push to %s was lost.", group, exc_info=True)
