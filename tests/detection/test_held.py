"""Who pays for being asked about on changed copies, within the verdict stage."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from detection.stages import held, verdict_outcome
from mlcore.contracts import Classification, Gate, ImageFacts, ModelRef, Picture, Verdict
from tests.detection.test_joining import POINTS

FACTS = ImageFacts("PNG", "image/png", 1, "", 32, 32, "RGB", 1, 1)
PICTURE = Picture(Image.new("RGB", (32, 32)), FACTS)
SCORES = (("mirrored", 0.9), ("saved as JPEG", 0.2))


class Asked:
    """A classifier that counts."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times, self.error = 0, error

    def on_variants(self, picture: Picture) -> tuple[tuple[str, float], ...]:
        self.times += 1
        if self.error:
            raise self.error
        return SCORES


def found(p_fake: float, inside: bool = True) -> Classification:
    heat = np.zeros((2, 2), np.float32)
    return Classification(Verdict.FAKE, p_fake, p_fake, heat, ModelRef("m", "1", "0"), Gate(inside))


@pytest.mark.parametrize(
    ("p_fake", "inside", "times"),
    [(0.95, True, 1), (0.65, True, 1), (0.01, True, 1), (0.5, True, 0), (0.999, False, 0)],
)
def test_copies_are_asked_about_where_some_organisation_would_get_an_answer(p_fake, inside, times):
    classifier = Asked()
    given = held(classifier, PICTURE, found(p_fake, inside), POINTS)
    assert classifier.times == times
    assert given == ({"variants": [list(each) for each in SCORES]} if times else None)


def test_a_failure_costs_the_copies_and_not_the_answer():
    given = held(Asked(RuntimeError("no memory")), PICTURE, found(0.95), POINTS)
    assert given == {"error": "RuntimeError"}
    result = verdict_outcome(PICTURE, found(0.95), POINTS, given).result
    assert (result["p_fake"], result["stability"]) == (0.95, given)
