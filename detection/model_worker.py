"""The model process's own side. TensorFlow, OpenVINO and torch are imported here and nowhere else.

Started by ``model_process`` in a fresh interpreter, without Django.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import replace
from importlib import import_module
from multiprocessing.connection import Connection

from detection.stages import ANSWERING, Options, Run, Stage
from detection.work import FAULT, Answer, Failure, Item, Ready, Reply, Unready, Work
from mlcore import imaging
from mlcore.contracts import Picture, Skipped
from mlcore.errors import ImageRefused, MlcoreError, ModelUnavailable, ObjectsUnavailable

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
TOO_MUCH = "This picture takes more memory to examine than is there for it. Make it smaller and try again."
OTHER_MODELS = 2  # kept loaded: some 50 MB each
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # Tensors in memory that is kept. Handed back and asked for anew with each operation, its pages cost
    # half of the processor time of large batches (docs/measurements.md).
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
    "TF_ENABLE_ONEDNN_OPTS": "1",  # as in manage.py
    "TF_NUM_INTRAOP_THREADS": "1",  # it computes explanations alone, beside verdicts
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
}


def main(connection: Connection, module: str, lane: str, options: Options) -> None:
    """Loads a lane's stages, then answers Work with Reply until told to stop (None)."""
    _prepare(lane, options.memory)
    worker = Worker(import_module(module).STAGES, lane, options)
    loaded = worker.load()
    try:
        connection.send(loaded)
        while isinstance(loaded, Ready) and (work := connection.recv()) is not None:
            connection.send(worker.do(work))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        logger.info("The consumer is gone: the model process of the %s lane ends.", lane)
    finally:
        # Tearing TensorFlow down takes seconds and has nothing to save.
        sys.stderr.flush()
        os._exit(0)


class Worker:
    """Holds the loaded stages, and turns whatever goes wrong into an answer.

    Beside those of its own model it keeps the stages of a few others, for images that ask for them.
    """

    def __init__(self, stages: list[Stage], lane: str, options: Options) -> None:
        self.stages = {stage.name: stage for stage in stages}
        self.lane, self.options = lane, options
        self.runs: dict[str, dict[str, Run]] = {options.model: {}}  # by model, then by stage

    def load(self) -> Ready | Unready:
        for stage in self.stages.values():
            # What is on demand waits: its libraries take memory that most sites never need.
            if stage.lane != self.lane or stage.on_demand:
                continue
            try:
                self._run_of(stage)
            except ModelUnavailable as error:  # no picture's fault: none is taken until it is repaired
                return Unready(str(error))
            except Exception as error:
                logger.warning("The stage %s does not load: %s", stage.name, error)
        return Ready()

    def do(self, work: Work) -> Reply:
        start = time.perf_counter()
        try:
            stage = self.stages[work.stage]
            answers = self._examine(self._run_of(stage, work.model), work.items, stage.raw)
        except MemoryError:
            logger.warning("The stage %s took too much memory.", work.stage)
            answers = [Failure("out_of_memory", TOO_MUCH, final=len(work.items) == 1)] * len(work.items)
        except Exception as error:
            # The traceback goes to the log, once a batch at most; people get a sentence.
            logger.warning("The stage %s failed: %s", work.stage, error, exc_info=_unforeseen(error))
            answers = [_failed(error)] * len(work.items)
        return Reply(answers, (time.perf_counter() - start) * 1000)

    def _examine(self, run: Run, items: tuple[Item, ...], raw: bool) -> list[Answer]:
        """Runs the stage on those that can be decoded, and keeps every answer in its place."""
        if raw:
            return list(run(list(items)))
        opened = [_picture(item, alone=len(items) == 1) for item in items]
        pictures = [each for each in opened if isinstance(each, Picture)]
        outcomes = iter(run(pictures) if pictures else [])
        return [next(outcomes) if isinstance(each, Picture) else each for each in opened]

    def _run_of(self, stage: Stage, model: str = "") -> Run:
        """Loaded once; tried again with every batch where it failed, as weights may arrive."""
        name = self.options.model if stage.own_model else model or self.options.model
        runs = self.runs.get(name, {})
        if stage.name not in runs:
            runs[stage.name] = stage.load(replace(self.options, model=name))
        self.runs.pop(name, None)
        self.runs[name] = runs  # the last one used comes last
        self._forget()
        return runs[stage.name]

    def _forget(self) -> None:
        """Of the other models those used longest ago, where there are more than a few."""
        others = [name for name in self.runs if name != self.options.model]
        for name in others[:-OTHER_MODELS]:
            del self.runs[name]


def _picture(item: Item, *, alone: bool) -> Picture | Failure:
    """A file that memory is too short for is tried again by itself: others may have taken it."""
    try:
        # Intake has applied the site's limits; here they would only refuse what was let in.
        return imaging.examine(item.data, item.name, imaging.Limits(bytes=len(item.data) + 1))
    except ImageRefused as error:
        return Failure(error.code, str(error), final=alone or error.code != "too_complex")


def _failed(error: Exception) -> Answer:
    if isinstance(error, ObjectsUnavailable):
        return Skipped(reason="The object detector's weights are missing.", remedy=str(error))
    if isinstance(error, MlcoreError):
        return Failure(error.code, str(error))
    return Failure("stage_error", FAULT)


def _unforeseen(error: Exception) -> bool:
    return not isinstance(error, MlcoreError)


def _prepare(lane: str, memory: int) -> None:
    if memory:  # a picture that takes more fails by itself, before the kernel chooses whom to end
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s %(levelname)s model-{lane}: %(message)s")
    # Ctrl-C in a terminal reaches the whole group; it is the consumer that decides when we end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if lane not in ANSWERING:
        os.nice(10)  # all else yields the processor to answers
    _end_with_parent()


def _end_with_parent() -> None:
    """However the consumer dies, no model process stays behind with gigabytes of memory."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()  # returns at once where the parent died before prctl
    os._exit(1)
