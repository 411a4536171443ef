"""Which stages this site runs: the list named by ``STAGES_MODULE``."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from django.conf import settings

from detection.stages import Options, Stage


def stages() -> list[Stage]:
    return _stages(settings.STAGES_MODULE)


def by_name() -> dict[str, Stage]:
    return {stage.name: stage for stage in stages()}


def label(name: str) -> str:
    """A stage that has left the list still has rows in the record: they keep their name."""
    stage = by_name().get(name)
    return stage.label if stage else name


def options() -> Options:
    return Options(model=settings.DETECTION_MODEL, data_dir=settings.DATA_DIR)


@cache
def _stages(module: str) -> list[Stage]:
    return list(import_module(module).STAGES)
