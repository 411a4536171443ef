"""The files of a detection as they leave the gate."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from django.db.models.fields.files import FieldFile
from django.http import Http404

from detection import told
from detection.intake import DECODING
from detection.models import Detection
from detection.state import found_objects
from mlcore import imaging, overlay
from mlcore.contracts import DetectedObject, Verdict
from mlcore.errors import ImageRefused


@dataclass(frozen=True)
class StoredFile:
    """A file's type, the name to save it under, a tag that changes with its content, and its bytes.

    ``read`` may take seconds, as an overlay is drawn by it, and raises Http404 for a file that is
    gone. ``size`` is None where only reading tells.
    """

    read: Callable[[], bytes]
    mime: str
    name: str
    etag: str
    size: int | None


def open_stored(detection: Detection, kind: str) -> StoredFile:
    """Raises Http404 for an unknown kind and for a file that no stage has made (yet)."""
    if kind == "overlay":
        return _overlay(detection)
    field, mime = _field(detection, kind)
    name, etag = _name(detection, kind, mime), PurePath(field.name or "").name
    return StoredFile(partial(_read, field), mime, name, etag, _size(field))


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


def _read(field: FieldFile) -> bytes:
    try:
        with field.storage.open(field.name or "", "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise Http404("This file is gone.") from None


def _size(field: FieldFile) -> int:
    try:
        return field.storage.size(field.name or "")
    except FileNotFoundError:
        raise Http404("This file is gone.") from None


def _name(detection: Detection, kind: str, mime: str) -> str:
    if kind == "original":
        return detection.name
    return f"{PurePath(detection.name).stem}-{kind}.{mime.rpartition('/')[2]}"


def _overlay(detection: Detection) -> StoredFile:
    """The heat map over the original at its own size, drawn when somebody asks for its bytes."""
    run = detection.stage_runs.filter(stage="verdict").first()
    if run is None or run.result is None:
        raise Http404("This detection has no heat map yet.")
    name = _name(detection, "overlay", "image/png")
    draw = partial(_drawn, detection, run.result)
    return StoredFile(draw, "image/png", name, f"{run.pk}-{detection.version}", None)


def _drawn(detection: Detection, result: dict[str, Any]) -> bytes:
    heatmap = overlay.unpack(result["heatmap"])
    with DECODING:
        try:
            picture = imaging.examine(_read(detection.original), detection.name, _any_size())
        except ImageRefused as refused:  # let in by an earlier version
            raise Http404(str(refused)) from refused
        shown = Verdict(told.shown_class(detection, result) or Verdict.UNCERTAIN)
        drawn = overlay.compose(picture, heatmap, shown, _objects(detection))
        return overlay.png(drawn)


def _objects(detection: Detection) -> list[DetectedObject]:
    return [
        DetectedObject(each["name"], each["score"], tuple(each["box"]))
        for run in detection.stage_runs.all()
        for each in found_objects(run)
    ]


def _any_size() -> imaging.Limits:
    """What was let in stays readable, whatever the limits have become since."""
    return imaging.Limits(bytes=sys.maxsize)
