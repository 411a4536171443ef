"""Writes: one use case a function. Each asks the gate, then changes rows and files together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from typing import IO, Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.fields.files import FieldFile
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, storage, usage
from accounts.access import Principal
from accounts.errors import Refused
from detection import joining, plan, push, wording
from detection.answers import pixels_may_speak
from detection.intake import BATCHES, PATIENCE, Intake, take_in
from detection.models import Batch, Detection, StageRun
from detection.stored import NewFiles
from mlcore import registry


@dataclass(frozen=True)
class Particulars:
    """What a program may say of a file that it sends, and where the file came from."""

    reference: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    source_url: str = ""
    batch: Batch | None = None
    rerun_of: Detection | None = None
    model_asked: str = ""


def submit(
    *,
    principal: Principal,
    data: bytes | IO[bytes],
    name: str,
    particulars: Particulars | None = None,
    also: Callable[[Detection], None] = lambda detection: None,
    patience: float | None = PATIENCE,
) -> Detection:
    """Stores a file and queues its examination.

    ``also`` is called in the transaction that saves the rows: what it raises undoes them.
    ``patience``: seconds that the file may wait for its turn; None for as long as it takes.

    Raises:
        mlcore.errors.ImageRefused: the file is not one that can be examined; nothing is stored.
        detection.turns.Busy: it would wait, or has waited, for longer.
        accounts.usage.QuotaExceeded: the key's images of the month are used up.
        accounts.storage.StorageFull: the organisation may not store it.
        PermissionDenied: the principal's role may not submit.
    """
    access.require(principal, access.WRITE)
    usage.require_room(principal)
    storage.require_room(principal.organisation.pk)  # nothing is decoded in vain
    said = particulars or Particulars()
    intake = take_in(data, name, BATCHES if said.batch else principal.organisation.pk, patience)
    storage.require_room(principal.organisation.pk, intake.stored_bytes)
    detection = Detection(
        organisation=principal.organisation,
        submitted_by=principal.user,
        submitted_key=principal.key,
        name=intake.name,
        facts=intake.facts,
        sha256=intake.sha256,
        stored_bytes=intake.stored_bytes,
        error_rate=principal.organisation.error_rate,
        **{each.name: getattr(said, each.name) for each in fields(said)},
    )
    with NewFiles() as files:
        _store_files(detection, intake, files)
        with transaction.atomic():
            usage.count_images(principal)
            detection.same_file_as = None if said.rerun_of else _earlier(detection)
            _insert(detection)
            also(detection)
            storage.take(principal.organisation.pk, detection.stored_bytes)
            files.keep(own_files(detection))
    return detection


def rerun(
    *,
    principal: Principal,
    pk: UUID,
    model: str = "",
    also: Callable[[Detection], None] = lambda detection: None,
) -> Detection:
    """Examines the file of a detection anew, by ``model`` or the one that is active, as one of its own.

    The first one stays as it is: an answer that somebody has acted on is not written over.

    Raises:
        Http404: no such detection, or its file is gone.
        mlcore.errors.ModelUnavailable: there is no such model; the message lists those there are.
    """
    mine = access.scope(principal, Detection.objects.all(), access.WRITE)
    first = get_object_or_404(mine, pk=pk)
    if model:
        registry.folder(model)
    particulars = Particulars(
        reference=first.reference,
        metadata=first.metadata,
        source_url=first.source_url,
        rerun_of=first,
        model_asked=model,
    )
    try:
        with first.original.open("rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise Http404("The file of this detection is gone: it cannot be examined again.") from None
    return submit(principal=principal, data=data, name=first.name, particulars=particulars, also=also)


def retry(*, principal: Principal, pk: UUID) -> None:
    """Queues the failed and the skipped stages of a detection once more."""
    mine = access.scope(principal, Detection.objects.all(), access.WRITE)
    detection = get_object_or_404(mine, pk=pk)
    run_again(StageRun.objects.filter(detection=detection))


def explain(*, principal: Principal, pk: UUID, stage: str) -> None:
    """Queues one more explanation of a picture; once, however often it is asked for.

    Raises:
        Http404: no such detection, or no such explanation.
        Refused: nothing_to_explain, where the answer does not rest on the pixels.
        PermissionDenied: the principal's role may not submit.
    """
    mine = access.scope(principal, Detection.objects.all(), access.WRITE)
    detection = get_object_or_404(mine, pk=pk)
    if stage not in plan.on_demand():
        raise Http404(f"There is no explanation called {stage[:30]}.")
    if detection.verdict and not pixels_may_speak(detection.verdict, detection.basis):
        raise Refused("nothing_to_explain", wording.NOTHING_TO_EXPLAIN)
    lane = plan.by_name()[stage].lane
    with transaction.atomic():
        # First, as everywhere (see ``bump``); and it may have gone into the trash since.
        get_object_or_404(mine.select_for_update(of=("self",)), pk=pk)
        run, made = StageRun.objects.get_or_create(detection=detection, stage=stage, defaults={"lane": lane})
        if made:
            bump([pk])
            change = push.Change(detection.pk, detection.organisation_id)
            transaction.on_commit(partial(push.queued, [change]), robust=True)
    if not made:  # one that failed is tried again
        run_again(StageRun.objects.filter(pk=run.pk))


def run_again(runs: QuerySet[StageRun]) -> int:
    """Queues those of ``runs`` that failed or were skipped; gives their number.

    An answer that one of them may change is taken back until it has ended.
    """
    now = timezone.now()
    with transaction.atomic():
        again = runs.filter(state__in=[StageRun.State.FAILED, StageRun.State.SKIPPED])
        again = again.filter(stage__in=list(plan.by_name()))
        chosen = list(again.select_for_update(of=("self",)).select_related("detection").order_by("pk"))
        StageRun.objects.filter(pk__in=[run.pk for run in chosen]).update(
            state=StageRun.State.QUEUED,
            attempts=0,
            due_at=now,
            queued_at=now,
            finished_at=None,
            error_code="",
            error_detail="",
            remedy="",
        )
        detections = {run.detection for run in chosen}
        bump(each.pk for each in detections)
        reopened = {run.detection_id for run in chosen if run.stage not in plan.on_demand()}
        Detection.everything.filter(pk__in=reopened).update(completed_at=None)
        undone = {run.detection_id for run in chosen if run.stage in joining.DECIDING}
        Detection.everything.filter(pk__in=undone).update(verdict="", basis="", confidence=None, decision={})
        changes = [push.Change(each.pk, each.organisation_id) for each in detections]
        transaction.on_commit(partial(push.queued, changes), robust=True)
    return len(chosen)


def bump(ids: Iterable[UUID]) -> None:
    """Raises the versions, in the trash too. Locks in one order everywhere: two lanes cannot deadlock."""
    rows = Detection.everything.filter(pk__in=list(ids))
    if connection.features.has_select_for_update:
        list(rows.select_for_update().order_by("pk").values_list("pk"))
    rows.update(version=F("version") + 1)


def settle(ids: Iterable[UUID]) -> datetime | None:
    """Raises the versions, and completes those detections on which every stage has reported.

    Gives the moment at which any were completed, for ``events.detections_ended``.
    The lock that ``bump`` takes comes first: of two lanes that finish at the same moment the
    second then sees the first one's rows.
    """
    chosen = list(ids)
    bump(chosen)
    unfinished = StageRun.objects.filter(detection=OuterRef("pk")).exclude(state__in=StageRun.FINAL)
    unfinished = unfinished.exclude(stage__in=plan.on_demand())  # nobody asked for these at first
    open_ones = Detection.everything.filter(pk__in=chosen, completed_at=None)
    now = timezone.now()
    return now if open_ones.filter(~Exists(unfinished)).update(completed_at=now) else None


def _earlier(detection: Detection) -> Detection | None:
    """The newest one of the same bytes that the organisation has."""
    same = Detection.objects.filter(organisation=detection.organisation, sha256=detection.sha256)
    return same.order_by("-created_at").only("pk").first()


def _insert(detection: Detection) -> None:
    detection.save(force_insert=True)
    StageRun.objects.bulk_create(
        StageRun(detection=detection, stage=stage.name, lane=plan.lane(stage, detection.model_asked))
        for stage in plan.at_once()
    )
    change = push.Change(detection.pk, detection.organisation_id)
    transaction.on_commit(partial(push.queued, [change]), robust=True)


def _store_files(detection: Detection, intake: Intake, files: NewFiles) -> None:
    files.add(detection.original, intake.data)
    (preview, detection.preview_mime) = intake.preview
    files.add(detection.preview, preview)
    (thumbnail, detection.thumbnail_mime) = intake.thumbnail
    files.add(detection.thumbnail, thumbnail)


def own_files(detection: Detection) -> list[FieldFile]:
    return [detection.original, detection.preview, detection.thumbnail]
