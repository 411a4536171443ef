from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from mlcore import imaging
from mlcore.contracts import Says, Source
from mlcore.provenance import encoding, jpegs
from tests import hostile
from tests.cifake import held_out
from tests.provenance import makers


def scene(seed: int = 0, width: int = 480, height: int = 320) -> Image.Image:
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def detailed(seed: int = 0, width: int = 480, height: int = 320) -> Image.Image:
    """Shapes before a ground of coarse and fine detail: two of them share no more than two photographs do."""
    chance = np.random.default_rng(seed)
    ground = np.zeros((height, width, 3))
    for rows in (3, 6, 12, 24, 48):
        noise = Image.fromarray(chance.integers(0, 255, (rows, rows * 3 // 2, 3), dtype=np.uint8))
        ground += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC), np.float64) / rows**0.5
    ground = 255 * (ground - ground.min()) / np.ptp(ground)
    picture = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for number in range(12):
        left, top, across, down = (
            int(value) for value in chance.integers((0, 0, 20, 20), (width, height, 160, 160))
        )
        fill = tuple(int(value) for value in chance.integers(0, 255, 3))
        shape = draw.ellipse if number % 2 else draw.rectangle
        shape((left, top, left + across, top + down), fill=fill)
    return picture


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


def barred(picture: Image.Image, size: tuple[int, int], colour: object = 0, pad: int = 0, at: float = 0.5):
    """The picture within bars; ``at`` 0.5 in the middle, 0 at the left or upper edge."""
    small = picture.copy()
    small.thumbnail((size[0] - 2 * pad, size[1] - 2 * pad))
    whole = Image.new("RGB", size, colour if isinstance(colour, str) else (colour,) * 3)
    whole.paste(small, (int((size[0] - small.width) * at), int((size[1] - small.height) * at)))
    return whole


def thumbnail(picture: Image.Image, side: int = 160) -> Image.Image:
    small = picture.copy()
    small.thumbnail((side, side))
    return small


def cropped(picture: Image.Image, ratio: float) -> Image.Image:
    width, height = (
        min(picture.width, int(picture.height * ratio)),
        min(picture.height, int(picture.width / ratio)),
    )
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def toned(picture: Image.Image, power: float, gain: float = 1.0, offset: float = 0.0) -> Image.Image:
    levels = [min(255, max(0, round(255 * (gain * (level / 255) ** power + offset)))) for level in range(256)]
    return picture.point(levels * 3)


QUARTER = Image.Transpose.ROTATE_90
PREVIEWS = {
    "letterbox": lambda picture: barred(picture, (160, 120)),
    "pillars": lambda picture: barred(picture, (240, 100)),
    "square": lambda picture: barred(picture, (160, 160)),
    "bars all round": lambda picture: barred(picture, (160, 120), pad=11),
    "bars of odd width": lambda picture: barred(picture, (161, 113), pad=3, at=0.3),
    "a bar at one side": lambda picture: barred(picture, (160, 160), at=0),
    "a very wide bar": lambda picture: barred(picture, (400, 80), at=0),
    "white bars": lambda picture: barred(picture, (160, 120), "white"),
    "grey bars": lambda picture: barred(picture, (160, 120), 128, pad=5),
    "coloured bars": lambda picture: barred(picture, (160, 120), "navy"),
    "a quarter turn": lambda picture: thumbnail(picture.transpose(QUARTER)),
    "three quarter turns": lambda picture: thumbnail(picture.transpose(Image.Transpose.ROTATE_270)),
    "upside down": lambda picture: thumbnail(picture.transpose(Image.Transpose.ROTATE_180)),
    "mirrored": lambda picture: thumbnail(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "turned within bars": lambda picture: barred(picture.transpose(QUARTER), (160, 120)),
    "bars, then turned": lambda picture: barred(picture, (160, 120)).transpose(QUARTER),
    "squeezed": lambda picture: picture.resize((160, 160)),
    "squeezed across": lambda picture: picture.resize((90, 160)),
    "sharpened": lambda picture: thumbnail(picture).filter(ImageFilter.UnsharpMask(2, 400, 0)),
    "blurred": lambda picture: thumbnail(picture).filter(ImageFilter.GaussianBlur(2)),
    "cut to 4:3": lambda picture: thumbnail(cropped(picture, 4 / 3)),
    "cut to a square": lambda picture: thumbnail(cropped(picture, 1)),
    "cut to 16:9": lambda picture: thumbnail(cropped(picture, 16 / 9)),
    "brighter": lambda picture: toned(thumbnail(picture), 0.5),
    "darker": lambda picture: toned(thumbnail(picture), 2.2),
    "with more contrast": lambda picture: toned(thumbnail(picture), 1, 2, -0.5),
    "faded": lambda picture: toned(thumbnail(picture), 1, 0.4, 0.4),
    "black and white": lambda picture: thumbnail(picture).convert("L").convert("RGB"),
    "equalised": lambda picture: ImageOps.equalize(thumbnail(picture)),
    "tiny": lambda picture: thumbnail(picture, 48),
}


@pytest.mark.parametrize("name", PREVIEWS)
def test_its_own_preview_however_it_was_made_is_no_contradiction(name):
    for seed in range(2):
        for picture in (scene(seed), detailed(seed), detailed(seed, 320, 480)):
            assert not contradicts(makers.with_preview(picture, PREVIEWS[name](picture)), picture)


@pytest.mark.parametrize("name", [name for name in PREVIEWS if "cut" not in name])
def test_another_picture_contradicts_however_its_preview_was_made(name):
    caught = [
        contradicts(makers.with_preview(detailed(seed), PREVIEWS[name](detailed(seed + 50))), detailed(seed))
        for seed in range(2)
    ]
    assert caught == [True, True]


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_turned_picture_is_compared_upright(orientation):
    picture = scene()
    upright = picture.transpose(imaging.TRANSPOSE[orientation])
    data = makers.with_preview(picture, picture.resize((160, 107)), orientation)
    assert not contradicts(data, upright)


@pytest.mark.parametrize("colour", ["black", "white", "grey"])
def test_a_flat_preview_or_picture_cannot_be_told_apart(colour):
    flat = Image.new("RGB", (160, 107), colour)
    assert not contradicts(makers.with_preview(scene(), flat), scene())
    assert not contradicts(makers.with_preview(flat, scene().resize((160, 107))), flat)


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
