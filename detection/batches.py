"""A claim with its files: read while the model still works on the batch before."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from detection.model_process import ModelProcess
from detection.models import Detection
from detection.queue import Claim
from detection.work import Failure, Item, Reply, Work


@dataclass(frozen=True)
class Batch:
    """``items`` are in the order of the claim's rows; None for a file that is gone."""

    claim: Claim
    items: tuple[Item | None, ...]


def read(claim: Claim) -> Batch:
    return Batch(claim, tuple(_original(run.detection) for run in claim.runs))


def run(batch: Batch, process: ModelProcess) -> Reply:
    """The model process's answers, and a failure in the place of each file that is gone.

    Raises:
        ModelProcessDied: the process ended, or was ended for taking too long.
    """
    known = tuple(item for item in batch.items if item is not None)
    if not known:
        return Reply([_gone()] * len(batch.items), 0.0)
    reply = process.run(Work(batch.claim.stage, known), settings.STAGE_TIMEOUT_SECONDS)
    answers = iter(reply.answers)
    return Reply([_gone() if item is None else next(answers) for item in batch.items], reply.run_ms)


def _original(detection: Detection) -> Item | None:
    try:
        with detection.original.open("rb") as file:
            return Item(detection.name, file.read())
    except FileNotFoundError:
        return None


def _gone() -> Failure:
    return Failure("missing_file", "The stored file is gone: delete this record and submit it again.", True)
