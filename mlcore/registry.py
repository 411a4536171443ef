"""Which models there are, what is known of each, and their weights, checked against their card.

A model is a folder ``weights/<name>/`` that holds ``model.keras`` and ``card.json``. The
card gives name, version, sha256, input_size, thresholds and metrics. TensorFlow is imported
by :func:`load` alone, so the web process can show cards.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.card import sha256_of
from mlcore.contracts import ModelRef
from mlcore.errors import ModelUnavailable

if TYPE_CHECKING:
    import keras

WEIGHTS_DIR = Path(__file__).resolve().parent / "weights"
DEFAULT = "efficientnet"
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,59}")


def names() -> list[str]:
    """Names of the models that have a card, sorted."""
    return sorted(path.parent.name for path in WEIGHTS_DIR.glob("*/card.json"))


def folder(name: str) -> Path:
    """The folder of a model.

    Raises:
        ModelUnavailable: no model of this name; the message lists those there are.
    """
    # The name comes from addresses and command lines: it must not lead out of the folder.
    path = WEIGHTS_DIR / name if NAME.fullmatch(name) else None
    if path is None or not (path / "card.json").is_file():
        there = ", ".join(names()) or "none; train one with “manage.py train”"
        raise ModelUnavailable(f"There is no model named “{name[:60]}”. Models here: {there}.")
    return path


def card(name: str) -> dict[str, Any]:
    """The model card, as a dict.

    Raises:
        ModelUnavailable: no such model, or its card is unreadable or lacks a field.
    """
    path = folder(name) / "card.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        missing = {"name", "version", "sha256", "input_size", "thresholds"} - set(content)
    except (OSError, ValueError, TypeError) as error:
        raise ModelUnavailable(f"{path} cannot be read ({error}). Check it out again.") from error
    if missing:
        raise ModelUnavailable(f"{path} lacks {', '.join(sorted(missing))}. Check it out again.")
    return dict(content)


def describe(name: str) -> ModelRef:
    """Name, version and sha256 of a model, from its card.

    Raises:
        ModelUnavailable: see :func:`card`.
    """
    content = card(name)
    return ModelRef(name=content["name"], version=content["version"], sha256=content["sha256"])


def load(name: str) -> keras.Model:
    """The trained network, after its file's sha256 was found to be the card's.

    Raises:
        ModelUnavailable: no such model, or weights missing, changed or unreadable.
    """
    return _read(verified(name))


def verified(name: str) -> Path:
    """The weights file of a model, whose sha256 is the one in its card.

    Raises:
        ModelUnavailable: no such model, or its weights are missing, unreadable or others.
    """
    wanted, path = describe(name).sha256, folder(name) / "model.keras"
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read ({error.strerror}). Check it out again.") from error
    if found != wanted:
        raise ModelUnavailable(
            f"{path} is not the file that its card describes (sha256 {found[:12]}… instead of "
            f"{wanted[:12]}…), so it is not used. Check it out again, or train and write a new card."
        )
    return path


def _read(path: Path) -> keras.Model:
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelUnavailable(f"{path} is not readable by Keras {keras.__version__} ({error}).") from error
