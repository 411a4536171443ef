"""Which stages this site runs: the list named by ``STAGES_MODULE``."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from django.conf import settings

from detection import active
from detection.stages import EXPLAIN, Options, Stage


def stages() -> list[Stage]:
    return _stages(settings.STAGES_MODULE)


def at_once() -> list[Stage]:
    """Those that every image passes; the others wait until somebody asks for them."""
    return [stage for stage in stages() if not stage.on_demand]


def on_demand() -> list[str]:
    return [stage.name for stage in stages() if stage.on_demand]


def by_name() -> dict[str, Stage]:
    return _by_name(settings.STAGES_MODULE)


def label(name: str) -> str:
    """A stage that has left the list still has rows in the record: they keep their name."""
    stage = by_name().get(name)
    return stage.label if stage else name


def options(model: str = "") -> Options:
    """For a model process that starts now. Reads the database: which model is active lives there."""
    name = model or active.name()
    return Options(name, settings.DATA_DIR, settings.C2PA_TRUST_DIR, settings.MODEL_MEMORY_BYTES)


def lane(stage: Stage, model: str) -> str:
    """Where a stage is run for a detection that asks for ``model``; for the active one where that is "".

    Loading another model takes seconds, for which the lane of verdicts must not stand still.
    """
    elsewhere = model and not stage.own_model and model != active.name()
    return EXPLAIN if elsewhere else stage.lane


def runs(lane: str) -> list[Stage]:
    """The stages that a lane may meet, its own and those for other models, in the order of the list."""
    other = lane == EXPLAIN
    return [stage for stage in stages() if stage.lane == lane or (other and not stage.own_model)]


def follows(lane: str) -> bool:
    """Whether a lane's process has to change when another model is activated."""
    return any(stage.lane == lane and not stage.own_model for stage in stages())


@cache
def _by_name(module: str) -> dict[str, Stage]:
    return {stage.name: stage for stage in _stages(module)}


@cache
def _stages(module: str) -> list[Stage]:
    return list(import_module(module).STAGES)
