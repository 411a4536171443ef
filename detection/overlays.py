"""The heat map over the original: drawn when somebody first asks for it, then kept as an artefact.

It is kept under a digest of all that it shows. When the answer or the objects change, the digest
does, and the next one who asks has it drawn anew in place of the old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import partial

from django.db import transaction
from django.http import Http404

from accounts import storage
from detection import stored
from detection.models import Artefact, StageRun
from detection.stored import NewFiles
from detection.turns import Turns
from mlcore import drawing
from mlcore.drawing import Drawing
from mlcore.errors import ImageRefused

KIND = "overlay"
LOOK = 1  # to be raised whenever overlays are drawn another way
# One at a time in this process, organisations in turn: the others wait, and find the file if it is theirs.
# Uploads take no turn here, and drawing takes none of theirs.
WAITING = 20, 32  # requests of one organisation, and of all
PATIENCE = 60.0  # seconds
BUSY = "Too many overlays are being drawn just now. Ask again in a moment."
DRAWING = Turns(1, 1, WAITING, BUSY)


def digest(run: StageRun, what: Drawing) -> str:
    """Changes with everything that the overlay of a ``verdict`` run shows."""
    shown = [LOOK, run.pk, what.heatmap, str(what.shown), [[o.name, o.score, o.box] for o in what.objects]]
    return hashlib.blake2b(json.dumps(shown).encode(), digest_size=16).hexdigest()


def kept(artefacts: Iterable[Artefact], tag: str) -> Artefact | None:
    """Among a detection's artefacts the overlay of that digest, if it has been drawn and is still there."""
    made = (each for each in artefacts if each.kind == KIND and each.digest == tag)
    return next((each for each in made if each.file.storage.exists(each.file.name or "")), None)


def obtain(run: StageRun, what: Drawing, tag: str, original: Callable[[], bytes]) -> bytes:
    """The overlay's file, drawn if need be.

    Raises:
        Http404: the original is gone, or no longer one that is decoded.
        DrawingFailed: see :func:`mlcore.drawing.drawn`.
        detection.turns.Busy: too many wait for theirs.
    """
    if made := _made(run, tag):
        return stored.read(made.file)
    with DRAWING.turn(run.detection.organisation_id, PATIENCE):
        made = _made(run, tag)  # perhaps by the one who was here before
        return stored.read(made.file) if made else _drawn(run, what, tag, original())


def _made(run: StageRun, tag: str) -> Artefact | None:
    return kept(Artefact.objects.filter(detection=run.detection_id), tag)


def _drawn(run: StageRun, what: Drawing, tag: str, original: bytes) -> bytes:
    facts = run.detection.facts
    pixels = facts["width"] * facts["height"]
    try:
        data = drawing.drawn(original, what, pixels)
    except ImageRefused as refused:  # let in by an earlier version
        raise Http404(str(refused)) from refused
    _keep(
        Artefact(detection_id=run.detection_id, kind=KIND, mime=drawing.mime(pixels), digest=tag), run, data
    )
    return data


def _keep(made: Artefact, run: StageRun, data: bytes) -> None:
    """Takes the old one's place. The run's lock keeps a deletion from missing the file."""
    with NewFiles() as files:
        made.stored_bytes = files.add(made.file, data)
        with transaction.atomic():
            if not StageRun.objects.select_for_update().filter(pk=run.pk).exists():
                return  # the detection was deleted meanwhile
            rows = Artefact.objects.filter(detection=run.detection_id, kind=KIND)
            old = list(rows)
            rows.delete()
            made.save()
            transaction.on_commit(partial(stored.remove, [each.file for each in old]), robust=True)
            more = made.stored_bytes - sum(each.stored_bytes for each in old)
            storage.change({run.detection.organisation_id: more})
            files.keep([made.file])
