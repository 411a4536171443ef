"""Places that organisations take in turn: none of them, however much it sends, makes another wait long."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

FIRST_PACE = 0.5  # seconds that a place is held, until more is known
MEMORY = 0.8  # how much of the pace so far counts beside the newest


class Busy(Exception):
    """The wait would be long. ``wait``: seconds after which another try makes sense."""

    def __init__(self, sentence: str, wait: int) -> None:
        super().__init__(sentence)
        self.wait = wait


class Turns:
    """``places`` at once, of which one owner has ``each`` at most; who waits longest of an owner comes first.

    Nobody waits who would wait longer than their patience: by how long places were held of late, and by
    how many wait already.
    """

    def __init__(self, places: int, each: int, waiting: tuple[int, int], sentence: str) -> None:
        """``waiting``: how many may wait, of one owner and in all."""
        self.places, self.each, self.waiting, self.sentence = places, each, waiting, sentence
        self._lock = threading.Lock()
        self._held: Counter[Hashable] = Counter()
        self._waiting: dict[Hashable, deque[threading.Event]] = {}  # the owner whose turn it is comes first
        self._pace = FIRST_PACE

    @contextmanager
    def turn(self, owner: Hashable, patience: float | None) -> Iterator[None]:
        """Holds a place while the block runs. ``patience`` in seconds; None waits for as long as it takes.

        Raises:
            Busy: the wait would be, or was, longer.
        """
        self._take(owner, patience)
        start = time.monotonic()
        try:
            yield
        finally:
            self._give(owner, time.monotonic() - start)

    def _take(self, owner: Hashable, patience: float | None) -> None:
        ticket = threading.Event()
        with self._lock:
            self._require_room(owner, patience)
            self._waiting.setdefault(owner, deque()).append(ticket)
            self._hand_out()
        if not ticket.wait(patience):
            self._leave(owner, ticket)

    def _require_room(self, owner: Hashable, patience: float | None) -> None:
        if patience is None:
            return
        mine, all_waiting = len(self._waiting.get(owner, ())), sum(map(len, self._waiting.values()))
        full = mine >= self.waiting[0] or all_waiting >= self.waiting[1]
        wait = self._pace * (1 + mine) / self.each
        free = self._held.total() < self.places and self._held[owner] < self.each
        if not free and (full or wait > patience):
            raise Busy(self.sentence, min(60, max(1, math.ceil(wait))))

    def _leave(self, owner: Hashable, ticket: threading.Event) -> None:
        with self._lock:
            if ticket.is_set():  # in the very last moment
                return
            self._waiting[owner].remove(ticket)
            if not self._waiting[owner]:
                del self._waiting[owner]
        raise Busy(self.sentence, max(1, math.ceil(self._pace)))

    def _give(self, owner: Hashable, seconds: float) -> None:
        with self._lock:
            self._pace = MEMORY * self._pace + (1 - MEMORY) * seconds
            self._held[owner] -= 1
            self._held += Counter()  # drops those that hold none
            self._hand_out()

    def _hand_out(self) -> None:
        """To the owners in turn: who gets a place goes to the end of the line of owners."""
        while self._held.total() < self.places:
            owner = next((each for each in self._waiting if self._held[each] < self.each), None)
            if owner is None:
                return
            line = self._waiting.pop(owner)
            line.popleft().set()
            self._held[owner] += 1
            if line:
                self._waiting[owner] = line
