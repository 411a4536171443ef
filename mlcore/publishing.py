"""From trained weights to a model that can be used: calibrated, gated, measured, described.

Three parts of the data, none of which sees what another is for: the network learned from
``training``; calibration, thresholds and gate are fitted on ``calibration``; every figure on the
card is of ``report``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlcore import calibration, card, charts, data, degrade, gate, registry, report, robustness
from mlcore.data import Dataset
from mlcore.evaluation import Model, evaluate, score_arrays

Say = Callable[[str], None]
ROBUSTNESS_IMAGES = 4000


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


def examine(name: str, calibrating: Dataset, reporting: Dataset, say: Say) -> dict[str, Any]:
    """Fit calibration, thresholds and gate, measure, draw, and write the card anew."""
    folder, content = registry.folder(name), registry.card(name)
    say(f"Calibrating on {len(calibrating):,} images …")
    content |= _fitted(Model(name), calibrating)
    content["data"] |= {"calibration": len(calibrating), "held_out": len(reporting)}
    card.write(folder, content)
    say(f"Measuring on {len(reporting):,} other images …")
    model = Model(name)
    scored = score_arrays(reporting, model)
    some = reporting.take(slice(0, ROBUSTNESS_IMAGES))  # the parts come shuffled
    rows = robustness.rows(model.p_fake, some, say)
    content["metrics"] = evaluate(scored, model.thresholds).as_dict()
    content["robustness"] = [row.as_dict() for row in rows]
    card.write(folder, content)
    report.draw(folder, scored, content["operating_points"], rows)
    return content


def _fitted(model: Model, part: Dataset) -> dict[str, Any]:
    logits = model.logits(part.images)
    fitted = calibration.fit(logits, part.labels)
    points = calibration.operating_points(fitted.probabilities(logits), part.labels)
    usual = points[calibration.USUAL]
    return {
        "calibration": fitted.as_dict(),
        "operating_points": points,
        "thresholds": {"fake": usual["fake"], "real": usual["real"]},
        "gate": _gate(part),
    }


def _gate(part: Dataset) -> dict[str, Any]:
    """A quarter of the images is worn first: what was merely saved again must pass, too."""
    rng, quarter = np.random.default_rng(0), len(part) // 4
    worn = np.stack([degrade.at_random(pixels, rng) for pixels in part.images[:quarter]])
    return gate.fit(part.images[quarter:], degraded=[worn])
