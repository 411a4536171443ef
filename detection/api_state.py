"""A detection in the API: the state that pages show, with the client's own facts and the API's addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.urls import NoReverseMatch, reverse

from detection import trash
from detection.models import Detection
from detection.state import state

Json = dict[str, Any]
Absolute = Callable[[str], str]  # from a path to an address with scheme and host


def api_state(detection: Detection, absolute: Absolute) -> Json:
    """``state`` with addresses that a key opens. Costs no query if the detection came from ``selectors``."""
    found = state(detection)
    url = absolute(f"{_path('api_detections')}{detection.pk}/")
    files = {kind: path and _file(url, kind) for kind, path in found["files"].items()}
    return {
        **found,
        **_particulars(detection),
        "url": url,
        "page": absolute(found["url"]),
        "files": files,
        "model": _model(found["model"], absolute),
        "explanations": {
            name: {**each, "image": each["image"] and _file(url, name)}
            for name, each in found["explanations"].items()
        },
        "evidence": [{**each, "image": each["image"] and files["heatmap"]} for each in found["evidence"]],
    }


def _particulars(detection: Detection) -> Json:
    return {
        "reference": detection.reference,
        "metadata": detection.metadata,
        "source_url": detection.source_url,
        "batch": _text(detection.batch_id),
        "key": _text(detection.submitted_key_id),
        "rerun_of": _text(detection.rerun_of_id),
        "same_file_as": _text(detection.same_file_as_id),
        "deleted_at": detection.deleted_at and detection.deleted_at.isoformat(),
        "deleted_by": trash.deleted_by(detection) if detection.deleted_at else "",
        "model_asked": detection.model_asked,
        "completed_at": detection.completed_at and detection.completed_at.isoformat(),
    }


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _file(url: str, kind: str) -> str:
    return f"{url}files/{kind}/"


def _model(model: Json | None, absolute: Absolute) -> Json | None:
    if model is None:
        return None
    try:
        path = _path("api_model", model["name"])
    except NoReverseMatch:  # a name of another time
        path = model["url"]
    return {**model, "url": absolute(path)}


@lru_cache(256)
def _path(name: str, *args: str) -> str:
    """``reverse``, which for each detection anew would take a fifth of a list's time."""
    return reverse(name, args=args)
