"""The figures of model cards, as rows and words for people: a card's dict in, text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from detection import wording
from mlcore import reduced, registry
from mlcore.errors import ModelUnavailable

Card = Mapping[str, Any]

METRICS = {
    "accuracy": ("Accuracy", "share of pictures put on the right side"),
    "precision": ("Precision", "of those called AI-generated, the share that were"),
    "recall": ("Recall", "of those made by AI, the share that was found"),
    "f1": ("F1", "precision and recall in one number"),
    "auroc": ("AUROC", "how well the score puts AI images above photos; 0.5 is chance"),
    "ece": ("Calibration error", "how far the probability is from how often it is right; 0 is best"),
    "refused": ("Turned away", "share of the test pictures that it took for a kind it does not know"),
}
CLASSES = {"real": "Real photo", "fake": "AI-generated"}

# Drawn when a model is published, each shown where its file lies beside the weights.
PICTURES = {
    "reliability": (
        "Does it mean what it says?",
        "Where the line lies on the diagonal, the model is right just as often as it says: of pictures that "
        "it gives 90 in 100 to be right about, 90 are.",
        "How sure the model was, against how often it was right.",
    ),
    "risk_coverage": (
        "Fewer answers, fewer mistakes",
        "The more often it may say “Not sure”, the fewer of its answers are wrong. The dots are the choices "
        "that an organisation has.",
        "Share of wrong answers, against the share of pictures that get an answer.",
    ),
    "robustness": (
        "After what happens to pictures",
        "Accuracy when test pictures are saved again, blurred, resized, cropped or changed in brightness "
        "before the model sees them.",
        "Accuracy after each kind of change, at several strengths.",
    ),
    "global_view": (
        "Where it looks",
        "The evidence of many pictures on average, for each answer and each kind of subject: the middle "
        "or the edges, flat areas or details.",
        "Average heat maps by answer and by subject.",
    ),
    "curves": (
        "How it learned",
        "One pass over all pictures is an epoch. The two lines should end close together: otherwise it "
        "learned by heart.",
        "Loss and accuracy after each epoch, on the images it learned from and on others.",
    ),
}


def share(value: float) -> str:
    """0.98234 → "98.2 %"; never "100 %" of what is not all, and never "0 %" of what is there."""
    if 0.9995 <= value < 1:
        return "> 99.9\N{NO-BREAK SPACE}%"
    if 0 < value < 0.0005:
        return "< 0.1\N{NO-BREAK SPACE}%"
    return f"{value * 100:.1f}\N{NO-BREAK SPACE}%"


def headlines(card: Card) -> list[dict[str, str]]:
    """What somebody who has never heard of a metric needs to know."""
    found = card.get("metrics") or {}
    wanted = [
        ("accuracy", "of new test pictures were put on the right side"),
        ("coverage", "of them got an answer; the others got “Not sure”"),
        ("decided_error", "of those answers were wrong"),
    ]
    return [
        {"value": share(found[key]), "meaning": words} for key, words in wanted if _is_number(found.get(key))
    ]


def metrics(card: Card) -> list[dict[str, str]]:
    found = card.get("metrics") or {}
    return [
        {"label": label, "meaning": meaning, "value": f"{found[key]:.4f}"}
        for key, (label, meaning) in METRICS.items()
        if _is_number(found.get(key))
    ]


def confusion(card: Card) -> list[dict[str, Any]]:
    """One row for each truth: its name and the numbers of answers, real first."""
    found = (card.get("metrics") or {}).get("confusion") or {}
    rows = [(CLASSES[key], found.get(key.upper())) for key in CLASSES]
    return [
        {"truth": truth, "counts": [row.get(key, 0) for key in CLASSES]}
        for truth, row in rows
        if isinstance(row, dict)
    ]


def robustness(card: Card) -> list[dict[str, str]]:
    """Accuracy after each change, and what it cost."""
    return [
        {"label": str(row["label"]), "accuracy": share(row["accuracy"]), "lost": f"{row['lost']:.1f}"}
        for row in card.get("robustness") or []
    ]


def error_rates(card: Card) -> list[dict[str, str]]:
    """The allowed error rates, each with what it came to when it was measured, if it was."""
    return [
        {"value": rate, "label": label, "detail": f"{detail} {measured(card, rate)}".strip()}
        for rate, (label, detail) in wording.RATES.items()
    ]


def measured(card: Card, rate: str) -> str:
    """How many pictures got an answer at this error rate; "" on an older card.

    Rounded down: a promise of answers must not be larger than what was measured.
    """
    point = (card.get("operating_points") or {}).get(rate)
    if not point:
        return ""
    answered = math.floor(point["coverage"] * 100 + 1e-9)
    return (
        f"Of 100 test pictures of the kind that the model knows, {answered} got an answer and "
        f"{100 - answered} got “Not sure”."
    )


@lru_cache(64)
def called_real_once_small(model: str, sha256: str) -> int | None:
    """Of 100 large AI-generated pictures made small, as many as the model called real in the worst way that
    was measured; None where nothing was. ``sha256`` of the weights, so that others are looked up anew."""
    try:
        worst = reduced.worst(registry.card(model).get("reduced") or [])
    except ModelUnavailable:
        return None
    return math.ceil(100 * worst["said_real"]) if worst else None


# --- All models beside one another -----------------------------------------------------------

Figure = Callable[[Card], float | None]


def _metric(key: str) -> Figure:
    return lambda card: (card.get("metrics") or {}).get(key)


def _after(degradation: str, strength: float) -> Figure:
    def find(card: Card) -> float | None:
        rows = card.get("robustness") or []
        found = [each for each in rows if (each["degradation"], each["strength"]) == (degradation, strength)]
        return found[0]["accuracy"] if found else None

    return find


COLUMNS: list[tuple[str, Figure, Callable[[Any], str]]] = [
    ("Accuracy", _metric("accuracy"), share),
    ("Got an answer", _metric("coverage"), share),
    ("Wrong answers", _metric("decided_error"), share),
    ("Accuracy after JPEG 60", _after("jpeg", 60), share),
    ("After a slight blur", _after("blur", 0.7), share),
    ("Parameters", lambda card: card.get("parameters"), "{:,}".format),
]


def comparison(cards: Iterable[Card]) -> dict[str, Any]:
    """A table of those columns that at least one card has a figure for."""
    rows = list(cards)
    columns = [each for each in COLUMNS if any(_is_number(each[1](card)) for card in rows)]
    return {
        "heads": [head for head, _, _ in columns],
        "rows": [
            {"card": card, "cells": [_cell(find(card), words) for _, find, words in columns]} for card in rows
        ],
    }


def _cell(value: float | None, words: Callable[[Any], str]) -> str:
    return words(value) if _is_number(value) else "–"


# --- Any part of a card -----------------------------------------------------------------------


def rows(found: Any) -> list[tuple[str, str]]:
    """Label and value; what is nested by its own labels."""
    if not isinstance(found, dict):
        return [("", str(found))] if found else []
    made: list[tuple[str, str]] = []
    for key, value in found.items():
        label = str(key).replace("_", " ")
        if isinstance(value, dict):
            made += [(f"{label}: {inner}".rstrip(": "), text) for inner, text in rows(value)]
        else:
            made.append((label, _plain(value)))
    return made


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_plain(each) for each in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
