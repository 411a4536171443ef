"""The stages of an examination: a list.

A stage is one function of mlcore over a batch of pictures. It is loaded and run inside the
model process only, so this module imports neither Django nor any model library: TensorFlow
and torch are imported by ``load``. Adding a stage adds a loader and an entry to ``STAGES``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlcore.contracts import Classification, Objects, Picture, Skipped

FAST, SLOW = "fast", "slow"
ARTEFACT_MIME = "image/png"
# Browsers scale the heat map up smoothly. Four pixels for each cell of the network's grid keep
# its shape; more would carry nothing new and cost as much as half the network does.
HEATMAP_SIDE = 64
PART = 16  # pictures that one thread takes at a time


@dataclass(frozen=True)
class Options:
    """What a model process needs to know of the site's settings."""

    model: str
    data_dir: Path


@dataclass(frozen=True)
class Outcome:
    """What a stage found in one picture.

    ``result`` is JSON; ``artefacts`` are PNG files by kind; ``headline`` holds the columns of
    the Detection that repeat the result, so that lists can filter and sort by them.
    """

    result: dict[str, Any]
    artefacts: dict[str, bytes] = field(default_factory=dict)
    headline: dict[str, Any] = field(default_factory=dict)


Run = Callable[[list[Picture]], list[Outcome]]


@dataclass(frozen=True)
class Stage:
    """``load(options)`` loads and warms up the model and gives the function that runs a batch.

    ``load`` raises an MlcoreError with the remedy where the stage cannot run on this machine.
    """

    name: str
    label: str
    lane: str
    batch: int
    load: Callable[[Options], Run]


def load_verdict(options: Options) -> Run:
    from mlcore.classifier import Classifier

    classifier = Classifier(options.model)
    classifier.warm_up()
    # A thread for each processor, on parts of the batch: while one encodes its heat maps another
    # is in TensorFlow. With operations split over the processors instead (the process has
    # TF_NUM_INTRAOP_THREADS=1 against that), all wait whenever the consumer needs one of them.
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verdict")

    def examine(pictures: list[Picture]) -> list[Outcome]:
        found = classifier.classify(pictures)
        return [verdict_outcome(*pair) for pair in zip(pictures, found, strict=True)]

    def run(pictures: list[Picture]) -> list[Outcome]:
        parts = [pictures[start : start + PART] for start in range(0, len(pictures), PART)]
        return [outcome for part in pool.map(examine, parts) for outcome in part]

    return run


def load_objects(options: Options) -> Run:
    from mlcore.objects import ObjectDetector, find_weights

    detector = ObjectDetector(find_weights(options.data_dir))

    def run(pictures: list[Picture]) -> list[Outcome]:
        return [objects_outcome(found) for found in detector.detect(pictures)]

    return run


def verdict_outcome(picture: Picture, found: Classification) -> Outcome:
    from mlcore.overlay import heatmap_png, pack

    numbers = {
        "verdict": str(found.verdict),
        "p_fake": float(found.p_fake),
        "confidence": float(found.confidence),
    }
    model = {f"model_{key}": value for key, value in asdict(found.model).items()}
    return Outcome(
        result={**numbers, "model": asdict(found.model), "heatmap": pack(found.heatmap)},
        artefacts={"heatmap": heatmap_png(found.heatmap, heatmap_size(picture))},
        headline={**numbers, **model},
    )


def heatmap_size(picture: Picture) -> tuple[int, int]:
    """(width, height) with the picture's proportions and ``HEATMAP_SIDE`` as the longer side."""
    width, height = picture.facts.width, picture.facts.height
    scale = HEATMAP_SIDE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def objects_outcome(found: Objects) -> Outcome:
    objects = [
        {
            "name": each.name,
            "score": round(float(each.score), 4),
            "box": [round(float(edge), 1) for edge in each.box],
        }
        for each in found.objects
    ]
    return Outcome(result={"objects": objects, "model": asdict(found.model)})


STAGES = [
    # As many as keep both sides busy: what saving costs a batch is paid once for all of them.
    Stage("verdict", "Verdict and heat map", FAST, 64, load_verdict),
    Stage("objects", "Objects in the scene", SLOW, 4, load_objects),
]

__all__ = ["FAST", "SLOW", "STAGES", "Options", "Outcome", "Run", "Skipped", "Stage"]
