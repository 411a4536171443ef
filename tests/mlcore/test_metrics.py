"""Metrics, against values worked out by hand."""

import numpy as np
import pytest

from mlcore.metrics import calibration_error, measure


def test_by_hand():
    #          TP   TP   FN   FP   TN   TN
    p = np.array([0.9, 0.8, 0.3, 0.7, 0.1, 0.2])
    labels = np.array([1, 1, 1, 0, 0, 0])
    metrics = measure(p, labels)
    assert metrics.n == 6
    assert metrics.accuracy == pytest.approx(4 / 6)
    assert metrics.precision == pytest.approx(2 / 3)
    assert metrics.recall == pytest.approx(2 / 3)
    assert metrics.f1 == pytest.approx(2 / 3)
    assert metrics.auroc == pytest.approx(8 / 9)  # one of nine pairs is the wrong way round
    assert metrics.confusion == {"REAL": {"real": 2, "fake": 1}, "FAKE": {"real": 1, "fake": 2}}


def test_a_calibrated_classifier_has_no_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=200_000)
    labels = (rng.uniform(size=p.size) < p).astype(int)
    assert calibration_error(p, labels) < 0.01


def test_an_overconfident_classifier_has_the_gap_as_error():
    labels = np.tile([1, 1, 1, 1, 0], 20)
    assert calibration_error(np.full(100, 0.999), labels) == pytest.approx(0.199, abs=1e-3)
