"""The trash: where deleted detections wait to be restored, or to be removed with all their files.

To be deleted is a mark on the row. All that people and programs read leaves marked rows out
(``Detection.objects``); stages that wait or work go on, so that what is restored has its answer. Marks
older than ``KEEP`` are removed for good, a few rows a transaction: any number of processes may do that at
once, and one that is stopped has lost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, storage
from accounts.access import Principal
from accounts.signals import happened
from detection import events, push, stored
from detection.models import Artefact, Detection, IdempotentRequest, StageRun
from detection.services import own_files

KEEP = timedelta(days=30)
AT_ONCE = 20  # rows in one transaction: on SQLite nobody else writes meanwhile

ONLY_OWN = "You may delete and restore what you sent yourself. Ask an admin or owner about other images."


def may_delete(principal: Principal, detection: Detection) -> bool:
    """Any by the permission for it; one's own by the permission to send."""
    return principal.may(access.DELETE) or (principal.may(access.WRITE) and _is_own(principal, detection))


def deleted_by(detection: Detection) -> str:
    """Of one in the trash."""
    return str(detection.deleted_by or detection.deleted_key or "somebody who left")


def delete(*, principal: Principal, pk: UUID) -> None:
    """Puts a detection into the trash.

    Raises:
        Http404: no such detection in the organisation, or it is in the trash already.
        PermissionDenied: it is not the principal's own, and others' are not theirs to delete.
    """
    with transaction.atomic():
        detection = _locked(principal, Detection.objects.all(), pk)
        who: dict[str, Any] = {"deleted_by": principal.user, "deleted_key": principal.key}
        _mark(detection, deleted_at=timezone.now(), **who)
        # Answers kept for requests that come again (``detection.idempotency``) would tell of it.
        kept = IdempotentRequest.objects.filter(key__organisation=principal.organisation)
        kept.filter(body__id=str(pk)).delete()
        _tell("detection.trashed", detection, principal)
        transaction.on_commit(partial(push.deleted, [_change(detection)]), robust=True)


def restore(*, principal: Principal, pk: UUID) -> None:
    """Takes a detection out of the trash. One that is not in it stays as it is: twice is no error.

    Raises:
        Http404: no such detection in the organisation (any more).
        PermissionDenied: as for ``delete``.
    """
    with transaction.atomic():
        detection = _locked(principal, Detection.everything.all(), pk)
        if (since := detection.deleted_at) is None:
            return
        _mark(detection, deleted_at=None, deleted_by=None, deleted_key=None)
        _tell("detection.restored", detection, principal)
        if detection.completed_at and detection.completed_at >= since:  # of which nobody was told
            events.detections_ended([pk], detection.completed_at)
        transaction.on_commit(partial(push.queued, [_change(detection)]), robust=True)


def empty(*, principal: Principal) -> int:
    """Removes all that is in the organisation's trash now, for good; gives how many that were.

    Raises:
        PermissionDenied: the principal may not delete others' images.
    """
    mine = access.scope(principal, Detection.everything.all(), access.DELETE)
    return sum(_removed(mine.filter(deleted_at__lte=timezone.now()), principal))


def remove_old(stopped: Callable[[], bool] = lambda: False) -> int:
    """Removes for good what was deleted longer than ``KEEP`` ago; gives how many that were."""
    total = 0
    for count in _removed(Detection.everything.filter(deleted_at__lt=timezone.now() - KEEP), None):
        total += count
        if stopped():
            break
    return total


def _removed(rows: QuerySet[Detection], principal: Principal | None) -> Iterator[int]:
    """How many at a time. Asks for the next ones each time: others may remove or restore some."""
    while ids := list(rows.order_by("deleted_at").values_list("pk", flat=True)[:AT_ONCE]):
        yield _remove(rows, ids, principal)


def _remove(rows: QuerySet[Detection], ids: list[UUID], principal: Principal | None) -> int:
    with transaction.atomic():
        _lock(ids)
        ours = list(rows.filter(pk__in=ids).select_related("organisation"))
        pks = [each.pk for each in ours]  # without those that were restored meanwhile
        artefacts = list(Artefact.objects.filter(detection__in=pks))
        files = [file for each in ours for file in own_files(each)] + [each.file for each in artefacts]
        for each in ours:
            _tell("detection.removed", each, principal)
        Detection.everything.filter(pk__in=pks).delete()
        transaction.on_commit(partial(stored.remove, files), robust=True)
        transaction.on_commit(partial(_unlink, pks), robust=True)
        storage.change(_freed(ours, artefacts))
    return len(ours)


def _freed(removed: list[Detection], artefacts: list[Artefact]) -> Counter[UUID]:
    """Bytes by organisation, below 0."""
    sizes = Counter[UUID]()
    owners = {each.pk: each.organisation_id for each in removed}
    for each in removed:
        sizes[each.organisation_id] -= each.stored_bytes
    for made in artefacts:
        sizes[owners[made.detection_id]] -= made.stored_bytes
    return sizes


def _lock(ids: list[UUID]) -> None:
    """Stages before detections, and each in the order of their numbers, as where stages end: so nobody
    waits for who waits for them. A stage that ends writes its artefact before, or finds its row gone.

    Of detections also those that will forget whose file they examined again.
    """
    list(StageRun.objects.select_for_update().filter(detection__in=ids).order_by("pk").values_list("pk"))
    touched = Detection.everything.filter(Q(pk__in=ids) | Q(rerun_of__in=ids))
    list(touched.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def _unlink(removed: list[UUID]) -> None:
    """One row after the other, and holding nothing else: nobody is waited for in a circle."""
    for pk in Detection.everything.filter(same_file_as__in=removed).values_list("pk", flat=True):
        Detection.everything.filter(pk=pk, same_file_as__in=removed).update(same_file_as=None)


def _locked(principal: Principal, rows: QuerySet[Detection], pk: UUID) -> Detection:
    if not principal.may(access.DELETE):
        access.require(principal, access.WRITE)
    mine = rows.filter(organisation=principal.organisation).select_for_update(of=("self",))
    detection = get_object_or_404(mine, pk=pk)
    if not may_delete(principal, detection):
        raise PermissionDenied(ONLY_OWN)
    return detection


def _is_own(principal: Principal, detection: Detection) -> bool:
    if principal.key is not None:
        return detection.submitted_key_id == principal.key.pk
    return principal.user is not None and detection.submitted_by_id == principal.user.pk


def _mark(detection: Detection, **fields: Any) -> None:
    """With a new version: who knows an older one looks again."""
    Detection.everything.filter(pk=detection.pk).update(version=F("version") + 1, **fields)


def _tell(event: str, detection: Detection, principal: Principal | None) -> None:
    details = {"name": detection.name, "reference": detection.reference, "sha256": detection.sha256}
    happened.send(sender=Detection, principal=principal, event=event, subject=detection, details=details)


def _change(detection: Detection) -> push.Change:
    return push.Change(detection.pk, detection.organisation_id)
