"""The list of detections, filtered: the one place that knows how, and which index each filter uses."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from accounts.access import Principal
from detection import answers, selectors
from detection.models import Detection


def filtered(
    principal: Principal,
    *,
    answer: str = "",
    verdict: str = "",
    basis: str = "",
    q: str = "",
    reference: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    key: UUID | None = None,
    batch: UUID | None = None,
    trash: bool = False,
) -> QuerySet[Detection]:
    """Those of the organisation on which all filters hold; without an order.

    ``q`` is looked for within the name; ``since`` is included, ``until`` is not. ``trash``: of those
    in the trash instead of the others.
    """
    wanted = {
        "verdict": verdict,
        "basis": basis,
        "name__icontains": q,
        "reference": reference,
        "created_at__gte": since,
        "created_at__lt": until,
        "submitted_key": key,
        "batch": batch,
    }
    rows = selectors.trash(principal) if trash else selectors.whole(principal)
    rows = rows.filter(**answers.where(answer))
    return rows.filter(**{name: value for name, value in wanted.items() if value})
