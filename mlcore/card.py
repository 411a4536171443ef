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

LIMITS = (
    "It was trained on CIFAKE alone: CIFAR-10 photographs against Stable Diffusion 1.4 renders, both of "
    "32×32 pixels. It knows the ten CIFAR-10 subjects (aircraft, cars, birds, cats, deer, dogs, frogs, "
    "horses, ships, lorries).",
    "It says little about large photographs: they are reduced to CIFAKE's 32×32 pixels first, and how they "
    "are reduced changes the answer.",
    "It says little about a CIFAKE picture that was enlarged: reducing it again smooths the traces away, "
    "and fakes then often pass as real.",
    "It says little about other generators (Midjourney, DALL-E, Firefly, FLUX, newer Stable Diffusion).",
    "Saving a picture again as JPEG, blurring or resizing it can change the answer; this model was not "
    "trained against that.",
    "An edited photograph is neither class.",
    "A score is not proof. Nobody should be accused on the strength of it.",
)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write card.json and card.md beside ``model.keras``, whose sha256 becomes part of them."""
    card = {**facts, "sha256": sha256_of(folder / "model.keras"), "limits": list(LIMITS)}
    (folder / "card.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")
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
        _table([(key, _figure(card["metrics"][key])) for key in _SHOWN]),
        "Confusion, by truth and answer:",
        _confusion(card["metrics"]["confusion"]),
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


_SHOWN = ("accuracy", "precision", "recall", "f1", "auroc", "ece")


def _figure(value: float) -> str:
    return f"{value:.4f}"


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    lines = [f"| {str(key).replace('_', ' ')} | {value} |" for key, value in rows]
    return "\n".join(["| what | value |", "| --- | --- |", *lines])


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> str:
    lines = [f"| **{truth}** | {row['real']:,} | {row['fake']:,} |" for truth, row in confusion.items()]
    return "\n".join(["| | answered real | answered fake |", "| --- | --- | --- |", *lines])
