"""Metrics, against values worked out by hand."""

import numpy as np
import pytest

from mlcore.metrics import calibration_error, decisions, equal_mass_bins, interval, measure


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


def test_bins_hold_the_same_number_least_first():
    bins = equal_mass_bins(np.array([0.9, 0.1, 0.5, 0.7]), 2)
    assert [part.tolist() for part in bins] == [[1, 2], [3, 0]]


def test_decisions_by_hand():
    p = np.array([0.99, 0.95, 0.5, 0.05, 0.02, 0.99])
    labels = np.array([1, 0, 1, 0, 1, 1])
    in_domain = np.array([True, True, True, True, True, False])
    made = decisions(p, labels, {"fake": 0.9, "real": 0.1}, in_domain)
    assert made.coverage == pytest.approx(4 / 6)  # ½ is between the thresholds, the last is refused
    assert made.decided_error == pytest.approx(2 / 4)
    assert made.refused == pytest.approx(1 / 6)


def test_nothing_decided_is_no_error():
    made = decisions(
        np.array([0.5, 0.6]), np.array([1, 0]), {"fake": 0.9, "real": 0.1}, np.array([True, True])
    )
    assert (made.coverage, made.decided_error) == (0.0, 0.0)


def test_the_interval_is_that_of_a_binomial_share():
    right = np.arange(10_000) < 9_800
    low, high = interval(right)
    assert low == pytest.approx(0.98 - 1.96 * 0.0014, abs=5e-4)
    assert high == pytest.approx(0.98 + 1.96 * 0.0014, abs=5e-4)
