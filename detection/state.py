"""The whole state of one detection as JSON: the one shape for page, WebSocket and API."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.urls import reverse

from detection import evidence, joining, model_figures, plan, told, wording
from detection.answers import answer_of, pixels_may_speak
from detection.models import Detection, StageRun
from mlcore.contracts import Basis
from mlcore.objects import is_sure

VERDICT = "verdict"
OBJECTS = "objects"


def state(detection: Detection) -> dict[str, Any]:
    """Everything a browser shows. Costs no query if the detection came from ``selectors``."""
    runs = _in_order(detection)
    failed = _verdict_failed(detection, runs)
    url = _address(detection.organisation.slug, detection.pk)
    speak = pixels_may_speak(detection.verdict, detection.basis)
    made = {artefact.kind for artefact in detection.artefacts.all()} if speak else set()
    files = _files(url, made)
    return {
        "id": str(detection.pk),
        "version": detection.version,
        "name": detection.name,
        "organisation": detection.organisation.slug,
        "created_at": detection.created_at.isoformat(),
        "submitted_by": str(detection.submitted_by or detection.submitted_key or ""),
        "url": url,
        "same_file_url": _same_file(detection),
        "status": status(detection, runs),
        **_verdict(detection, failed, speak),
        **_grounds(detection, runs, files["heatmap"], speak),
        "explanations": told.explanations(detection, runs, {kind: _file(url, kind) for kind in made}),
        "facts": _facts(detection.facts),
        "notes": list(detection.facts.get("notes", [])),
        "model": _model(detection),
        "files": files,
        **_objects(detection, runs),
        "stages": [_stage(run) for run in runs],
        **_times(runs),
    }


def status(detection: Detection, runs: list[StageRun]) -> str:
    """waiting, working, done, or failed (all is over, and there is no verdict)."""
    states = {run.state for run in runs if run.stage not in plan.on_demand()}
    if states <= set(StageRun.FINAL):
        return "failed" if _verdict_failed(detection, runs) else "done"
    return "waiting" if states == {StageRun.State.QUEUED} else "working"


def numbers(detection: Detection) -> dict[str, float | None]:
    """``p_fake`` where the pixels may speak, and ``confidence`` where they have spoken for a side."""
    speak = pixels_may_speak(detection.verdict, detection.basis)
    sure = speak and detection.verdict in ("fake", "real")
    return {
        "confidence": detection.confidence if sure else None,
        "p_fake": detection.p_fake if speak else None,
    }


def _verdict(detection: Detection, failed: bool, speak: bool) -> dict[str, Any]:
    shown, decision = numbers(detection), detection.decision
    sure = speak and detection.verdict in ("fake", "real")
    return {
        "verdict": detection.verdict,
        "answer": answer_of(detection.verdict, detection.basis),
        "verdict_words": wording.verdict_words(detection, failed),
        "basis": detection.basis,
        "basis_words": wording.basis_words(detection),
        "basis_text": wording.basis_text(detection),
        "without": list(decision.get("without", [])),
        "error_rate_text": wording.error_rate(decision.get("error_rate", "")) if sure else "",
        **shown,
        "confidence_text": wording.percent(shown["confidence"]),
        "thresholds": decision.get("thresholds") if speak else None,
        "explanation": wording.explanation(detection, failed),
        "patience": "" if detection.verdict or failed else wording.PATIENCE,
    }


def _grounds(detection: Detection, runs: list[StageRun], heatmap: str | None, speak: bool) -> dict[str, Any]:
    """What the answer rests on, part by part; nothing of it before there is one."""
    known = runs if detection.verdict or not joining.is_open(runs) else []
    verdict = told.result(known, VERDICT)
    gate = told.gate(verdict)
    provenance = told.provenance(told.result(known, joining.PROVENANCE))
    held = told.stability(detection, verdict, told.result(known, joining.STABILITY))
    stability = told.shown_stability(detection, held)
    return {
        "gate": gate,
        "provenance": provenance,
        "stability": stability,
        "evidence": evidence.listed(detection, gate, provenance, stability, heatmap),
        "expert": told.expert(detection, verdict, held) if known else None,
        "stability_text": wording.no_stability(detection),
        "provenance_text": wording.no_provenance(detection, runs),
        "maps_text": wording.NOTHING_TO_EXPLAIN if detection.verdict and not speak else "",
        "legend": wording.legend(told.shown_class(detection)),
        "caution": wording.caution(detection.facts) if speak else "",
        "made_small_text": _made_small(detection),
    }


def _made_small(detection: Detection) -> str:
    """Only where the pixels of a picture gave the answer."""
    if detection.basis != Basis.PIXELS or detection.verdict not in ("fake", "real"):
        return ""
    known = model_figures.called_real_once_small(detection.model_name, detection.model_sha256)
    return wording.made_small(known)


def _facts(facts: dict[str, Any]) -> dict[str, Any]:
    words = {"size_text": wording.size(facts["bytes"]), "dimensions_text": wording.dimensions(facts)}
    return {**facts, **words}


def _model(detection: Detection) -> dict[str, str] | None:
    if not detection.model_name:
        return None
    return {
        "name": detection.model_name,
        "version": detection.model_version,
        "sha256": detection.model_sha256,
        "url": _card(detection.model_name),
    }


@lru_cache(256)
def _card(model: str) -> str:
    return reverse("model_card", args=[model])


def _files(url: str, made: set[str]) -> dict[str, str | None]:
    explained = "heatmap" in made
    return {
        **{kind: _file(url, kind) for kind in ("thumbnail", "preview", "original")},
        **{kind: _file(url, kind) if explained else None for kind in ("heatmap", "overlay")},
    }


def _file(url: str, kind: str) -> str:
    return f"{url}files/{kind}/"


def _address(organisation: str, pk: UUID) -> str:
    """Of the page, which the addresses of the files begin with: without ``reverse``, for a list has many."""
    return f"{_list(organisation)}{pk}/"


def _same_file(detection: Detection) -> str:
    """Of the page of an earlier result of the same bytes; "" where there is none."""
    earlier = detection.same_file_as_id
    return _address(detection.organisation.slug, earlier) if earlier else ""


@lru_cache(1024)
def _list(organisation: str) -> str:
    return reverse("detection_submit", args=[organisation])


def _objects(detection: Detection, runs: list[StageRun]) -> dict[str, Any]:
    """All that were found, and apart those that are told as there and those that are guesses."""
    found = [
        {**each, "sure": sure(detection, each), "score_text": wording.percent(each["score"])}
        for run in runs
        for each in found_objects(run)
    ]
    certain = [each for each in found if each["sure"]]
    guesses = [each for each in found if not each["sure"]]
    run = next((run for run in runs if run.stage == OBJECTS), None)
    return {
        "objects": found,
        "sure_objects": certain,
        "objects_text": wording.objects(run, len(certain), len(guesses)) if run else "",
        "guesses_text": wording.guesses([text["text"] for text in _kinds(guesses)]),
        "scene": _kinds(certain),
    }


def _kinds(found: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Each kind of object once, the surest first: for where there is little room."""
    kinds = Counter(each["name"] for each in found)
    return [{"text": wording.several(name, count)} for name, count in kinds.items()]


def sure(detection: Detection, found: dict[str, Any]) -> bool:
    return is_sure(found["score"], (detection.facts["width"], detection.facts["height"]))


def found_objects(run: StageRun) -> list[dict[str, Any]]:
    return list((run.result or {}).get("objects", []))


def _stage(run: StageRun) -> dict[str, Any]:
    return {
        "stage": run.stage,
        "label": plan.label(run.stage),
        "state": run.state,
        "state_words": wording.STATE_WORDS[run.state],
        "attempts": run.attempts,
        "queued_ms": run.queued_ms,
        "run_ms": run.run_ms,
        "queued_text": wording.duration(run.queued_ms),
        "time_text": wording.duration(run.run_ms),
        "error": run.error_detail,
        "remedy": run.remedy,
    }


def _in_order(detection: Detection) -> list[StageRun]:
    order = {name: place for place, name in enumerate(plan.by_name())}
    return sorted(detection.stage_runs.all(), key=lambda run: (order.get(run.stage, len(order)), run.stage))


def _verdict_failed(detection: Detection, runs: list[StageRun]) -> bool:
    over = (StageRun.State.FAILED, StageRun.State.SKIPPED)
    return not detection.verdict and any(run.stage == VERDICT and run.state in over for run in runs)


def _times(runs: list[StageRun]) -> dict[str, Any]:
    """``took``: to the answer, which is what people wait for. ``total``: of the slowest stage.

    Stages wait side by side, and one that is run again days later is queued anew: the days in
    between are nobody's waiting.
    """
    waits = {run.stage: _wait_ms(run) for run in runs if run.stage not in plan.on_demand()}
    took_ms = _longest([wait for stage, wait in waits.items() if stage in joining.DECIDING])
    total_ms = _longest(list(waits.values()))
    words = {"took_text": wording.duration(took_ms), "total_text": wording.duration(total_ms)}
    return {"took_ms": took_ms, "total_ms": total_ms, **words}


def _longest(waits: list[float | None]) -> float | None:
    """None while one of them is still under way."""
    known = [each for each in waits if each is not None]
    return max(known) if known and len(known) == len(waits) else None


def _wait_ms(run: StageRun) -> float | None:
    if run.finished_at is None:
        return None
    return (run.finished_at - run.queued_at).total_seconds() * 1000
