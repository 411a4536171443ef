"""The object detector in a process of its own.

TensorFlow and torch do not get on in one process: with tensorflow 2.20 and torch 2.14 the
first YOLO prediction after a TensorFlow one is a segmentation fault.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from mlcore.contracts import Objects, Picture
from mlcore.errors import ObjectsUnavailable
from mlcore.objects import ObjectDetector, find_weights

DIED = "The object detector's process died at this picture. Try it alone, or with more memory."
T = TypeVar("T")
_detector: ObjectDetector | None = None  # in the child


class DetectorProcess:
    """``with DetectorProcess(data_dir) as detector``: loads at once, beside whatever follows."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._pool, self._ready = self._start()

    def ready(self) -> None:
        """Wait until the weights are loaded.

        Raises:
            ObjectsUnavailable: no weights; the message is the remedy.
        """
        self._ask(self._ready)

    def detect(self, pictures: Sequence[Picture]) -> list[Objects]:
        """As :meth:`ObjectDetector.detect`; a process that died is replaced.

        Raises:
            ObjectsUnavailable: the process died over this, or see :meth:`ready`.
        """
        self.ready()
        try:
            answer = self._pool.submit(_detect, list(pictures))
        except BrokenProcessPool:  # it died since the last call, at no picture of ours
            self._pool, self._ready = self._start()
            answer = self._pool.submit(_detect, list(pictures))
        return self._ask(answer)

    def __enter__(self) -> DetectorProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _ask(self, answer: Future[T]) -> T:
        try:
            return answer.result()
        except BrokenProcessPool as error:
            self._pool, self._ready = self._start()
            raise ObjectsUnavailable(DIED) from error

    def _start(self) -> tuple[ProcessPoolExecutor, Future[None]]:
        # Spawned: a fork would inherit TensorFlow's state without its threads.
        pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        return pool, pool.submit(_load, self._data_dir)


def _load(data_dir: Path | None) -> None:
    global _detector
    _detector = ObjectDetector(find_weights(data_dir))
    _detector.warm_up()


def _detect(pictures: list[Picture]) -> list[Objects]:
    if _detector is None:  # a replacement that failed to load; a first one fails in ready()
        raise ObjectsUnavailable(DIED)
    return _detector.detect(pictures)
