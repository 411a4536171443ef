"""The answer of a detection, joined from the results of the stages that decide it.

It is announced once, when nothing is open that may still change it: until then a detection has no
verdict at all. Plain data in, columns out: what is read is read once for a whole batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from detection.models import Detection, StageRun
from mlcore import stability
from mlcore.contracts import Gate, ModelRef, Provenance, ProvenanceSummary, Stability
from mlcore.decision import Decision, decide

VERDICT, PROVENANCE = DECIDING = ("verdict", "provenance")
STABILITY = "stability"  # a part of the verdict's result; in older records a stage of its own
HALFWAY = {"fake": 0.5, "real": 0.5}

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A stage that has come to its end: ``result`` is None where it failed or was skipped."""

    result: Json | None


Known = Mapping[str, Ended]  # by stage


def is_open(runs: Iterable[StageRun]) -> bool:
    """Whether anything among a detection's stages may still change its answer."""
    return any(run.stage in DECIDING and run.state not in StageRun.FINAL for run in runs)


def columns(detections: Iterable[Detection], known: Mapping[UUID, Known]) -> dict[UUID, dict[str, Any]]:
    """The columns of each detection whose answer can be announced now.

    ``known`` are stages that have just been saved; the others are read, in one query. To be called
    with the detections' rows locked: of two lanes that finish at the same moment the second then
    sees the first one's results.
    """
    rows = {each.pk: each for each in detections}
    found = _read(rows, known)
    return {pk: answer for pk, row in rows.items() if (answer := _answer(row, found[pk])) is not None}


def _read(rows: Mapping[UUID, Detection], known: Mapping[UUID, Known]) -> dict[UUID, dict[str, Ended | None]]:
    """Each deciding stage of each detection; None for one that is open."""
    found: dict[UUID, dict[str, Ended | None]] = defaultdict(dict)
    others = set(DECIDING) - {stage for stages in known.values() for stage in stages}
    runs = StageRun.objects.filter(detection__in=list(rows), stage__in=others)
    for pk, stage, state, result in runs.values_list("detection", "stage", "state", "result"):
        found[pk][stage] = Ended(result) if state in StageRun.FINAL else None
    for pk, stages in known.items():
        found[pk].update(stages)
    return found


def _answer(row: Detection, stages: Mapping[str, Ended | None]) -> dict[str, Any] | None:
    """None while something is open, and where there is nothing to answer with."""
    if None in stages.values():
        return None
    results = {stage: ended.result or {} for stage, ended in stages.items() if ended}
    verdict = results.get(VERDICT, {})
    rate, thresholds = _thresholds(row, verdict)
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
            "without": _without(stages, verdict),
        },
    }


def _without(stages: Mapping[str, Ended | None], verdict: Json) -> list[str]:
    """What could have changed the answer, had it not failed."""
    failed = [stage for stage, ended in stages.items() if ended and not ended.result]
    return failed + ([STABILITY] if "error" in (verdict.get(STABILITY) or {}) else [])


def decided(results: Mapping[str, Json], thresholds: Mapping[str, float]) -> Decision:
    verdict = results.get(VERDICT, {})
    return decide(
        verdict.get("p_fake"),
        thresholds,
        _gate(verdict.get("gate")),
        _provenance(results.get(PROVENANCE)),
        held(verdict, thresholds),
    )


def held(verdict: Json, thresholds: Mapping[str, float]) -> Stability | None:
    """What the changed copies say of the answer by these thresholds; None where they were not asked."""
    variants = (verdict.get(STABILITY) or {}).get("variants")
    if not variants:
        return None
    scores = [(words, p_fake) for words, p_fake in variants]
    return stability.judge(verdict["p_fake"], scores, thresholds, ModelRef(**verdict["model"]))


def _thresholds(row: Detection, verdict: Json) -> tuple[str, dict[str, float]]:
    """The operating point of the rate that was chosen when the image came in, if the model has it."""
    points = verdict.get("operating_points") or {}
    rate = row.error_rate if row.error_rate in points else ""
    return rate, points.get(rate, HALFWAY)


def _gate(found: Json | None) -> Gate:
    return Gate(**found) if found else Gate(in_domain=True)


def _provenance(found: Json | None) -> Provenance | None:
    return Provenance(ProvenanceSummary(found["summary"]), found.get("sentence", "")) if found else None
