"""The stages of an examination: a list. Within a lane an earlier one comes first.

A stage is one function of mlcore over a batch of pictures (or of files, where it is ``raw``). It is
loaded and run inside the model process only, so this module imports neither Django nor any model
library: TensorFlow, OpenVINO and torch are imported by ``load``. Adding a stage adds a loader and an entry to
``STAGES``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.contracts import Classification, ModelRef, Objects, Picture, Skipped, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mlcore.classifier import Classifier
    from mlcore.provenance_process import ProvenanceProcess

logger = logging.getLogger(__name__)

FAST, ORIGIN, SLOW, EXPLAIN = "fast", "origin", "slow", "explain"
ANSWERING = (FAST, ORIGIN)  # side by side: an answer is announced once both have ended
Points = dict[str, dict[str, float]]  # thresholds by allowed error rate
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
    trust_dir: Path | None = None  # C2PA trust lists
    memory: int = 0  # bytes of data that the process may hold; 0: as many as there are


@dataclass(frozen=True)
class Item:
    """One original, as bytes: the model process needs no access to the storage."""

    name: str
    data: bytes


@dataclass(frozen=True)
class Failure:
    """An attempt that failed. ``final``: trying again would change nothing."""

    code: str
    detail: str
    final: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a stage found in one picture.

    ``result`` is JSON; ``artefacts`` are PNG files by kind; ``headline`` holds the columns of
    the Detection that repeat the result, so that lists can filter and sort by them.
    """

    result: dict[str, Any]
    artefacts: dict[str, bytes] = field(default_factory=dict)
    headline: dict[str, Any] = field(default_factory=dict)


# Pictures, or Items where the stage is raw; a Failure in the place of one it could not examine.
Run = Callable[[list[Any]], Sequence[Outcome | Failure]]


@dataclass(frozen=True)
class Stage:
    """``load(options)`` loads and warms up the model and gives the function that runs a batch.

    ``load`` raises an MlcoreError with the remedy where the stage cannot run on this machine.
    A stage that is ``on_demand`` runs when somebody asks for it. ``own_model``: activating
    another model changes nothing for it.
    """

    name: str
    label: str
    lane: str
    batch: int
    load: Callable[[Options], Run]
    raw: bool = False
    on_demand: bool = False
    own_model: bool = False


def load_verdict(options: Options) -> Run:
    from mlcore.classifier import Classifier

    classifier = Classifier(options.model)
    classifier.warm_up()
    points = operating_points(options.model)
    # A thread for each processor, on parts of the batch: while one encodes its heat maps another is in
    # the network.
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="verdict")

    def examine(pictures: list[Picture]) -> list[Outcome]:
        found = classifier.classify(pictures)
        return [
            verdict_outcome(picture, each, points, held(classifier, picture, each, points))
            for picture, each in zip(pictures, found, strict=True)
        ]

    def run(pictures: list[Picture]) -> list[Outcome]:
        parts = [pictures[start : start + PART] for start in range(0, len(pictures), PART)]
        return [outcome for part in pool.map(examine, parts) for outcome in part]

    return run


def load_provenance(options: Options) -> Run:
    """In a process of its own: what parsers make of hostile metadata must cost no other stage anything."""
    from mlcore.provenance_process import ProvenanceProcess

    process = ProvenanceProcess(options.trust_dir)
    process.start()
    return lambda items: [provenance_outcome(item, process) for item in items]


def load_map(method: str) -> Callable[[Options], Run]:
    """One explanation, made when somebody asks for it; its libraries are loaded then."""

    def load(options: Options) -> Run:
        from mlcore import explain

        explainer = explain.Explainer(options.model)
        return lambda pictures: [
            map_outcome(each, method, *explainer.explain(method, each.image)) for each in pictures
        ]

    return load


def load_objects(options: Options) -> Run:
    from mlcore.objects import ObjectDetector, find_weights

    detector = ObjectDetector(find_weights(options.data_dir))

    def run(pictures: list[Picture]) -> list[Outcome]:
        return [objects_outcome(found) for found in detector.detect(pictures)]

    return run


def operating_points(model: str) -> Points:
    """Thresholds by allowed error rate; one, under "", for a card from before rates were chosen."""
    from mlcore import registry

    card = registry.card(model)
    points = card.get("operating_points") or {"": card["thresholds"]}
    return {rate: {side: point[side] for side in ("fake", "real")} for rate, point in points.items()}


def held(
    classifier: Classifier, picture: Picture, found: Classification, points: Points
) -> dict[str, Any] | None:
    """The model on changed copies of a picture, or why there is none; None where no answer needs it.

    Which of the operating points the picture will be judged by is the organisation's to say.
    """
    from mlcore.stability import verdict_of

    sides = {verdict_of(found.p_fake, thresholds) for thresholds in points.values()}
    if not found.gate.in_domain or sides == {Verdict.UNCERTAIN}:
        return None
    try:
        return {"variants": [list(each) for each in classifier.on_variants(picture)]}
    except Exception as error:  # an answer is given all the same, and says that it rests without this
        logger.warning("An answer could not be tested on changed copies: %s", error, exc_info=True)
        return {"error": type(error).__name__}


def verdict_outcome(
    picture: Picture, found: Classification, points: Points, stability: dict[str, Any] | None = None
) -> Outcome:
    """What the model says, and what it takes to decide: the answer itself is made where all is joined."""
    from mlcore.overlay import heatmap_png, pack

    numbers = {"p_fake": float(found.p_fake)}
    model = {f"model_{key}": value for key, value in asdict(found.model).items()}
    return Outcome(
        result={
            **numbers,
            "verdict": str(found.verdict),
            "confidence": float(found.confidence),
            "gate": asdict(found.gate),
            "operating_points": points,
            "model": asdict(found.model),
            "heatmap": pack(found.heatmap),
            **({"stability": stability} if stability else {}),
        },
        artefacts={"heatmap": heatmap_png(found.heatmap, heatmap_size(picture))},
        headline={**numbers, **model},
    )


def heatmap_size(picture: Picture) -> tuple[int, int]:
    """(width, height) with the picture's proportions and ``HEATMAP_SIDE`` as the longer side."""
    width, height = picture.facts.width, picture.facts.height
    scale = HEATMAP_SIDE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def provenance_outcome(item: Item, process: ProvenanceProcess) -> Outcome | Failure:
    from mlcore.provenance_process import ProvenanceFailed, as_json

    try:
        return Outcome(as_json(process.examine(item.data, item.name)))
    except ProvenanceFailed as error:
        return Failure(error.code, str(error), final=error.code == "provenance_timed_out")


def map_outcome(
    picture: Picture, method: str, heatmap: NDArray[np.float32], faithfulness: dict[str, Any], model: ModelRef
) -> Outcome:
    from mlcore.overlay import heatmap_png

    return Outcome(
        result={"faithfulness": faithfulness, "model": asdict(model)},
        artefacts={method: heatmap_png(heatmap, heatmap_size(picture))},
    )


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
    Stage("provenance", "Where the file comes from", ORIGIN, 8, load_provenance, raw=True, own_model=True),
    Stage("objects", "Objects in the scene", SLOW, 4, load_objects, own_model=True),
    Stage("gradcam_pp", "Grad-CAM++ map", EXPLAIN, 1, load_map("gradcam_pp"), on_demand=True),
    Stage("shap", "SHAP map", EXPLAIN, 1, load_map("shap"), on_demand=True),
    Stage("lime", "LIME map", EXPLAIN, 1, load_map("lime"), on_demand=True),
]

__all__ = [
    "ANSWERING",
    "EXPLAIN",
    "FAST",
    "ORIGIN",
    "SLOW",
    "STAGES",
    "Failure",
    "Item",
    "Options",
    "Outcome",
    "Run",
    "Skipped",
    "Stage",
]
