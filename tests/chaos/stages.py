"""The real verdict, with what a test needs to kill it at the right moment.

While the file ``hold`` lies in the data folder a batch waits in the middle of its run, which the
file ``hold-PID`` then shows; a picture of ``POISON`` size kills the process. Named by
STAGES_MODULE; the product has no such hook.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence

from detection.stages import FAST, SLOW, Options, Outcome, Run, Stage, load_verdict
from detection.work import Failure
from mlcore.contracts import Picture

POISON = (9, 11)  # width and height
HOLD = "hold"


def killable(load: Callable[[Options], Run]) -> Callable[[Options], Run]:
    """The same verdict, which waits for ``HOLD`` to go away, and dies of ``POISON``."""

    def load_killable(options: Options) -> Run:
        verdict, hold = load(options), options.data_dir / HOLD

        def run(pictures: list[Picture]) -> Sequence[Outcome | Failure]:
            while hold.exists():
                hold.with_name(f"{HOLD}-{os.getpid()}").touch()
                threading.Event().wait(0.02)
            if any(picture.image.size == POISON for picture in pictures):
                os.kill(os.getpid(), signal.SIGKILL)
            return verdict(pictures)

        return run

    return load_killable


def load_objects(options: Options) -> Run:
    return lambda pictures: [Outcome({"objects": []}) for _ in pictures]


def stages_of(load: Callable[[Options], Run]) -> list[Stage]:
    return [
        Stage("verdict", "Verdict and heat map", FAST, 32, killable(load)),
        Stage("objects", "Objects in the scene", SLOW, 8, load_objects),
    ]


STAGES = stages_of(load_verdict)
