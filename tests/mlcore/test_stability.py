"""Stability: what the variants are, and when an answer counts as holding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlcore import stability
from mlcore.contracts import ModelRef

MODEL = ModelRef("toy", "1", "0" * 64)
THRESHOLDS = {"fake": 0.7, "real": 0.3}
PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)


def judged(own: float, *p_fake: float):
    """The answer of a model that gives ``own`` for the picture and these for its copies."""
    scores = [(str(number), p) for number, p in enumerate(p_fake)]
    return stability.judge(own, scores, THRESHOLDS, MODEL)


def test_ten_different_variants_of_the_picture_s_shape_always_the_same():
    made = stability.variants(PICTURE)
    assert len(made) == 10
    assert len({words for words, _ in made}) == 10
    assert all(pixels.shape == PICTURE.shape and pixels.dtype == np.uint8 for _, pixels in made)
    assert len({pixels.tobytes() for _, pixels in made} | {PICTURE.tobytes()}) == 11
    again = stability.variants(PICTURE)
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(made, again, strict=True))


def test_four_crops_keep_four_corners():
    """A bright corner is in its own crop more than in the opposite one."""
    dark = np.zeros((32, 32, 3), np.uint8)
    dark[:3, :3] = 255
    by_words = dict(stability.variants(dark))
    assert by_words["cropped to the top left"].sum() > by_words["cropped to the bottom right"].sum()
    assert by_words["cropped to the top left"][0, 0].min() > 200
    assert by_words["mirrored"][0, -1].min() == 255


def test_all_copies_are_asked_about_in_one_batch():
    seen = []

    def of(pixels):
        seen.append(pixels)
        return np.arange(len(pixels)) / 10

    found = stability.measure(of, PICTURE)
    (batch,) = seen
    assert batch.shape == (10, 32, 32, 3)
    assert [words for words, _ in found] == [words for words, _ in stability.variants(PICTURE)]
    assert [p for _, p in found] == [number / 10 for number in range(10)]


@pytest.mark.parametrize(("turned", "stable"), [(0, True), (2, True), (3, False), (10, False)])
def test_stable_where_four_of_five_variants_agree(turned, stable):
    found = judged(0.9, *[0.1] * turned, *[0.8] * (10 - turned))
    assert found.agree == pytest.approx(1 - turned / 10)
    assert found.stable is stable
    assert [p for _, p in found.variants] == [0.1] * turned + [0.8] * (10 - turned)


def test_an_undecided_variant_does_not_agree_with_a_decided_picture():
    found = judged(0.71, *[0.69] * 10)
    assert found.agree == 0.0
    assert found.spread == pytest.approx(0.02)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=11, max_size=11))
def test_spread_is_over_the_picture_and_all_variants(p_fake):
    found = judged(*p_fake)
    assert found.spread == max(p_fake) - min(p_fake)
    assert 0.0 <= found.agree <= 1.0
    assert found.stable == (found.agree >= 0.8)
