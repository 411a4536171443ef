"""Degradations: they keep the shape, do what their name says, and leave their input alone."""

import numpy as np
import pytest

from mlcore import degrade


@pytest.fixture
def pixels():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (32, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "strength"),
    [(name, strength) for name, each in degrade.DEGRADATIONS.items() for strength in each.strengths],
)
def test_each_keeps_shape_and_type_and_changes_something(pixels, name, strength):
    before = pixels.copy()
    made = degrade.DEGRADATIONS[name].apply(pixels, strength)
    assert (made.shape, made.dtype) == (pixels.shape, np.uint8)
    assert (made != before).any()
    assert (pixels == before).all()


@pytest.mark.parametrize("name", list(degrade.DEGRADATIONS))
def test_strengths_rise(pixels, name):
    each = degrade.DEGRADATIONS[name]
    smooth = degrade.blur(pixels, 0.5).astype(int)
    errors = [
        np.abs(each.apply(degrade.blur(pixels, 0.5), s).astype(int) - smooth).mean() for s in each.strengths
    ]
    if name == "up_down":  # interpolating up loses nothing that coming down brings back: all are mild
        assert max(errors) < 20
    else:
        assert errors[0] < errors[-1]


def test_blur_takes_away_contrast_between_neighbours(pixels):
    def rough(image):
        return np.abs(np.diff(image.astype(int), axis=0)).mean()

    assert rough(degrade.blur(pixels, 0.7)) < 0.7 * rough(pixels)


def test_a_crop_shows_the_place_it_is_told():
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:8, :8] = 255
    assert degrade.crop(pixels, 0.5, 0.0, 0.0)[:12, :12].mean() > 200
    assert degrade.crop(pixels, 0.5, 1.0, 1.0).max() == 0


def test_random_ones_follow_from_their_generator(pixels):
    def many(seed):
        rng = np.random.default_rng(seed)
        return np.stack([degrade.at_random(pixels, rng) for _ in range(40)])

    np.testing.assert_array_equal(many(1), many(1))
    assert (many(1) != many(2)).any()
    assert len({image.tobytes() for image in many(1)}) > 35
