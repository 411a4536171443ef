"""Heat maps as pictures: read in grey, keep the picture's size, show what they claim to."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from mlcore import imaging, overlay
from mlcore.contracts import DetectedObject, Verdict
from tests import hostile

RAMP = np.linspace(0, 1, 256, dtype=np.float32)[None, :]


def rgb(image):
    return np.asarray(image.convert("RGB")).astype(float)


def lightness(colours):
    """CIE L* of sRGB."""
    linear = np.where(colours <= 10.31, colours / 255 / 12.92, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)


# Machado, Oliveira & Fernandes 2009, severity 1, on linear light.
BLINDNESS = {
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}


def test_lightness_only_rises_with_the_evidence():
    light = lightness(rgb(overlay.colour(RAMP))[0])
    assert (np.diff(light) >= -0.15).all()  # rounding to 8 bits
    assert (np.diff(light[::8]) > 0).all()
    assert light[-1] - light[0] > 60


def test_a_grey_print_still_rises():
    grey = np.asarray(overlay.colour(RAMP).convert("RGB").convert("L")).astype(int)[0]
    assert (np.diff(grey) >= 0).all()


@pytest.mark.parametrize("kind", BLINDNESS)
def test_lightness_rises_for_the_colour_blind(kind):
    colours = rgb(overlay.colour(RAMP))[0] / 255
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(BLINDNESS[kind]).T, 0, 1) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(seen[::8]) > 0).all()


def test_strange_values_are_clipped_and_not_a_number_is_nothing():
    colours = rgb(overlay.colour(np.array([[-1.0, 0.0, np.nan, 1.0, 7.0]], np.float32)))[0]
    assert (colours[0] == colours[1]).all()
    assert (colours[2] == colours[1]).all()
    assert (colours[4] == colours[3]).all()


def test_the_heat_map_file_has_the_size_asked_for_and_the_map_s_place():
    heatmap = np.zeros((32, 32), np.float32)
    heatmap[4, 28] = 1.0  # up on the right
    image = Image.open(io.BytesIO(overlay.heatmap_png(heatmap, (200, 100))))
    assert image.format == "PNG"
    assert image.size == (200, 100)
    row, column = np.unravel_index(lightness(rgb(image)).argmax(), (100, 200))
    assert abs(row - 100 * 4.5 / 32) <= 2
    assert abs(column - 200 * 28.5 / 32) <= 4


@pytest.mark.parametrize("size", [(1, 1), (64, 3), (5, 64), (64, 64)])
def test_a_heatmaps_file_is_flawless_and_shows_every_pixel_as_it_is(size):
    heatmap = np.random.default_rng(0).random((32, 32), np.float32)
    data = overlay.heatmap_png(heatmap, size)
    Image.open(io.BytesIO(data)).verify()  # checksums
    np.testing.assert_array_equal(rgb(Image.open(io.BytesIO(data))), rgb(overlay.colour(heatmap, size)))


def picture(width=320, height=240, **options):
    return imaging.examine(hostile.jpeg(width, height, **options), "x.jpg")


def test_blending_goes_from_the_picture_to_the_map():
    shown, heatmap = picture(), np.full((32, 32), 0.5, np.float32)
    assert np.array_equal(rgb(overlay.blend(shown, heatmap, 0.0)), rgb(shown.image))
    full = rgb(overlay.blend(shown, heatmap, 1.0))
    assert (full == full[0, 0]).all()


@pytest.mark.parametrize("size", [(32, 32), (320, 240), (1000, 90), (700, 1100)])
def test_an_overlay_has_the_picture_s_own_size(size):
    shown = picture(*size)
    found = [DetectedObject("cat", 0.9, (-5.0, 2.0, size[0] + 50.0, 20.0))]
    image = overlay.compose(shown, np.ones((32, 32), np.float32), Verdict.FAKE, found)
    assert image.size == shown.image.size
    assert image.mode == "RGB"


def test_an_overlay_has_the_picture_s_orientation():
    shown = imaging.examine(hostile.oriented(6, 320, 240), "turned.jpg")
    image = overlay.compose(shown, np.zeros((32, 32), np.float32), Verdict.REAL, opacity=0.0)
    assert image.size == (240, 320)


def test_a_small_overlay_has_no_legend_over_it_and_a_large_one_has():
    heatmap = np.zeros((32, 32), np.float32)
    small, large = picture(32, 32), picture(600, 400)
    assert np.array_equal(
        rgb(overlay.compose(small, heatmap, Verdict.FAKE)), rgb(overlay.blend(small, heatmap))
    )
    changed = (rgb(overlay.compose(large, heatmap, Verdict.FAKE)) != rgb(overlay.blend(large, heatmap))).any(
        -1
    )
    rows, columns = np.nonzero(changed)
    assert rows.min() > 300  # in the corner, not over the picture's middle
    assert columns.max() < 300


def test_the_legend_s_bar_is_the_colour_map():
    key = rgb(overlay.legend(Verdict.FAKE, 280))
    bar = key[10, 7:273]
    assert (bar[0] == overlay.TABLE[0]).all()
    assert (bar[-1] == overlay.TABLE[255]).all()


def test_legends_say_which_evidence():
    fake, real = (rgb(overlay.legend(verdict, 280)) for verdict in (Verdict.FAKE, Verdict.REAL))
    assert fake.shape == real.shape
    assert (fake != real).any()


def test_boxes_are_where_they_should_be_and_the_original_is_left_alone():
    ground = Image.new("RGB", (400, 300), (90, 90, 90))
    drawn = overlay.draw_objects(ground, [DetectedObject("dog", 0.8, (100.0, 150.0, 300.0, 250.0))])
    assert np.unique(rgb(ground)).tolist() == [90.0]
    changed = (rgb(drawn) != 90).any(-1)
    assert changed[150, 100:301].all()
    assert changed[250, 100:301].all()
    assert changed[150:251, 100].all()
    assert changed[150:251, 300].all()
    assert not changed[160:240, 110:290].any()
    assert not changed[260:].any()
    assert changed[130:149, 100:140].any()  # its name


def test_the_surest_box_lies_on_top():
    ground = Image.new("RGB", (400, 300), (90, 90, 90))
    same = (100.0, 100.0, 300.0, 250.0)
    one, other = DetectedObject("dog", 0.9, same), DetectedObject("a very long name", 0.3, same)
    first, second = overlay.draw_objects(ground, [one, other]), overlay.draw_objects(ground, [other, one])
    assert np.array_equal(rgb(first), rgb(second))


def test_a_packed_map_comes_back_in_its_shape_to_half_a_level():
    heatmap = np.random.default_rng(0).random((5, 7), np.float32)
    packed = json.loads(json.dumps(overlay.pack(heatmap)))
    np.testing.assert_allclose(overlay.unpack(packed), heatmap, atol=1 / 510 + 1e-6)
