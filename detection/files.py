"""The files of a detection as they leave the gate."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO

import numpy as np
from django.db.models.fields.files import FieldFile
from django.http import Http404

from detection.models import Detection
from detection.state import found_objects
from mlcore import imaging, overlay
from mlcore.contracts import DetectedObject, Verdict


@dataclass(frozen=True)
class StoredFile:
    """An open file, its type, the name to save it under, and a tag that changes with its content."""

    file: IO[bytes]
    mime: str
    name: str
    etag: str


def open_stored(detection: Detection, kind: str) -> StoredFile:
    """Raises Http404 for an unknown kind and for a file that no stage has made (yet)."""
    if kind == "overlay":
        return _overlay(detection)
    field, mime = _field(detection, kind)
    return StoredFile(_open(field), mime, _name(detection, kind, mime), PurePath(field.name or "").name)


def _field(detection: Detection, kind: str) -> tuple[FieldFile, str]:
    own = {
        "original": (detection.original, detection.facts["mime"]),
        "preview": (detection.preview, detection.preview_mime),
        "thumbnail": (detection.thumbnail, detection.thumbnail_mime),
    }
    made = {artefact.kind: (artefact.file, artefact.mime) for artefact in detection.artefacts.all()}
    try:
        return {**made, **own}[kind]
    except KeyError:
        raise Http404(f"This detection has no file called {kind}.") from None


def _open(field: FieldFile) -> IO[bytes]:
    try:
        return field.storage.open(field.name or "", "rb")
    except FileNotFoundError:
        raise Http404("This file is gone.") from None


def _name(detection: Detection, kind: str, mime: str) -> str:
    if kind == "original":
        return detection.name
    return f"{PurePath(detection.name).stem}-{kind}.{mime.rpartition('/')[2]}"


def _overlay(detection: Detection) -> StoredFile:
    """The heat map over the original at its own size, drawn when somebody asks for it."""
    run = detection.stage_runs.filter(stage="verdict").first()
    if run is None or run.result is None:
        raise Http404("This detection has no heat map yet.")
    heatmap = np.asarray(run.result["heatmap"]["rows"], dtype=np.float32)
    picture = imaging.examine(_open(detection.original).read(), detection.name, _any_size())
    drawn = overlay.compose(picture, heatmap, Verdict(detection.verdict), _objects(detection))
    name = _name(detection, "overlay", "image/png")
    return StoredFile(io.BytesIO(overlay.png(drawn)), "image/png", name, f"{run.pk}-{detection.version}")


def _objects(detection: Detection) -> list[DetectedObject]:
    return [
        DetectedObject(each["name"], each["score"], tuple(each["box"]))
        for run in detection.stage_runs.all()
        for each in found_objects(run)
    ]


def _any_size() -> imaging.Limits:
    """What was let in stays readable, whatever the limits have become since."""
    return imaging.Limits(bytes=sys.maxsize)
