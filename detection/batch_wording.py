"""What pages say of a batch."""

from __future__ import annotations

from typing import Any

from detection import wording
from detection.batch_selectors import Progress
from detection.batch_services import OPEN
from detection.models import Batch

# The words in a batch's badge, and its tone.
WORDS = {
    Batch.State.QUEUED: ("Waiting", "waiting"),
    Batch.State.RUNNING: ("At work", "accent"),
    Batch.State.DONE: ("Done", "real"),
    Batch.State.CANCELLED: ("Cancelled", "waiting"),
    Batch.State.FAILED: ("Failed", "failed"),
}
ANSWERS: dict[str, str] = {**wording.ANSWER_LABELS, "none": wording.FAILED_WORDS}


def of_batch(batch: Batch, progress: Progress) -> dict[str, Any]:
    words, tone = WORDS[Batch.State(batch.state)]
    person = str(batch.submitted_by or "somebody who left")
    return {
        "id": batch.pk,
        "name": batch.title or "Without a name",
        "by": batch.submitted_key.name if batch.submitted_key else person,
        "words": words,
        "tone": tone,
        "open": batch.state in OPEN,
        "error": batch.error,
        "created_at": batch.created_at,
        "finished_at": batch.finished_at,
        "progress": progress,
        "left": left(progress.seconds_left),
        "answers": [(ANSWERS[name], progress.answers[name]) for name in ANSWERS if progress.answers[name]],
        "waiting": progress.total - progress.finished,
        "checked": checked(progress),
    }


def checked(progress: Progress) -> str:
    """ "279 of 300 images checked, 21 cancelled": what was cancelled was not checked."""
    cancelled = progress.entries["cancelled"]
    images = "image" if progress.total == 1 else "images"
    words = f"{progress.finished - cancelled:,} of {progress.total:,} {images} checked"
    return f"{words}, {cancelled:,} cancelled" if cancelled else words


def left(seconds: int | None) -> str:
    """As exact as it can be known. Nothing where it cannot."""
    if seconds is None:
        return ""
    if seconds < 90:
        return "about a minute left"
    if seconds < 5400:
        return f"about {round(seconds / 60)} minutes left"
    return f"about {round(seconds / 3600)} hours left"
