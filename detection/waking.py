"""Wakes the delivery workers: that of this process directly, else those that hear the channel layer.

Deliveries are queued in lanes' threads too, where the in-memory channel layer cannot be used. What is
missed here is found by polling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from detection import push

_here: list[Callable[[], None]] = []  # callable from any thread


@contextmanager
def registered(wake: Callable[[], None]) -> Iterator[None]:
    _here.append(wake)
    try:
        yield
    finally:
        _here.remove(wake)


def deliveries() -> None:
    """To be called on commit, when there is something to deliver."""
    for wake in list(_here):
        wake()
    if not _here:
        push.woken()
