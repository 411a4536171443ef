"""From trained weights to a model that can be used: calibrated, gated, measured, described.

Three parts of the data, none of which sees what another is for: the network learned from
``training``; calibration, thresholds and gate are fitted on ``calibration``; every figure on the
card is of ``report``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore import calibration, card, charts, data, degrade, gate, grey, reduced, registry, report, robustness
from mlcore.data import Dataset
from mlcore.evaluation import Model, evaluate, score_arrays
from mlcore.metrics import decisions

Say = Callable[[str], None]
Pixels = NDArray[np.uint8]
ROBUSTNESS_IMAGES = 1000
WORN_IMAGES, LEARNT_IMAGES = 1500, 800  # of each degradation: for the model's errors; for the gate's fit
# A degradation is too much where the model is wrong in more than so many times its usual rate: the
# calibration part itself comes to the rate, as the thresholds were chosen there, and 1,500 images
# tell no less.
TOO_OFTEN = 1.5
FORMATS = {"jpeg": "JPEG", "webp": "WEBP"}  # files that tell their quality


def publish(run: Path, name: str, facts: Mapping[str, Any], parts: data.Parts, say: Say) -> dict[str, Any]:
    """Put a run's weights in place and examine them. Gives the card."""
    folder = registry.WEIGHTS_DIR / name
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in (("best.keras", "model.keras"), ("curves.csv", "curves.csv")):
        shutil.copyfile(run / source, folder / f"part-{target}")
        os.replace(folder / f"part-{target}", folder / target)
    charts.curves(folder / "curves.csv", folder / "curves.png")
    card.write(folder, {**facts, "thresholds": {"fake": 0.5, "real": 0.5}})
    return examine(name, parts.calibration, parts.report, say)


def unseen(content: Mapping[str, Any], whole: Dataset) -> tuple[Dataset, Dataset]:
    """The (calibration, report) parts for a model's card. A model from before there was a
    calibration part learned from it: its report part is halved instead."""
    seed = content["data"]["split_seed"]
    parts = data.parts(whole, seed=seed)
    if content["data"].get("parts") == data.PARTS:
        return parts.calibration, parts.report
    return data.split(parts.report, share=0.5, seed=seed + 2)


def examine(
    name: str, calibrating: Dataset, reporting: Dataset, say: Say, *, gate_only: bool = False
) -> dict[str, Any]:
    """Fit calibration, thresholds and gate, measure, draw, and write the card anew.

    ``gate_only`` leaves calibration and thresholds as they are.
    """
    folder, content = registry.folder(name), registry.card(name)
    say(f"Calibrating on {len(calibrating):,} images …")
    content = {key: value for key, value in content.items() if key not in ("gate", "reduced")}
    if not gate_only:
        content |= _fitted(Model(name), calibrating)
        card.write(folder, content)
    content["gate"] = _gate(Model(name), calibrating, say)
    content["data"] |= {"calibration": len(calibrating), "held_out": len(reporting)}
    card.write(folder, content)
    say(f"Measuring on {len(reporting):,} other images …")
    model = Model(name)
    scored = score_arrays(reporting, model)
    some = reporting.take(slice(0, ROBUSTNESS_IMAGES))  # the parts come shuffled
    rows = robustness.rows(model, some, say)
    content["metrics"] = evaluate(scored, model.thresholds).as_dict()
    content["robustness"] = [row.as_dict() for row in rows]
    card.write(folder, content)
    report.draw(folder, scored, content["operating_points"], rows)
    return content


def examine_reduced(name: str, source: Path, say: Say) -> None:
    """Measure large pictures that were made small (:mod:`mlcore.reduced`), and write the card anew.

    Raises:
        DataError: ``source`` holds no large pictures of both classes.
    """
    found = reduced.rows(Model(name), source, say)
    card.write(registry.folder(name), {**registry.card(name), "reduced": [row.as_dict() for row in found]})


def _fitted(model: Model, part: Dataset) -> dict[str, Any]:
    logits = model.logits(part.images)
    fitted = calibration.fit(logits, part.labels)
    points = calibration.operating_points(fitted.probabilities(logits), part.labels)
    usual = points[calibration.USUAL]
    return {
        "calibration": fitted.as_dict(),
        "operating_points": points,
        "thresholds": {"fake": usual["fake"], "real": usual["real"]},
    }


def _gate(model: Model, part: Dataset, say: Say) -> dict[str, Any]:
    """A quarter of the images is worn first: what was merely saved again must pass, too.

    What the model bears, its own errors say: those of ``model``, which has no gate yet.
    """
    rng, quarter = np.random.default_rng(0), len(part) // 4
    worn = np.stack([degrade.at_random(pixels, rng) for pixels in part.images[:quarter]])
    grey_limit = grey.fit(model.p_fake, part.images[part.labels == 0])
    borne, broken, least = _sorted(model, part, rng, grey_limit, say)
    return gate.fit(
        part.images[quarter:], degraded=[worn], borne=borne, broken=broken, least_quality=least,
        grey_limit=grey_limit,
    )  # fmt: skip


def _sorted(
    model: Model, part: Dataset, rng: np.random.Generator, grey_limit: float, say: Say
) -> tuple[list[Pixels], list[Pixels], dict[str, int]]:
    """Degraded images that the model bears, those that it does not, and the least quality by format."""
    borne, broken, least = list[Pixels](), list[Pixels](), dict[str, int]()
    for name, each in degrade.DEGRADATIONS.items():
        for weaker, strength in pairwise((100.0, *each.strengths)):
            some = part.take(rng.permutation(len(part))[:WORN_IMAGES])
            images = robustness.degraded(some.images, name, strength)
            kept = _bears(model, images, some.labels, grey_limit)
            say(f"{each.label.format(strength)}: {'borne' if kept else 'refused'}")
            (borne if kept else broken).append(images[:LEARNT_IMAGES])
            if name in FORMATS and not kept:  # files tell it roughly: half the way to what is borne
                half = round((weaker + strength) / 2)
                least[FORMATS[name]] = max(least.get(FORMATS[name], 0), half)
    return borne, broken, least


def _bears(model: Model, images: Pixels, labels: NDArray[np.integer], grey_limit: float) -> bool:
    """Whether of the answers, and of those about real pictures, few enough are wrong."""
    p_fake, rate = model.p_fake(images), TOO_OFTEN * float(calibration.USUAL)
    sure, every = grey.sure(images, p_fake, grey_limit), np.ones(len(labels), bool)
    made = (decisions(p_fake[of], labels[of], model.thresholds, sure[of]) for of in (every, labels == 0))
    return all(each.decided_error <= rate for each in made)
