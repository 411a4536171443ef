from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mlcore.contracts import Says, Source
from mlcore.provenance import encoding, jpegs
from tests import hostile
from tests.cifake import held_out
from tests.provenance import makers


def scene(seed: int = 0, width: int = 480, height: int = 320) -> Image.Image:
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 90, 95, 100])
@pytest.mark.parametrize(("subsampling", "words"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_quality_and_sampling_are_those_that_were_asked_for(quality, subsampling, words):
    (finding,) = encoding.read(hostile.jpeg(quality=quality, subsampling=subsampling), None)
    assert (finding.source, finding.says) == (Source.ENCODING, Says.INFO)
    assert finding.facts["quality"] == finding.facts["colour_quality"] == quality
    assert finding.facts["standard_tables"] is True
    assert finding.facts["chroma"] == words


def test_tables_of_its_own_are_not_called_standard():
    own = [[3 + (place % 7) for place in range(64)]] * 2
    (finding,) = encoding.read(hostile.saved(hostile.gradient(), "JPEG", qtables=own), None)
    assert finding.facts["standard_tables"] is False
    assert "about quality" in finding.title


def test_the_same_numbers_in_another_order_are_not_standard():
    table = list(jpegs.standard(False)[74])
    assert jpegs.quality(tuple(int(table[at]) for at in jpegs.zigzag())) == (75, True)
    assert jpegs.quality(tuple(int(value) for value in table))[1] is False


def test_progressive_and_its_scans():
    facts = encoding.read(hostile.jpeg(progressive=True), None)[0].facts
    assert facts["progressive"] is True
    assert facts["scans"] > 1
    assert encoding.read(hostile.jpeg(), None)[0].facts["progressive"] is False


def test_png_and_webp():
    assert encoding.read(hostile.with_alpha("RGB"), None)[0].facts["colour"] == "RGB with transparency"
    whole = hostile.saved(hostile.gradient(), "WEBP", lossless=True)
    assert encoding.read(whole, None)[0].facts["lossless"] is True
    assert encoding.read(hostile.saved(hostile.gradient(), "WEBP"), None)[0].facts["lossless"] is False
    assert encoding.read(hostile.saved(hostile.gradient(), "GIF"), None) == []


def test_cifake_shares_one_pair_of_standard_tables():
    found = [encoding.read(data, None)[0].facts for _, data in held_out(30)]
    assert len({(each["quality"], each["chroma"], each["standard_tables"]) for each in found}) == 1


def contradicts(data: bytes, image: Image.Image) -> bool:
    return any(finding.says is Says.CONTRADICTION for finding in encoding.read(data, image))


@pytest.mark.parametrize("seed", range(5))
def test_its_own_preview_is_no_contradiction(seed):
    picture = scene(seed)
    assert not contradicts(makers.with_preview(picture, picture.resize((160, 107))), picture)


def test_a_preview_with_bars_is_none_either():
    picture = scene()
    preview = Image.new("RGB", (160, 120))
    preview.paste(picture.resize((160, 107)), (0, 6))
    assert not contradicts(makers.with_preview(picture, preview), picture)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_picture_is_compared_upright(orientation):
    picture = scene()
    upright = picture.transpose(encoding.TURN[orientation])
    data = makers.with_preview(picture, picture.resize((160, 107)), orientation)
    assert not contradicts(data, upright)


def test_brighter_with_more_contrast_is_still_the_same_picture():
    picture = scene()
    brighter = picture.point(lambda value: min(255, value * 1.2 + 8))
    assert not contradicts(makers.with_preview(brighter, picture.resize((160, 107))), brighter)


@pytest.mark.parametrize("seed", range(1, 6))
def test_another_picture_in_the_preview_contradicts(seed):
    assert contradicts(makers.with_preview(scene(0), scene(seed).resize((160, 107))), scene(0))


def test_a_part_painted_over_contradicts():
    # A quiet picture: what is pasted stands out from it.
    quiet = scene().point(lambda value: 100 + value // 8)
    changed = quiet.copy()
    changed.paste("white", (200, 100, 290, 190))
    assert contradicts(makers.with_preview(changed, quiet.resize((160, 107))), changed)


def test_a_cut_picture_contradicts():
    whole = scene()
    cut = whole.crop((0, 0, 240, 320))
    assert contradicts(makers.with_preview(cut, whole.resize((160, 107))), cut)


@given(st.binary(max_size=300))
def test_any_bytes_are_survived(raw):
    for head in (b"\xff\xd8\xff\xdb", b"\xff\xd8\xff\xc0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"):
        found = encoding.read(head + raw, None)
        assert all(each.source == Source.ENCODING and each.says == Says.INFO for each in found)
        settings = jpegs.settings(head + raw)
        assert settings is None or all(len(table) == 64 for table in settings.tables.values())
