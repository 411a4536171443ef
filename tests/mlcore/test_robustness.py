"""The robustness table, with a score that a degradation is known to break."""

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


def roughness(images):
    return (np.abs(np.diff(images.astype(float), axis=1)).mean((1, 2, 3)) > 7).astype(float) * 0.8 + 0.1


def test_every_degradation_at_every_strength_and_what_it_costs(part):
    rows = robustness.rows(roughness, part)
    assert len(rows) == 1 + 3 * len(DEGRADATIONS)
    assert (rows[0].degradation, rows[0].accuracy, rows[0].lost) == (robustness.CLEAN, 1.0, 0.0)
    found = {(row.degradation, row.strength): row for row in rows}
    assert found["blur", 1.0].accuracy == 0.5
    assert found["blur", 1.0].lost == pytest.approx(50.0)
    assert found["jpeg", 90].lost == 0.0


def test_the_table_names_strengths(part):
    table = robustness.table([row.as_dict() for row in robustness.rows(roughness, part)])
    assert "| JPEG quality 60 | 1.0000 | 1.0000 | 0.0 |" in table
    assert "| Gaussian blur 1 px | 0.5000 |" in table
