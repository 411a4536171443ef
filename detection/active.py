"""Which model is the active one: the newest activation, else the one that the settings name."""

from __future__ import annotations

from django.conf import settings
from django.utils import timezone

from detection import push
from detection.models import Activation
from mlcore import registry
from mlcore.contracts import ModelRef


def name() -> str:
    found = Activation.objects.values_list("name", flat=True).first()
    return found or settings.DETECTION_MODEL


def activate(model: str) -> ModelRef:
    """Makes a model the active one; running consumers take it up after the batch at work.

    Raises:
        ModelUnavailable: no such model, or its weights are not what its card describes.
    """
    registry.verified(model)
    found = registry.describe(model)
    Activation.objects.create(
        name=model, version=found.version, sha256=found.sha256, activated_at=timezone.now()
    )
    push.woken()
    return found
