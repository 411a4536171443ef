"""Reads: each takes the principal and sees that organisation's detections alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet, prefetch_related_objects
from django.http import Http404
from django.shortcuts import get_object_or_404

from accounts import access
from accounts.access import Principal
from detection.files import StoredFile, open_stored
from detection.models import Detection
from detection.state import state

__all__ = ["StoredFile", "get", "history", "open_file", "recent", "state", "told"]

PARTS = ("artefacts", "stage_runs")
T = TypeVar("T")


class Trashed(Http404):
    """``detection`` is in the trash: its own answer, where whoever asks may know."""

    def __init__(self, detection: Detection) -> None:
        super().__init__("This result is in the trash. Restore it to see it again.")
        self.detection = detection


def get(principal: Principal, pk: UUID) -> Detection:
    """One detection.

    Raises:
        Trashed: it is in the trash. To whoever knows only Http404 it is not there.
        Http404: there is none, or it is another organisation's.
    """
    found = whole(principal).filter(pk=pk).first()
    if found is not None:
        return found
    raise Trashed(trashed(principal, pk))


def trash(principal: Principal) -> QuerySet[Detection]:
    """What can be restored, whole: the last deleted first."""
    rows = access.scope(principal, Detection.everything.exclude(deleted_at=None))
    joined = _with_parts(rows).select_related("deleted_by", "deleted_key")
    return joined.order_by("-deleted_at", "id")


def trashed(principal: Principal, pk: UUID) -> Detection:
    """One that is in the trash; Http404 if there is none."""
    return get_object_or_404(trash(principal), pk=pk)


def recent(principal: Principal, limit: int = 12) -> list[Detection]:
    """The newest first."""
    return list(whole(principal).order_by("-created_at", "id")[:limit])


def history(principal: Principal, *, verdict: str = "", search: str = "") -> QuerySet[Detection]:
    """The newest first, of one verdict (any if ""), with ``search`` within the name."""
    found = whole(principal).order_by("-created_at", "id")
    if verdict:
        found = found.filter(verdict=verdict)
    if search:
        found = found.filter(name__icontains=search)
    return found


def open_file(principal: Principal, pk: UUID, kind: str) -> StoredFile:
    """original, preview, thumbnail, heatmap or overlay of a detection; Http404 if there is none."""
    return open_stored(get(principal, pk), kind)


def with_ids(principal: Principal, ids: Iterable[UUID]) -> list[Detection]:
    """Those of ``ids`` that are there for the principal."""
    return list(whole(principal).filter(pk__in=list(ids)))


def unfinished(principal: Principal, limit: int) -> list[Detection]:
    """The newest of those that a stage is still to report on."""
    return list(whole(principal).filter(completed_at=None).order_by("-created_at", "id")[:limit])


def changed_since(principal: Principal, moment: datetime, limit: int) -> list[Detection]:
    """The newest of those that came in or got their last result at ``moment`` or later, the oldest first."""
    news = Q(created_at__gte=moment) | Q(completed_at__gte=moment)
    found = whole(principal).filter(news).order_by("-created_at", "id")[:limit]
    return list(reversed(found))


def versions(principal: Principal, *, limit: int = 0, ids: Iterable[UUID] = ()) -> dict[UUID, int]:
    """Versions of the ``limit`` newest detections, and of those in ``ids``."""
    mine = access.scope(principal, Detection.objects.all())
    newest = mine.order_by("-created_at", "id").values_list("pk", "version")[:limit] if limit else []
    wanted = list(ids)
    named = mine.filter(pk__in=wanted).values_list("pk", "version") if wanted else []
    return {**dict(named), **dict(newest)}


def whole(principal: Principal) -> QuerySet[Detection]:
    """All that ``state`` needs, in three queries whatever the number of detections."""
    return _with_parts(access.scope(principal, Detection.objects.all()))


def page_of(rows: QuerySet[Detection]) -> QuerySet[Detection]:
    """``rows`` from ``history``, of which a page was cut; as they are, read in less time.

    Cut by the index alone: joined first, all the rows before the page cost five times as much.
    """
    page = _with_parts(Detection.everything.filter(pk__in=rows.values("pk")))
    return page.select_related("batch", "entry").order_by("-created_at", "id")


def told(row: Detection, tell: Callable[[Detection], T]) -> T:
    """What ``tell`` makes of a row of a list, after which the row and its parts go.

    They refer to each other: left to the garbage collector, which looks at all rows of many requests to
    find such circles, some answers would take twice as long as the others.
    """
    found = tell(row)
    row._prefetched_objects_cache.clear()  # type: ignore[attr-defined]
    return found


def load_parts(detection: Detection) -> None:
    """What ``state`` needs beside the row, of one that has just been saved."""
    prefetch_related_objects([detection], *PARTS)


def _with_parts(rows: QuerySet[Detection]) -> QuerySet[Detection]:
    joined = rows.select_related("organisation", "submitted_by", "submitted_key")
    return joined.prefetch_related(*PARTS)
