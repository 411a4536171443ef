"""A model process as its consumer sees it: start it, send it work, notice its death.

Always spawned, never forked: a fork of a process with threads and TensorFlow in it hangs
sooner or later. All methods block; they are called from a thread of the lane's own.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from detection import model_worker
from detection.stages import Options
from detection.work import Ready, Reply, Unready, Work

CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
START_SECONDS = 300.0  # torch on a slow disk


class ModelProcessDied(Exception):
    """The process ended, or was killed for taking too long, before it answered."""

    def __init__(self, detail: str, *, code: str = "model_process_died", crashed: bool = False) -> None:
        """``crashed``: by itself, over its work, and not by a kill that may have come from anywhere."""
        super().__init__(detail)
        self.code, self.crashed = code, crashed


class ModelProcess:
    def __init__(self, module: str, lane: str, options: Options) -> None:
        self.module, self.lane, self.options = module, lane, options
        self.ready = False
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._overdue = threading.Event()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def sentinel(self) -> int | None:
        """A file descriptor that becomes readable when the process ends."""
        return self._process.sentinel if self._process else None

    def start(self, limit: float = START_SECONDS) -> None:
        """Spawns the process, with ``options`` as they are now, and waits until its models are warm.

        Raises:
            ModelProcessDied: it ended before it was ready, took longer than ``limit`` seconds, or
                has no weights that it can use (``model_unavailable``, with the remedy).
        """
        self.close()
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        arguments = (theirs, self.module, self.lane, self.options)
        process = context.Process(
            target=model_worker.main, args=arguments, name=f"model-{self.lane}", daemon=True
        )
        process.start()
        self._process = process  # not before: until it is started it cannot be killed
        theirs.close()  # so that the child's end is the only one, and its death an end of file
        with self._limit(limit):
            answer = self._receive()
        if isinstance(answer, Unready):
            raise ModelProcessDied(answer.remedy, code="model_unavailable")
        self.ready = isinstance(answer, Ready)

    def run(self, work: Work, limit: float) -> Reply:
        """Sends a batch and waits for the answers.

        Raises:
            ModelProcessDied: there will be no answer; ``start`` again.
        """
        with self._limit(limit):
            return self._ask(work)

    def kill(self) -> None:
        """From any thread; whoever waits for an answer gets ModelProcessDied."""
        if (process := self._process) is None:
            return
        with suppress(ValueError):  # the lane's thread has just closed it
            process.kill()

    def close(self, grace: float = 5.0) -> None:
        """Ends the process, gently first, and frees what belongs to it."""
        if self._process is None or self._connection is None:
            return
        if self.ready and self._process.is_alive():
            self._say_goodbye()
            self._process.join(grace)
        self.kill()
        self._process.join()
        self._connection.close()
        self._process.close()
        self._process = self._connection = None
        self.ready = False

    def _ask(self, work: Work) -> Any:
        if self._connection is None:
            raise ModelProcessDied("The model process is not running.")
        try:
            self._connection.send(work)
        except OSError:
            raise self._death() from None
        return self._receive()

    def _receive(self) -> Any:
        assert self._connection is not None
        assert self._process is not None
        wait([self._connection, self._process.sentinel])
        with suppress(EOFError, OSError):
            if self._connection.poll():  # an answer sent just before the end still counts
                return self._connection.recv()
        raise self._death()

    def _death(self) -> ModelProcessDied:
        # The pipe closes a moment before the process can be seen to have ended: without this the
        # next batch would go to a dying process, and be blamed for its death.
        self.ready = False
        if self._overdue.is_set():
            return ModelProcessDied("The model took too long and was stopped.", code="timed_out")
        return ModelProcessDied(
            "The model process ended before it had an answer.", crashed=self._has_crashed()
        )

    def _has_crashed(self) -> bool:
        """Whether it ended by a signal that a program gives itself: an abort, or a broken pointer."""
        assert self._process is not None
        self._process.join(1.0)  # the pipe closes a moment earlier
        return -(self._process.exitcode or 0) in CRASHES

    def _say_goodbye(self) -> None:
        assert self._connection is not None
        with suppress(OSError):  # it has just died, which is what was wanted
            self._connection.send(None)

    @contextmanager
    def _limit(self, seconds: float) -> Iterator[None]:
        """Kills the process when the time is up, which ends a blocked send as well as a wait."""
        self._overdue.clear()
        timer = threading.Timer(seconds, self._time_is_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_is_up(self) -> None:
        self._overdue.set()
        self.kill()
