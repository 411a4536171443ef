"""What goes through the pipe between the consumer and its model process."""

from __future__ import annotations

from dataclasses import dataclass

from detection.stages import Failure, Item, Outcome
from mlcore.contracts import Skipped

# What people read of an error that nobody foresaw; its own words are for the log.
FAULT = (
    "A fault in the program stopped this stage. Run it again; if it fails again, tell whoever runs this "
    "site: the log says more."
)


@dataclass(frozen=True)
class Work:
    """``model`` is the name of one; "" is the one that the process was started with."""

    stage: str
    items: tuple[Item, ...]
    model: str = ""


Answer = Outcome | Skipped | Failure


@dataclass(frozen=True)
class Reply:
    """One answer an item, in order. ``run_ms``: decoding and model, for the batch as a whole."""

    answers: list[Answer]
    run_ms: float


@dataclass(frozen=True)
class Ready:
    """Sent once, when the models are loaded and warm."""


@dataclass(frozen=True)
class Unready:
    """Sent instead, as the process's last words: a model's weights cannot be used. With the remedy."""

    remedy: str


__all__ = ["FAULT", "Answer", "Failure", "Item", "Outcome", "Ready", "Reply", "Unready", "Work"]
