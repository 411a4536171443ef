"""The answer of a detection, joined anew from all its stages' results whenever one of them ends.

Plain data in, columns out: what is read from the database is read once for a whole batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from detection.models import Detection, StageRun
from mlcore.contracts import Gate, ModelRef, Provenance, ProvenanceSummary, Stability
from mlcore.decision import Decision, decide

VERDICT, PROVENANCE, STABILITY = STAGES = ("verdict", "provenance", "stability")
HALFWAY = {"fake": 0.5, "real": 0.5}

Results = Mapping[str, Mapping[str, Any]]  # by stage


def columns(detections: Iterable[Detection], known: Mapping[UUID, Results]) -> dict[UUID, dict[str, Any]]:
    """The columns of each detection on which an answer can be given.

    ``known`` are results that have just been saved; those of other stages are read, in one query.
    To be called with the detections' rows locked: of two lanes that finish at the same moment the
    second then sees the first one's results.
    """
    rows = {each.pk: each for each in detections}
    found = _read(rows, known)
    return {pk: answer for pk, row in rows.items() if (answer := _answer(row, found[pk])) is not None}


def _read(rows: Mapping[UUID, Detection], known: Mapping[UUID, Results]) -> dict[UUID, dict[str, Any]]:
    found: dict[UUID, dict[str, Any]] = defaultdict(dict)
    others = set(STAGES) - {stage for results in known.values() for stage in results}
    runs = StageRun.objects.filter(detection__in=list(rows), stage__in=others, state=StageRun.State.DONE)
    for pk, stage, result in runs.values_list("detection", "stage", "result"):
        found[pk][stage] = result
    for pk, results in known.items():
        found[pk].update(results)
    return found


def _answer(row: Detection, results: Results) -> dict[str, Any] | None:
    """None while there is nothing to answer with: the model has not, and the file does not decide."""
    rate, thresholds = _thresholds(row, results.get(VERDICT, {}))
    decision = decided(results, thresholds)
    if decision.key == "no_model":
        return None
    return {
        "verdict": str(decision.verdict),
        "basis": str(decision.basis),
        "confidence": decision.confidence,
        "decision": {
            "key": decision.key,
            "reason": decision.reason,
            "error_rate": rate,
            "thresholds": thresholds,
        },
    }


def decided(results: Results, thresholds: Mapping[str, float]) -> Decision:
    verdict = results.get(VERDICT, {})
    return decide(
        verdict.get("p_fake"),
        thresholds,
        _gate(verdict.get("gate")),
        _provenance(results.get(PROVENANCE)),
        _stability(results.get(STABILITY), verdict),
    )


def _thresholds(row: Detection, verdict: Mapping[str, Any]) -> tuple[str, dict[str, float]]:
    """The operating point of the rate that was chosen when the image came in, if the model has it."""
    points = verdict.get("operating_points") or {}
    rate = row.error_rate if row.error_rate in points else ""
    return rate, points.get(rate, HALFWAY)


def _gate(found: Mapping[str, Any] | None) -> Gate:
    return Gate(**found) if found else Gate(in_domain=True)


def _provenance(found: Mapping[str, Any] | None) -> Provenance | None:
    return Provenance(ProvenanceSummary(found["summary"]), found.get("sentence", "")) if found else None


def _stability(found: Mapping[str, Any] | None, verdict: Mapping[str, Any]) -> Stability | None:
    """None also where another model had been activated in between: it speaks for its own answer alone."""
    if not found or found.get("model") != verdict.get("model"):
        return None
    return Stability(found["agree"], found["spread"], (), found["stable"], ModelRef(**found["model"]))
