"""What the stages found, as the page shows it: gate, origin, stability, maps. From rows to JSON."""

from __future__ import annotations

from typing import Any

from detection import credentials, plan, wording
from detection.models import Detection, StageRun
from mlcore.contracts import Basis, Verdict

Json = dict[str, Any]
LONGEST = 4000  # characters of one text out of a file
ROWS = 30  # facts of one finding


def result(runs: list[StageRun], stage: str) -> Json:
    """The result of a stage that is done; empty otherwise."""
    return next(
        (run.result or {} for run in runs if run.stage == stage and run.state == StageRun.State.DONE), {}
    )


def shown_class(detection: Detection, verdict: Json) -> str:
    """The class that the heat map speaks for, as far as it may be said: a verdict by pixels alone.

    Where the model does not know such pictures, or leans too little, no class is named.
    """
    if detection.basis == Basis.NONE:
        return str(Verdict.UNCERTAIN)
    if detection.basis in (Basis.SIGNED, Basis.DECLARED):
        return str(verdict.get("verdict", "")) if gate(verdict)["in_domain"] else str(Verdict.UNCERTAIN)
    return detection.verdict


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


def stability(found: Json, verdict: Json) -> Json | None:
    """None also where another model was made the active one before this stage had its turn."""
    if not found or found["model"] != verdict.get("model"):
        return None
    points = verdict.get("operating_points") or {}
    return {
        **{key: found[key] for key in ("agree", "spread", "stable")},
        "sentence": wording.agreement(found["agree"], len(found["variants"])),
        "variants": [_variant(words, p_fake, verdict, points) for words, p_fake in found["variants"]],
    }


def _variant(words: str, p_fake: float, verdict: Json, points: Json) -> Json:
    own = verdict.get("p_fake", 0.5)
    return {
        "words": words,
        "p_fake": round(p_fake, 4),
        "text": wording.percent(p_fake),
        "same": _side(p_fake, points) == _side(own, points),
    }


def _side(p_fake: float, points: Json) -> int:
    thresholds = points.get("0.01") or points.get("") or {"fake": 0.5, "real": 0.5}
    return (p_fake >= thresholds["fake"]) - (p_fake < thresholds["real"])


def explanations(runs: list[StageRun], images: dict[str, str]) -> dict[str, Json]:
    """Each map that may be asked for, whether it has been or not. ``images`` are addresses of those made."""
    by_stage = {run.stage: run for run in runs}
    return {stage: _explanation(stage, by_stage.get(stage), images.get(stage)) for stage in plan.on_demand()}


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
