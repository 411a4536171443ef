"""From the model process's answers to saved rows and files: a whole batch in one transaction."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import singledispatch
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import storage
from detection import events, joining, queue, services
from detection.bulk import update_rows
from detection.models import Artefact, Detection, StageRun
from detection.push import Change
from detection.queue import Claim
from detection.stages import ARTEFACT_MIME, Outcome
from detection.stored import NewFiles
from detection.work import Answer, Failure
from mlcore.contracts import Skipped


@dataclass(frozen=True)
class Ending:
    """What one answer writes: the row's fields, and the files that go with it."""

    run: StageRun
    fields: dict[str, Any]
    headline: dict[str, Any]
    artefacts: list[Artefact]


@dataclass(frozen=True)
class Attempt:
    """What the rows of a batch have in common."""

    now: datetime
    run_ms: float
    alone: bool


def save(claim: Claim, answers: list[Answer], run_ms: float) -> list[Change]:
    """Finishes the rows that are still ours, with their artefacts; gives what has changed.

    Files are written before the transaction, so that a row never names a file that is not
    there. Those of rows that are no longer ours are removed again.
    """
    attempt = Attempt(timezone.now(), run_ms, alone=len(claim.runs) == 1)
    with NewFiles() as files:
        endings = [
            Ending(run, _fields(answer, run, attempt), *_extras(answer, run, files))
            for run, answer in zip(claim.runs, answers, strict=True)
        ]
        with transaction.atomic():
            ours = queue.close(claim, {each.run.pk: each.fields for each in endings})
            kept = [each for each in endings if each.run.pk in ours]
            _write(kept)
            files.keep(artefact.file for each in kept for artefact in each.artefacts)
    return [Change(each.run.detection_id, each.run.detection.organisation_id) for each in kept]


def _write(kept: list[Ending]) -> None:
    # The detections' locks come first: an artefact's foreign key takes one too, in any order.
    moment = services.settle(each.run.detection_id for each in kept)
    answers = _joined(kept)
    changed = {
        each.run.detection_id: {**each.headline, **answers.get(each.run.detection_id, {})} for each in kept
    }
    update_rows(Detection, {pk: columns for pk, columns in changed.items() if columns})
    Artefact.objects.bulk_create(artefact for each in kept for artefact in each.artefacts)
    events.detections_ended(changed, moment)  # behind all of these: it tells the answers
    _count_bytes(kept)


def _count_bytes(kept: list[Ending]) -> None:
    """Whatever the limit: they finish what was let in."""
    sizes = Counter[UUID]()
    for each in kept:
        sizes[each.run.detection.organisation_id] += sum(made.stored_bytes for made in each.artefacts)
    storage.change(sizes)


def _joined(kept: list[Ending]) -> dict[UUID, dict[str, Any]]:
    """The answers, where a stage has ended, however it did, that the answer waited for."""
    over = [
        each for each in kept if each.run.stage in joining.DECIDING and each.fields["state"] in StageRun.FINAL
    ]
    if not over:
        return {}
    known = {
        each.run.detection_id: {each.run.stage: joining.Ended(each.fields.get("result"))} for each in over
    }
    return joining.columns([each.run.detection for each in over], known)


@singledispatch
def _fields(answer: Answer, run: StageRun, attempt: Attempt) -> dict[str, Any]:
    raise TypeError(f"A stage answered with {type(answer).__name__}.")


@_fields.register
def _(answer: Outcome, run: StageRun, attempt: Attempt) -> dict[str, Any]:
    done = StageRun.State.DONE
    return queue.finished_fields(run, done, attempt.now, run_ms=attempt.run_ms, result=answer.result)


@_fields.register
def _(answer: Skipped, run: StageRun, attempt: Attempt) -> dict[str, Any]:
    reason = {"error_code": "skipped", "error_detail": answer.reason, "remedy": answer.remedy}
    return queue.finished_fields(run, StageRun.State.SKIPPED, attempt.now, **reason)


@_fields.register
def _(answer: Failure, run: StageRun, attempt: Attempt) -> dict[str, Any]:
    return queue.failure_fields(
        run, attempt.now, answer.code, answer.detail, final=answer.final, alone=attempt.alone
    )


def _extras(answer: Answer, run: StageRun, files: NewFiles) -> tuple[dict[str, Any], list[Artefact]]:
    if not isinstance(answer, Outcome):
        return {}, []
    return answer.headline, [_stored(run, kind, data, files) for kind, data in answer.artefacts.items()]


def _stored(run: StageRun, kind: str, data: bytes, files: NewFiles) -> Artefact:
    artefact = Artefact(detection_id=run.detection_id, kind=kind, mime=ARTEFACT_MIME)
    artefact.stored_bytes = files.add(artefact.file, data)
    return artefact
