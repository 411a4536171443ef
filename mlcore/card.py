"""The model card (Mitchell et al. 2019): what a model was made from, and what it is worth.

Everything in it comes from the run and from an evaluation of the very file that it names;
no number is written by hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlcore import reduced, robustness

LIMITS = (
    "It was trained on CIFAKE alone: CIFAR-10 photographs against Stable Diffusion 1.4 renders, both of "
    "32×32 pixels. It knows the ten CIFAR-10 subjects (aircraft, cars, birds, cats, deer, dogs, frogs, "
    "horses, ships, lorries).",
    "It gives no answer on larger pictures: its gate refuses them. Enlarged CIFAKE pictures are refused, "
    "too: send the original.",
    "It says little about other generators (Midjourney, DALL-E, Firefly, FLUX, newer Stable Diffusion).",
    "An edited photograph is neither class.",
    "A score is not proof. Nobody should be accused on the strength of it.",
)
REDUCED = (
    "A large picture that somebody reduced to 32×32 pixels cannot always be told from those that it knows, "
    "and the answer then means little: docs/gate.md has what was measured."
)
REDUCED_MEASURED = (
    "A large picture that somebody reduced to 32×32 pixels and saved as JPEG cannot always be told from "
    "those that it knows: of {n:,} large AI-generated ones ({filter}, then JPEG quality {quality}), "
    "{passed:.0%} passed the gate, and {said_real:.0%} were called real. Saved without loss, {lossless:.0%} "
    "passed."
)
NOT_ROBUST = (
    "Saving a picture again as JPEG, blurring or resizing it can change the answer: how often was not "
    "measured."
)

OLD_GATE = (
    "Its gate is from before gates looked at what a picture has been through: it lets pass what was strongly "
    "compressed, blurred or resized, where its answers are wrong more often than promised."
)

ANSWERED = 0.02  # of the pictures: fewer answers tell no error rate
NOTED = 0.015


def limits(card: Mapping[str, Any]) -> list[str]:
    """What the model cannot do, with the worst of what its robustness table found."""
    known = [*LIMITS, _reduced(card.get("reduced", []))]
    if "gate" in card and "least_quality" not in card["gate"]:
        known.append(OLD_GATE)
    rows = [row for row in card.get("robustness", []) if row["strength"] is not None]
    if not rows:
        return [*known, NOT_ROBUST]
    worst = max(rows, key=lambda row: row["lost"])
    return [
        *known,
        *_broken_promises(rows),
        "Saving a picture again, blurring or resizing it can change the answer: of what was measured, "
        f"{worst['label']} cost most, {worst['lost']:.1f} points of accuracy.",
    ]


def _broken_promises(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the gate lets pass what the model is wrong about too often."""
    answered = [row for row in rows if row.get("coverage", 0.0) >= ANSWERED]
    found = [(max(row["decided_error"], row["real_error"]), row["label"]) for row in answered]
    kept = ", ".join(
        f"{label} ({error:.1%})" for error, label in sorted(found, reverse=True) if error > NOTED
    )
    return [f"Its answers are wrong more often than promised after: {kept}."] if kept else []


def _reduced(rows: Sequence[Mapping[str, Any]]) -> str:
    worst = reduced.worst(rows)
    if worst is None or not worst["quality"]:
        return REDUCED
    lossless = max(row["passed"] for row in rows if row["kind"] == "FAKE" and not row["quality"])
    return REDUCED_MEASURED.format(**{**worst, "lossless": lossless})


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write card.json and card.md beside ``model.keras``, whose sha256 becomes part of them."""
    card = {**facts, "sha256": sha256_of(folder / "model.keras"), "limits": limits(facts)}
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    if "metrics" in card:  # not yet while the model is being fitted
        (folder / "card.md").write_text(render(card))


def render(card: Mapping[str, Any]) -> str:
    """The card as Markdown: limits first, then where it comes from, then the figures."""
    parts = [
        f"# {card['name']} {card['version']}",
        card["summary"],
        "## Limits",
        "\n".join(f"- {line}" for line in card["limits"]),
        "## Metrics",
        f"On {card['data']['held_out']:,} held-out images that training did not see; FAKE is positive.",
        _table([(key, _figure(card["metrics"][key])) for key in _shown(card["metrics"])]),
        "Confusion, by truth and answer:",
        _confusion(card["metrics"]["confusion"]),
        *_trust(card),
        "![Learning curves](curves.png)",
        "## Data and split",
        _table(list(card["data"].items())),
        "## Training",
        _table(list(card["training"].items())),
        "## Weights",
        f"`model.keras`, {card['parameters']:,} parameters, sha256 `{card['sha256']}`.",
        f"To make them again:\n\n```sh\n{card['command']}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _trust(card: Mapping[str, Any]) -> list[str]:
    """Three answers and robustness, for cards that have them."""
    if "operating_points" not in card:
        return []
    lines = [
        f"| {float(rate):.1%} | {point['fake']:.4f} | {point['real']:.4f} | {point['coverage']:.1%} | "
        f"{point['decided_error']:.2%} |"
        for rate, point in card["operating_points"].items()
    ]
    head = "| allowed error | fake from | real below | answered | wrong among those |"
    return [
        "## Three answers",
        "Thresholds on the calibrated probability, and what they came to where they were chosen (the "
        "calibration part); the metrics above have the same on the held-out part, at the usual rate of 1 %.",
        "\n".join([head, "| --- | --- | --- | --- | --- |", *lines]),
        "![Reliability](reliability.png) ![Risk and coverage](risk_coverage.png)",
        "## Robustness",
        robustness.table(card.get("robustness", [])),
        "![Robustness](robustness.png)",
        *_made_small(card),
    ]


def _made_small(card: Mapping[str, Any]) -> list[str]:
    if not card.get("reduced"):
        return []
    return ["## Large pictures made small", reduced.table(card["reduced"])]


_SHOWN = ("accuracy", "precision", "recall", "f1", "auroc", "ece")
_DECISIONS = ("coverage", "decided_error", "refused")


def _shown(metrics: Mapping[str, Any]) -> list[str]:
    return [*_SHOWN, *(key for key in _DECISIONS if key in metrics)]


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    lines = [f"| {str(key).replace('_', ' ')} | {value} |" for key, value in rows]
    return "\n".join(["| what | value |", "| --- | --- |", *lines])


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> str:
    lines = [f"| **{truth}** | {row['real']:,} | {row['fake']:,} |" for truth, row in confusion.items()]
    return "\n".join(["| | answered real | answered fake |", "| --- | --- | --- |", *lines])
