"""Faithfulness against models whose evidence is known, and the measure's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore import faithfulness
from mlcore.degrade import blur

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
CORNER = np.zeros((8, 8))
CORNER[:3, :3] = 1.0


def looks_at_the_corner(pixels):
    """P(fake) rises with the detail of the upper left 12 × 12 pixels alone."""
    detail = np.abs(np.diff(pixels[:, :12, :12].astype(float), axis=2)).mean(axis=(1, 2, 3))
    return 1 / (1 + np.exp(-(detail - 45) / 6))


def says_real(pixels):
    return 1.0 - looks_at_the_corner(pixels)


@pytest.mark.parametrize("model", [looks_at_the_corner, says_real])
def test_the_map_of_what_counts_is_better_and_its_opposite_worse(model):
    good = faithfulness.measure_all(model, PICTURES, np.tile(CORNER, (6, 1, 1)))
    bad = faithfulness.measure_all(model, PICTURES, np.tile(1 - CORNER, (6, 1, 1)))
    assert all(each.better for each in good)
    assert not any(each.better for each in bad)
    for right, wrong in zip(good, bad, strict=True):
        assert right.deletion < right.random_deletion < right.insertion
        assert wrong.deletion > right.deletion
        assert wrong.insertion < right.insertion


def test_random_maps_are_no_better_than_random_maps():
    """By chance one beats the mean of others in both in at most about half of all pictures."""
    maps = np.random.default_rng(5).random((6, 8, 8))
    found = faithfulness.measure_all(looks_at_the_corner, PICTURES, maps)
    assert sum(each.better for each in found) <= 4
    gaps = [each.insertion - each.deletion for each in found]
    assert abs(np.mean(gaps)) < 0.2


def test_a_map_without_contrast_gains_nothing_from_where_its_pixels_stand():
    """All ties: in reading order the corner would come first, and the empty map would look faithful."""
    found = faithfulness.measure_all(looks_at_the_corner, PICTURES, np.zeros((6, 8, 8)))
    assert abs(np.mean([each.insertion - each.deletion for each in found])) < 0.1


def plainly(model, picture, heatmap, steps, insert):
    """Deletion or insertion step by step, area by the trapezium rule."""
    empty = blur(picture, faithfulness.BLUR)
    start, end = (empty, picture) if insert else (picture, empty)
    large = faithfulness.enlarge(heatmap[None], 32)[0].ravel()
    order, announced = np.argsort(-large), model(picture[None])[0] > 0.5
    curve = []
    for step in range(steps + 1):
        current = start.copy().reshape(-1, 3)
        moved = order[: step * 1024 // steps]
        current[moved] = end.reshape(-1, 3)[moved]
        p = model(current.reshape(1, 32, 32, 3))[0]
        curve.append(p if announced else 1 - p)
    return np.trapezoid(curve, dx=1 / steps)


@pytest.mark.parametrize("model", [looks_at_the_corner, says_real])
def test_both_areas_are_those_of_the_definition(model):
    heatmap = np.random.default_rng(2).random((8, 8))
    found = faithfulness.measure(model, PICTURES[0], heatmap)
    steps = faithfulness.STEPS
    assert found.deletion == pytest.approx(
        plainly(model, PICTURES[0], heatmap, steps, insert=False), abs=1e-6
    )
    assert found.insertion == pytest.approx(
        plainly(model, PICTURES[0], heatmap, steps, insert=True), abs=1e-6
    )


def test_one_expectation_serves_deletion_and_insertion_by_chance():
    """The claim that saves half of the questions, by plain insertion and deletion of random maps."""
    rng, picture = np.random.default_rng(3), PICTURES[1]
    maps = [rng.random((8, 8)) for _ in range(60)]
    deleted = [plainly(looks_at_the_corner, picture, each, 8, insert=False) for each in maps]
    inserted = [plainly(looks_at_the_corner, picture, each, 8, insert=True) for each in maps]
    error = np.std(deleted) / np.sqrt(60) + np.std(inserted) / np.sqrt(60)
    assert abs(np.mean(deleted) - np.mean(inserted)) < 3 * error


def test_known_chance_is_used_and_a_batch_gives_what_its_pictures_give():
    maps = np.random.default_rng(4).random((6, 16, 16))
    chance = faithfulness.random_area(looks_at_the_corner, PICTURES, (16, 16))
    together = faithfulness.measure_all(looks_at_the_corner, PICTURES, maps, chance=chance)
    assert [each.random_deletion for each in together] == chance.tolist()
    alone = faithfulness.measure_all(looks_at_the_corner, PICTURES, maps)
    assert together == alone


def test_one_picture_costs_152_questions_in_one_go_each():
    asked = []

    def counting(pixels):
        asked.append(len(pixels))
        return looks_at_the_corner(pixels)

    faithfulness.measure(counting, PICTURES[0], CORNER)
    assert sum(asked) <= 156
    assert len(asked) == 4


def test_enlarging_is_bilinear_as_pillow_does_it():
    from PIL import Image

    heatmap = np.random.default_rng(6).random((8, 8)).astype(np.float32)
    wanted = np.asarray(Image.fromarray(heatmap).resize((32, 32), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(faithfulness.enlarge(heatmap[None], 32)[0], wanted, atol=1e-6)


def test_ranks_are_an_order_of_all_pixels_with_the_hottest_first():
    maps = np.random.default_rng(7).random((3, 32, 32))
    places = faithfulness.ranks(maps, np.random.default_rng(0))
    for heatmap, place in zip(maps, places, strict=True):
        assert sorted(place.ravel()) == list(range(1024))
        assert place.ravel()[heatmap.argmax()] == 0
        assert place.ravel()[heatmap.argmin()] == 1023
