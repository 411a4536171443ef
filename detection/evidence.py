"""All evidence about one picture as a list, the strongest first, in words."""

from __future__ import annotations

from typing import Any

from detection import wording
from detection.answers import pixels_may_speak
from detection.models import Detection

Json = dict[str, Any]
STRENGTHS = ("strong", "medium", "weak", "info")
SIDES = {"ai": "fake", "camera": "real"}


def listed(
    detection: Detection,
    gate: Json,
    provenance: Json | None,
    stability: Json | None,
    image: str | None,
) -> list[Json]:
    """``image`` is the heat map's address. Of equal strength, what decided comes first."""
    items = [
        *_origin(provenance),
        *_outside(gate),
        *_pixels(detection, image),
        *_stability(stability),
    ]
    return sorted(items, key=lambda item: STRENGTHS.index(item["strength"]))


def _item(
    key: str, title: str, text: str, strength: str, says: str = "none", image: str | None = None
) -> Json:
    return {
        "key": key,
        "slot": key,
        "title": title,
        "text": text,
        "strength": strength,
        "says": says,
        "image": image,
    }


def _origin(provenance: Json | None) -> list[Json]:
    if provenance is None:
        return []
    if not provenance["findings"]:
        return [_item("provenance", wording.NOTHING_TITLE, provenance["sentence"], "info")]
    return [
        _item(each["source"], each["title"], each["detail"], _strength(each), SIDES.get(each["says"], "none"))
        for each in provenance["findings"]
    ]


def _strength(finding: Json) -> str:
    """A trusted signature is proof of a kind, a claim is one, and a claimed camera hardly any."""
    if finding["trusted"] or finding["says"] == "invalid":
        return "strong"
    by_claim = {"ai": "strong" if finding["signed"] or finding["source"] == "watermark" else "medium"}
    return {**by_claim, "camera": "weak", "edited": "weak", "contradiction": "medium"}.get(
        finding["says"], "info"
    )


def _outside(gate: Json) -> list[Json]:
    if gate["in_domain"]:
        return []
    return [_item("gate", wording.OUTSIDE_TITLE, wording.OUTSIDE_TEXT, "strong")]


def _pixels(detection: Detection, image: str | None) -> list[Json]:
    if detection.p_fake is None or not pixels_may_speak(detection.verdict, detection.basis):
        return []
    side, unsure = detection.verdict, detection.verdict == "uncertain"
    title = wording.MODEL_TITLES["unstable" if detection.decision.get("key") == "unstable" else side]
    text = f"{wording.explanation(detection, failed=False)} {wording.MODEL_TEXT if image else ''}".strip()
    return [_item("model", title, text, *(("info", "none") if unsure else ("strong", side)), image)]


def _stability(stability: Json | None) -> list[Json]:
    if stability is None:
        return []
    strength = "weak" if stability["stable"] else "medium"
    return [_item("stability", wording.STABLE_TITLES[stability["stable"]], stability["sentence"], strength)]
