"""Which model is the active one: the newest activation, else the one that the settings name."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from detection import push
from detection.models import Activation
from mlcore import registry
from mlcore.card import sha256_of
from mlcore.contracts import ModelRef
from mlcore.errors import ModelUnavailable


def name() -> str:
    found = Activation.objects.values_list("name", flat=True).first()
    return found or settings.DETECTION_MODEL


def activate(model: str) -> ModelRef:
    """Makes a model the active one; running consumers take it up after the batch at work.

    Raises:
        ModelUnavailable: no such model, or its weights are not what its card describes.
    """
    verify(model)
    found = registry.describe(model)
    Activation.objects.create(
        name=model, version=found.version, sha256=found.sha256, activated_at=timezone.now()
    )
    push.woken()
    return found


def verify(model: str) -> None:
    """Compares a model's weights file with the hash in its card.

    Raises:
        ModelUnavailable: no such model, or its weights are missing, unreadable or others.
    """
    wanted, path = registry.describe(model).sha256, registry.folder(model) / "model.keras"
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read ({error.strerror}). Check it out again.") from error
    if found != wanted:
        raise ModelUnavailable(
            f"{path} is not the file that its card describes (sha256 {found[:12]}… instead of "
            f"{wanted[:12]}…). Check it out again, or train and write a new card."
        )
