"""The files of a detection as they leave the gate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath

from django.db.models.fields.files import FieldFile
from django.http import Http404

from detection import overlays, stored, told, wording
from detection.answers import pixels_may_speak
from detection.models import Detection
from detection.state import found_objects, sure
from mlcore import drawing
from mlcore.contracts import DetectedObject, Verdict
from mlcore.drawing import Drawing

OWN = ("original", "preview", "thumbnail")  # all other kinds are maps


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
    """Raises Http404 for an unknown kind, for a file that no stage has made (yet), and for maps of what
    moved the model where the answer does not rest on the pixels."""
    if kind not in OWN and not pixels_may_speak(detection.verdict, detection.basis):
        raise Http404(wording.NOTHING_TO_EXPLAIN if detection.verdict else wording.NO_ANSWER_YET)
    if kind == overlays.KIND:
        return _overlay(detection)
    field, mime = _field(detection, kind)
    name, etag = _name(detection, kind, mime), PurePath(field.name or "").name
    return StoredFile(partial(stored.read, field), mime, name, etag, stored.size(field))


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


def _name(detection: Detection, kind: str, mime: str) -> str:
    if kind == "original":
        return detection.name
    return f"{PurePath(detection.name).stem}-{kind}.{mime.rpartition('/')[2]}"


def _overlay(detection: Detection) -> StoredFile:
    """The heat map over the original at its own size, drawn once somebody asks for its bytes."""
    run = detection.stage_runs.filter(stage="verdict").first()
    if run is None or run.result is None:
        raise Http404("This detection has no heat map yet.")
    shown = Verdict(told.shown_class(detection))
    what = Drawing(detection.name, run.result["heatmap"], shown, _objects(detection))
    tag = overlays.digest(run, what)
    made = overlays.kept(detection.artefacts.all(), tag)
    mime = drawing.mime(detection.facts["width"] * detection.facts["height"])
    draw = partial(overlays.obtain, run, what, tag, partial(stored.read, detection.original))
    size = stored.size(made.file) if made else None
    return StoredFile(draw, mime, _name(detection, overlays.KIND, mime), tag, size)


def _objects(detection: Detection) -> tuple[DetectedObject, ...]:
    return tuple(
        DetectedObject(each["name"], each["score"], tuple(each["box"]))
        for run in detection.stage_runs.all()
        for each in found_objects(run)
        if sure(detection, each)
    )
