"""The global view on pictures and maps whose answer is known."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlcore import explain_table, global_chart, global_view
from mlcore.data import Dataset
from mlcore.explain_table import Row

RNG = np.random.default_rng(0)


def some(count=40):
    images = RNG.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 2
    hashes = [hashlib.blake2b(each.tobytes(), digest_size=16).digest() for each in images]
    return Dataset(images, labels, np.array(hashes, "S16"))


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("train/REAL/0000.jpg", "airplane"),
        ("train/REAL/0000 (2).jpg", "automobile"),
        ("train/FAKE/1000 (10).jpg", "truck"),
        ("4999 (6).jpg", "dog"),
        ("holiday.jpg", None),
        ("0000 (11).jpg", None),
        ("0000 (0).jpg", None),
    ],
)
def test_category_by_file_name(name, category):
    found = global_view.category_of(name)
    assert (global_view.CATEGORIES[found] if found >= 0 else None) == category


@given(st.text(max_size=30))
def test_any_name_is_in_a_category_or_in_none(name):
    assert -1 <= global_view.category_of(name) < 10


def test_categories_are_found_again_by_content(tmp_path):
    (tmp_path / "REAL").mkdir()
    contents = {"0001 (3).jpg": b"bird", "0002.jpg": b"plane\0", "x.jpg": b"unknown"}
    for name, content in contents.items():
        (tmp_path / "REAL" / name).write_bytes(content)
    digests = [hashlib.blake2b(each, digest_size=16).digest() for each in [*contents.values(), b"not there"]]
    found = global_view.categories(tmp_path, np.array(digests, "S16"))
    assert found.tolist() == [2, 0, -1, -1]


def test_the_middle_is_a_quarter_and_so_are_the_edges():
    assert global_view.middle(32).mean() == 0.25
    assert global_view.edges(some(3).images).mean(axis=(1, 2)).tolist() == [0.25] * 3


def test_evidence_is_found_where_it_was_put():
    maps = np.zeros((4, 32, 32))
    maps[0, 14:18, 14:18] = 1.0  # middle
    maps[1, :4, :4] = 1.0  # corner
    maps[2] = 1.0  # everywhere
    shares = global_view.share_within(maps, global_view.middle(32))  # the empty map has no share
    assert shares.tolist() == [1.0, 0.0, 0.25]


def test_edges_are_where_brightness_changes():
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    picture[:, :, 16:] = 200
    found = global_view.edges(picture)[0]
    assert found[:, 15:17].all()


def test_accuracy_by_category_and_the_surest_mistakes():
    part, kinds = some(), np.arange(40) // 10
    p_fake = np.where(part.labels == 1, 0.9, 0.1)
    p_fake[3], p_fake[6] = 0.01, 0.7  # a fake called real, surely; a real one called fake
    found = global_view.summarise(part, kinds, p_fake, {"gradcam": RNG.random((40, 8, 8))})
    rows = found["categories"]
    assert [row["images"] for row in rows] == [10, 10, 10, 10, 0, 0, 0, 0, 0, 0]
    assert rows[0]["accuracy"] == 0.8
    assert rows[0]["accuracy_fake"] == 0.8
    assert rows[1]["accuracy"] == 1.0
    assert "accuracy" not in rows[4]
    assert found["mistakes"]["count"] == 2
    assert [each["truth"] for each in found["mistakes"]["worst"]] == ["fake", "real"]
    assert global_view.worst(part.labels, p_fake).tolist() == [3, 6]
    middle = found["evidence"]["gradcam"]["middle"]
    assert middle["interval"][0] < middle["share"] < middle["interval"][1]
    assert middle["share"] == pytest.approx(0.25, abs=0.03)
    json.dumps(found, allow_nan=False)


def test_the_picture_is_drawn_even_where_categories_and_mistakes_are_missing(tmp_path):
    part, kinds, maps = some(), np.full(40, -1), RNG.random((40, 8, 8))
    p_fake = np.where(part.labels == 1, 0.9, 0.1)
    found = global_view.summarise(part, kinds, p_fake, {"gradcam": maps})
    global_chart.draw(part, kinds, p_fake, maps, found, tmp_path / "view.png")
    with Image.open(tmp_path / "view.png") as image:
        assert image.width > 600
        assert len(image.convert("RGB").getcolors(1 << 24)) > 100


def test_the_table_is_markdown_with_a_line_for_each_method():
    row = Row("gradcam", "Grad-CAM", "fast", 1000, 0.7, 0.8, 0.75, 0.44, (0.41, 0.47), 1.25)
    lines = explain_table.markdown([row]).splitlines()
    assert len(lines) == 3
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == "| Grad-CAM | 1,000 | 0.700 | 0.800 | 0.750 | 44.0% (41.0%–47.0%) | 1.2 |"
