"""What the stages found, as the page shows it: gate, origin, stability, maps. From rows to JSON."""

from __future__ import annotations

from typing import Any

from detection import credentials, joining, plan, wording
from detection.answers import pixels_may_speak
from detection.models import Detection, StageRun
from mlcore.stability import verdict_of

Json = dict[str, Any]
LONGEST = 4000  # characters of one text out of a file
ROWS = 30  # facts of one finding


def result(runs: list[StageRun], stage: str) -> Json:
    """The result of a stage that is done; empty otherwise."""
    return next(
        (run.result or {} for run in runs if run.stage == stage and run.state == StageRun.State.DONE), {}
    )


def shown_class(detection: Detection) -> str:
    """The class that the heat map speaks for; "" where the pixels may not speak."""
    return detection.verdict if pixels_may_speak(detection.verdict, detection.basis) else ""


def gate(verdict: Json) -> Json:
    found = verdict.get("gate") or {"in_domain": True, "reason": "", "scores": {}}
    rows = [
        {"label": key.replace("_", " "), "text": f"{value:.4g}"} for key, value in found["scores"].items()
    ]
    return {**found, "score_rows": rows}


def provenance(found: Json) -> Json | None:
    if not found:
        return None
    return {
        "summary": found["summary"],
        "sentence": found["sentence"],
        "checks": credentials.checks(found["findings"]),
        "findings": [_finding(each) for each in found["findings"]],
        "exif": [{"label": label, "text": text} for label, text in found.get("exif") or []],
        "place": _place(found.get("place")),
    }


def _place(found: list[float] | None) -> Json | None:
    """Coordinates, and a map of them on another site, which is asked only where somebody follows the link."""
    if not found:
        return None
    north, east = found
    address = f"https://www.openstreetmap.org/?mlat={north}&mlon={east}#map=15/{north}/{east}"
    return {"latitude": north, "longitude": east, "text": f"{north:.5f}, {east:.5f}", "url": address}


def _finding(found: Json) -> Json:
    facts = {key: value for key, value in found["facts"].items() if key not in credentials.LABELS}
    texts = {key: value for key, value in facts.items() if isinstance(value, str) and len(value) > 200}
    rows = [
        {"label": wording.FACT_LABELS.get(key, key.replace("_", " ")), "text": _plain(value)}
        for key, value in list(facts.items())[:ROWS]
        if key not in texts
    ]
    return {
        **{key: found[key] for key in ("source", "says", "title", "detail", "signed", "trusted")},
        "source_text": wording.SOURCES.get(found["source"], ""),
        "rows": [row for row in rows if row["text"]],
        "long": "\n\n".join(texts.values())[:LONGEST],
    }


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_plain(inner)}" for key, inner in value.items())
    return "" if value is None else str(value)


def stability(detection: Detection, verdict: Json, older: Json) -> Json | None:
    """What the changed copies say of the answer; None where they were not asked.

    ``older`` is the result of a stage that asked them in records from before it was a part of the
    verdict: None also where another model was made the active one before its turn came.
    """
    thresholds = _thresholds(detection, verdict)
    held = joining.held(verdict, thresholds)
    if held:
        found: Json = {"agree": held.agree, "spread": held.spread, "stable": held.stable}
        scores = held.variants
    elif older and older["model"] == verdict.get("model"):
        found = {key: older[key] for key in ("agree", "spread", "stable")}
        scores = older["variants"]
    else:
        return None
    own = verdict_of(verdict.get("p_fake", 0.5), thresholds)
    return {
        **found,
        "sentence": wording.agreement(found["agree"], len(scores)),
        "variants": [_variant(words, p, verdict_of(p, thresholds) == own) for words, p in scores],
    }


def shown_stability(detection: Detection, held: Json | None) -> Json | None:
    """None where the pixels may not speak, and where they speak for no side that copies could keep."""
    speak = pixels_may_speak(detection.verdict, detection.basis)
    return held if speak and detection.decision.get("key") != "undecided" else None


def _thresholds(detection: Detection, verdict: Json) -> dict[str, float]:
    points = verdict.get("operating_points") or {}
    usual = points.get("0.01") or points.get("") or joining.HALFWAY
    return dict(detection.decision.get("thresholds") or usual)


def _variant(words: str, p_fake: float, same: bool) -> Json:
    return {"words": words, "p_fake": round(p_fake, 4), "text": wording.percent(p_fake), "same": same}


def expert(detection: Detection, verdict: Json, held: Json | None) -> Json | None:
    """The model's own numbers, whatever they are worth here; ``note`` says why they are no answer."""
    p_fake = verdict.get("p_fake", detection.p_fake)
    if p_fake is None:
        return None
    return {
        "p_fake": p_fake,
        "thresholds": _thresholds(detection, verdict),
        "stability": held,
        "text": wording.raw_score(p_fake),
        "note": wording.no_answer_of_pixels(detection.verdict, detection.basis),
    }


def explanations(detection: Detection, runs: list[StageRun], images: dict[str, str]) -> dict[str, Json]:
    """Each map that may be asked for, whether it has been or not. ``images`` are addresses of those made."""
    by_stage = {run.stage: run for run in runs}
    may_speak = pixels_may_speak(detection.verdict, detection.basis)
    return {
        stage: _explanation(stage, by_stage.get(stage), images.get(stage))
        if may_speak or not detection.verdict
        else _no_explanation(stage)
        for stage in plan.on_demand()
    }


def _no_explanation(stage: str) -> Json:
    """Where the answer does not rest on the pixels, nothing in them explains it."""
    return {
        **_explanation(stage, None, None),
        "state_words": wording.NOTHING_TO_EXPLAIN,
        "may_ask": False,
    }


def _explanation(stage: str, run: StageRun | None, image: str | None) -> Json:
    state = run.state if run else ""
    faithfulness = (run.result or {}).get("faithfulness") if run else None
    return {
        "state": state or "none",
        "state_words": _progress(run) if run else wording.NOT_ASKED,
        "waiting": state in (StageRun.State.QUEUED, StageRun.State.RUNNING),
        "may_ask": state in ("", StageRun.State.FAILED, StageRun.State.SKIPPED),
        "image": image,
        "detail": wording.MAPS.get(stage, ""),
        "mark": wording.explained(faithfulness),
        "better": faithfulness["better"] if faithfulness else None,
        "faithfulness": faithfulness,
    }


def _progress(run: StageRun) -> str:
    words = wording.STATE_WORDS[run.state]
    return f"{words}: {run.error_detail}" if run.error_detail and run.state in StageRun.FINAL else words
