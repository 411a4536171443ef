"""The robustness table, with a score that a degradation is known to break."""

from typing import ClassVar

import numpy as np
import pytest

from mlcore import robustness
from mlcore.data import Dataset
from mlcore.degrade import DEGRADATIONS


@pytest.fixture
def part():
    """FAKE carries a fine pattern, REAL is flat: blur takes the difference away."""
    images = np.full((60, 32, 32, 3), 120, np.uint8)
    labels = (np.arange(60) % 2).astype(np.uint8)
    images[labels == 1, ::2] = 136
    return Dataset(images, labels, np.array([b"%16d" % i for i in range(60)], "S16"))


class Roughness:
    """Sure of FAKE where neighbours differ; its gate refuses what is dark."""

    thresholds: ClassVar = {"fake": 0.8, "real": 0.2}

    def p_fake(self, images):
        rough = np.abs(np.diff(images.astype(float), axis=1)).mean((1, 2, 3)) > 7
        return rough.astype(float) * 0.8 + 0.1

    def known(self, images, p_fake):
        return images.mean((1, 2, 3)) > 70


def test_every_degradation_at_every_strength_and_what_it_costs(part):
    rows = robustness.rows(Roughness(), part)
    assert len(rows) == 1 + sum(len(each.strengths) for each in DEGRADATIONS.values())
    assert (rows[0].degradation, rows[0].accuracy, rows[0].lost) == (robustness.CLEAN, 1.0, 0.0)
    found = {(row.degradation, row.strength): row for row in rows}
    assert found["blur", 1.0].accuracy == 0.5
    assert found["blur", 1.0].lost == pytest.approx(50.0)
    assert found["jpeg", 90].lost == 0.0


def test_what_the_gate_refuses_is_no_mistake(part):
    found = {(row.degradation, row.strength): row for row in robustness.rows(Roughness(), part)}
    blurred, dark = found["blur", 1.0], found["brightness", 0.3]
    assert (blurred.coverage, blurred.decided_error, blurred.real_error, blurred.refused) == (1, 0.5, 0, 0)
    assert (dark.coverage, dark.decided_error, dark.refused) == (0, 0, 1)


def test_the_table_names_strengths(part):
    table = robustness.table([row.as_dict() for row in robustness.rows(Roughness(), part)])
    assert "| JPEG quality 60 | 1.0000 | 1.0000 | 0.0 | 100.0% | 0.00% | 0.00% | 0.0% |" in table
    assert "| Gaussian blur 1 px | 0.5000 |" in table
    assert "| brightness ×0.3 | 0.5000 | 0.5000 | 50.0 | 0.0% | – | – | 100.0% |" in table


def test_cards_from_before_the_gate_was_measured_keep_their_table():
    old = {"label": "JPEG quality 60", "accuracy": 0.9, "auroc": 0.95, "lost": 1.0}
    assert "| JPEG quality 60 | 0.9000 | 0.9500 | 1.0 |" in robustness.table([old])
