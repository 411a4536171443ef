"""The answers that people see, one name for each, and whether the pixels may speak in one.

``verdict`` and ``basis`` say the same in two fields. Whatever shows, filters or counts answers goes by
these names, so that a claim of the file is nowhere taken for a measurement.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from django.db.models import Count, QuerySet

from detection.models import Detection
from mlcore.contracts import Basis, Verdict


class Answer(StrEnum):
    MEASURED_AI = "measured_ai"
    DECLARED_AI = "declared_ai"
    SIGNED_AI = "signed_ai"
    MEASURED_REAL = "measured_real"
    SIGNED_CAMERA = "signed_camera"
    NOT_SURE = "not_sure"


BY_PIXELS = (str(Basis.PIXELS), "")  # records from before there was anything else have no basis
ROWS: dict[Answer, tuple[Verdict, tuple[str, ...]]] = {
    Answer.MEASURED_AI: (Verdict.FAKE, BY_PIXELS),
    Answer.DECLARED_AI: (Verdict.FAKE, (str(Basis.DECLARED),)),
    Answer.SIGNED_AI: (Verdict.FAKE, (str(Basis.SIGNED),)),
    Answer.MEASURED_REAL: (Verdict.REAL, BY_PIXELS),
    Answer.SIGNED_CAMERA: (Verdict.REAL, (str(Basis.SIGNED),)),
    Answer.NOT_SURE: (Verdict.UNCERTAIN, (*BY_PIXELS, str(Basis.NONE))),
}
_BY_FIELDS = {(str(verdict), basis): answer for answer, (verdict, bases) in ROWS.items() for basis in bases}


def answer_of(verdict: str, basis: str) -> Answer | None:
    """None while there is no answer, and where there will be none."""
    return _BY_FIELDS.get((verdict, basis))


def pixels_may_speak(verdict: str, basis: str) -> bool:
    """Whether what the model found in the pixels may be shown as a part of the answer.

    Not before there is an answer, not where the picture is outside of what the model knows, and not
    where the file's own claim or a signature decides. What the model found is then for experts alone.
    """
    return bool(verdict) and basis in BY_PIXELS


def where(answer: str) -> dict[str, Any]:
    """The filter of ``Detection`` rows for one answer; for none, all of them."""
    if not answer:
        return {}
    verdict, bases = ROWS[Answer(answer)]
    return {"verdict": str(verdict), "basis__in": bases}


def counted(rows: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """How many there are of each answer, out of (verdict, basis, count); "" those without one."""
    found = dict.fromkeys(["", *map(str, Answer)], 0)
    for verdict, basis, count in rows:
        found[answer_of(verdict, basis) or ""] += count
    return found


def counts(rows: QuerySet[Detection]) -> dict[str, int]:
    """``counted``, by one query."""
    return counted(rows.order_by().values_list("verdict", "basis").annotate(Count("pk")))
