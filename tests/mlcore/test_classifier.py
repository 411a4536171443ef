"""Pictures to verdicts: order, numbers that fit together, and any size and number of pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mlcore import imaging, registry
from mlcore.classifier import Classifier, verdict_of
from mlcore.contracts import Verdict
from mlcore.errors import ModelUnavailable
from mlcore.gate import seen
from tests import hostile
from tests.cifake import held_out


@pytest.fixture(scope="module")
def classifier():
    return Classifier()


def pictures(count):
    return [imaging.examine(file, f"{number}.jpg") for number, (_, file) in enumerate(held_out(count))]


def test_verdicts_are_mostly_right_and_their_numbers_fit(classifier):
    found = classifier.classify(pictures(200))
    labels = [label for label, _ in held_out(200)]
    right = [(each.p_fake > 0.5) == bool(label) for each, label in zip(found, labels, strict=True)]
    assert np.mean(right) >= 0.93
    decided = [each.verdict is not Verdict.UNCERTAIN for each in found]
    assert np.mean(decided) >= 0.8
    assert np.mean(np.array(right)[decided]) >= 0.975
    assert np.mean([each.gate.in_domain for each in found]) >= 0.95
    for each in found:
        assert each.confidence == max(each.p_fake, 1 - each.p_fake)
        assert each.verdict == verdict_of(each.p_fake, classifier.thresholds)
        assert each.model == registry.describe(registry.DEFAULT)
        assert each.heatmap.shape == (16, 16)
        assert each.heatmap.dtype == np.float32


def test_results_come_in_order_whatever_the_batch(classifier):
    """70 pictures are two whole batches and a part of one."""
    some = pictures(70)
    together = classifier.classify(some)
    for number in (0, 31, 32, 69):
        alone = classifier.classify([some[number]])[0]
        assert alone.p_fake == pytest.approx(together[number].p_fake, abs=1e-5)
        assert np.allclose(alone.heatmap, together[number].heatmap, atol=1e-4)


def test_a_large_picture_is_outside_of_what_the_model_knows(classifier):
    found = classifier.classify([imaging.examine(hostile.png(640, 480), "x.png")])[0]
    assert not found.gate.in_domain
    assert "640 × 480" in found.gate.reason


def test_a_network_that_enlarges_keeps_grad_cam():
    found = Classifier("paper_cnn").classify([imaging.examine(hostile.png(32, 32), "x.png")])[0]
    assert found.heatmap.shape == (32, 32)


def test_no_pictures_no_results(classifier):
    assert classifier.classify([]) == []


@pytest.mark.parametrize("size", [(8, 8), (33, 500), (1200, 900)])
def test_any_size_is_taken(classifier, size):
    found = classifier.classify([imaging.examine(hostile.png(*size), "x.png")])
    assert 0.0 <= found[0].p_fake <= 1.0


def test_a_large_picture_is_seen_as_its_32_pixel_reduction():
    large = hostile.gradient(512, 512)
    small = large.resize((32, 32), Image.Resampling.BILINEAR)
    assert np.array_equal(seen(large), seen(small))


def test_reduction_averages_and_does_not_alias():
    """A fine chequerboard is grey from afar."""
    board = Image.fromarray(np.indices((256, 256)).sum(0).astype(np.uint8) % 2 * 255).convert("RGB")
    assert np.abs(seen(board) / 255 - 0.5).max() < 0.05


@pytest.mark.parametrize(
    ("p_fake", "verdict"),
    [(0.0, "real"), (0.299, "real"), (0.3, "uncertain"), (0.699, "uncertain"), (0.7, "fake"), (1.0, "fake")],
)
def test_the_three_verdicts(p_fake, verdict):
    assert verdict_of(p_fake, {"fake": 0.7, "real": 0.3}) == verdict


def test_equal_thresholds_leave_nothing_uncertain():
    assert verdict_of(0.5, {"fake": 0.5, "real": 0.5}) is Verdict.FAKE
    assert verdict_of(0.4999, {"fake": 0.5, "real": 0.5}) is Verdict.REAL


def test_an_unknown_model_is_refused():
    with pytest.raises(ModelUnavailable):
        Classifier("nonesuch")
