"""Detections as the product leaves them at each point of their life, without running a model."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.access import Principal
from detection import services
from detection.models import Artefact, Detection, StageRun
from mlcore.overlay import pack
from tests import hostile

MODEL = {"name": "paper_cnn", "version": "1.0", "sha256": "ab" * 32}
DOG = {"name": "dog", "score": 0.91, "box": [4.0, 5.0, 20.0, 30.0]}


def waiting(principal: Principal, name: str = "photo.jpg", data: bytes = b"") -> Detection:
    return services.submit(principal=principal, data=data or hostile.jpeg(), name=name)


def done(
    principal: Principal,
    name: str = "photo.jpg",
    verdict: str = "fake",
    p_fake: float = 0.973,
    data: bytes = b"",
    objects: tuple = (DOG,),
) -> Detection:
    detection = waiting(principal, name, data)
    confidence = 1 - p_fake if verdict == "real" else p_fake
    numbers = {"verdict": verdict, "p_fake": p_fake, "confidence": confidence}
    model = {f"model_{key}": value for key, value in MODEL.items()}
    Detection.objects.filter(pk=detection.pk).update(
        **numbers,
        basis="pixels",
        **model,
        version=3,
        completed_at=detection.created_at + timedelta(milliseconds=1234),
    )
    heat_map = pack(np.array([[0.0, 1.0], [0.5, 0.2]], np.float32))
    finish(detection, "verdict", {**numbers, "model": MODEL, "heatmap": heat_map}, 120)
    finish(detection, "provenance", {"summary": "none", "sentence": "It says nothing.", "findings": []}, 100)
    finish(detection, "objects", {"objects": list(objects), "model": MODEL}, 1234)
    heat = Artefact(detection=detection, kind="heatmap", mime="image/png")
    heat.file.save("", ContentFile(hostile.png(24, 16)))
    detection.refresh_from_db()
    return detection


def finish(detection: Detection, stage: str, result: dict, wait_ms: int) -> None:
    detection.stage_runs.filter(stage=stage).update(
        state=StageRun.State.DONE,
        result=result,
        queued_ms=12.0,
        run_ms=34.0,
        queued_at=detection.created_at,
        finished_at=detection.created_at + timedelta(milliseconds=wait_ms),
    )


def failed(principal: Principal, name: str = "photo.jpg") -> Detection:
    detection = waiting(principal, name)
    detection.stage_runs.update(
        state=StageRun.State.FAILED, attempts=4, error_code="crashed", error_detail="The model process died."
    )
    Detection.objects.filter(pk=detection.pk).update(completed_at=timezone.now())
    return detection
