"""A detection on which every stage has reported, each with all that it can say."""

from __future__ import annotations

from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.access import Principal
from detection.models import Artefact, Detection, StageRun
from tests import hostile
from tests.detection_pages import factory

PROMPT = "masterpiece, <script>alert(1)</script> " * 40
CREDENTIALS = {
    "source": "c2pa",
    "says": "ai",
    "title": "Signed in the name of OpenAI",
    "detail": "It says that the picture was made by generative AI.",
    "signed": True,
    "trusted": False,
    "facts": {
        "content": "matches",
        "signature": "whole",
        "signer": "not checked",
        "certificate": "expired",
        "actions": ["c2pa.created", "c2pa.converted"],
    },
}
TEXT = {
    "source": "generator",
    "says": "ai",
    "title": "Stable Diffusion prompt in the file",
    "detail": "The file holds the text that the picture was made from.",
    "signed": False,
    "trusted": False,
    "facts": {"prompt": PROMPT},
}
VARIANTS = [["saved as JPEG, quality 60", 0.95], ["made half as large, and large again", 0.31]]
GATE = {"in_domain": True, "reason": "", "scores": {"distance": 0.41}}
MADE = {"gradcam_pp": True, "lime": False}  # better than a random map?


def examined(principal: Principal, name: str = "photo.jpg", data: bytes = b"", **kept: Any) -> Detection:
    """``kept`` are columns of the detection, as basis and verdict."""
    detection = factory.done(principal, name, data=data)
    points = {"0.01": {"fake": 0.9, "real": 0.1}}
    verdict = detection.stage_runs.get(stage="verdict")
    verdict.result = {**(verdict.result or {}), "gate": GATE, "operating_points": points}
    verdict.save()
    findings = {"summary": "declared_ai", "sentence": "The file says so.", "findings": [CREDENTIALS, TEXT]}
    findings |= {"exif": [["Exposure time", "1/250 s"]], "place": [52.52, 13.41]}
    _finish(detection, "provenance", findings)
    stability = {"agree": 0.5, "spread": 0.64, "stable": False, "variants": VARIANTS, "model": factory.MODEL}
    _finish(detection, "stability", stability)
    for stage, better in MADE.items():
        _explain(detection, stage, better)
    columns = {"basis": "pixels", "decision": {"key": "pixels_fake", "error_rate": "0.01"}, **kept}
    Detection.objects.filter(pk=detection.pk).update(**columns)
    detection.refresh_from_db()
    return detection


def _finish(detection: Detection, stage: str, result: dict) -> None:
    fields = {"lane": "slow", "state": StageRun.State.DONE, "result": result}
    times = {"queued_ms": 12.0, "run_ms": 34.0, "finished_at": timezone.now()}
    StageRun.objects.update_or_create(detection=detection, stage=stage, defaults={**fields, **times})


def _explain(detection: Detection, stage: str, better: bool) -> None:
    _finish(detection, stage, {"faithfulness": {"better": better}, "model": factory.MODEL})
    made = Artefact(detection=detection, kind=stage, mime="image/png")
    made.file.save("", ContentFile(hostile.png(24, 16)))


def refused(principal: Principal, name: str = "large.jpg") -> Detection:
    """A picture that the model does not know: the raw number is in the row, and no answer."""
    reason = "This picture is far larger than those that the model knows."
    kept = {"verdict": "uncertain", "basis": "none", "confidence": None, "p_fake": 0.873}
    detection = examined(principal, name, **kept, decision={"key": "out_of_domain", "reason": reason})
    verdict = detection.stage_runs.get(stage="verdict")
    verdict.result["p_fake"] = detection.p_fake
    verdict.result["gate"] = {"in_domain": False, "reason": reason, "scores": {"distance": 9.4}}
    verdict.save()
    detection.stage_runs.filter(stage__in=("provenance", "stability")).delete()
    return detection
