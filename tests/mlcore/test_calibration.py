"""Calibration and thresholds, on scores whose truth is known because it was drawn from them."""

import numpy as np
import pytest

from mlcore import calibration
from mlcore.calibration import Calibration
from mlcore.metrics import calibration_error


@pytest.fixture
def overconfident():
    """Logits three times too large and leaning to fake, with labels drawn from the true ones."""
    rng = np.random.default_rng(0)
    true = rng.normal(0.0, 3.0, 40_000)
    labels = (rng.random(true.size) < 1 / (1 + np.exp(-true))).astype(int)
    return 3.0 * true + 1.5, labels


def test_the_fit_undoes_overconfidence_and_lean(overconfident):
    logits, labels = overconfident
    fitted = calibration.fit(logits[:20_000], labels[:20_000])
    assert fitted.a == pytest.approx(1 / 3, rel=0.05)
    assert fitted.b == pytest.approx(-0.5, abs=0.06)
    rest = fitted.probabilities(logits[20_000:])
    assert (
        calibration_error(rest, labels[20_000:])
        < 0.01
        < calibration_error(Calibration().probabilities(logits[20_000:]), labels[20_000:])
    )


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.02])
def test_each_answer_keeps_to_its_error_rate_on_other_data(overconfident, rate):
    logits, labels = overconfident
    p = calibration.fit(logits, labels).probabilities(logits)
    point = calibration.operating_point(p[:20_000], labels[:20_000], rate)
    other, truth = p[20_000:], labels[20_000:]
    said_fake, said_real = other >= point.fake, other < point.real
    assert (truth[said_fake] == 0).mean() <= 1.4 * rate
    assert (truth[said_real] == 1).mean() <= 1.4 * rate
    assert point.coverage > 0.1


def test_a_looser_rate_never_answers_less(overconfident):
    logits, labels = overconfident
    points = calibration.operating_points(calibration.fit(logits, labels).probabilities(logits), labels)
    covered = [points[rate]["coverage"] for rate in calibration.ERROR_RATES]
    assert covered == sorted(covered)
    assert covered[0] < covered[-1]


def test_one_lucky_image_opens_no_threshold():
    """None of a handful is wrong, but their own probabilities expect one in three to be."""
    p = np.array([0.66, 0.67, 0.34, 0.33])
    point = calibration.operating_point(p, np.array([1, 1, 0, 0]), 0.01)
    assert (point.fake, point.real, point.coverage) == (1.0, 0.0, 0.0)


def test_risk_and_coverage_by_hand():
    covered, risk = calibration.risk_coverage(np.array([0.9, 0.2, 0.6]), np.array([1, 1, 1]))
    np.testing.assert_allclose(covered, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3])


def test_a_card_from_before_calibration_leaves_scores_as_they_are():
    assert Calibration.from_card({}) == Calibration(1.0, 0.0)
    logits = np.array([-2.0, 0.0, 2.0])
    made = Calibration(0.5, 0.1)
    assert Calibration.from_card({"calibration": made.as_dict()}) == made
    np.testing.assert_allclose(made.probabilities(logits), 1 / (1 + np.exp(-(0.5 * logits + 0.1))))
