"""A claim with its files: read while the model still works on the batch before."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.conf import settings

from detection.model_process import ModelProcess
from detection.models import Detection
from detection.queue import Claim
from detection.work import Failure, Item, Reply, Work

logger = logging.getLogger(__name__)

GONE = Failure("missing_file", "The stored file is gone: delete this record and submit it again.", True)
UNREADABLE = Failure(
    "unreadable_file", "The stored file could not be read. Run this again once the storage works."
)


@dataclass(frozen=True)
class Batch:
    """``items`` are in the order of the claim's rows; a Failure for a file that could not be read."""

    claim: Claim
    items: tuple[Item | Failure, ...]


def read(claim: Claim) -> Batch:
    return Batch(claim, tuple(_original(run.detection) for run in claim.runs))


def run(batch: Batch, process: ModelProcess) -> Reply:
    """The model process's answers, and a failure in the place of each file that could not be read.

    Raises:
        ModelProcessDied: the process ended, or was ended for taking too long.
    """
    known = tuple(item for item in batch.items if isinstance(item, Item))
    work = Work(batch.claim.stage, known, batch.claim.model)
    reply = process.run(work, settings.STAGE_TIMEOUT_SECONDS) if known else Reply([], 0.0)
    answers = iter(reply.answers)
    return Reply([next(answers) if isinstance(item, Item) else item for item in batch.items], reply.run_ms)


def _original(detection: Detection) -> Item | Failure:
    try:
        with detection.original.open("rb") as file:
            return Item(detection.name, file.read())
    except FileNotFoundError:
        return GONE
    except Exception:  # storages raise what they like; the other files of the batch may be well
        logger.exception("The file of detection %s cannot be read.", detection.pk)
        return UNREADABLE
