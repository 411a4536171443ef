"""Files to pictures: every odd file right, every bad one refused with its code and a sentence."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mlcore.errors import ImageRefused
from mlcore.imaging import Limits, clean_name, examine, preview
from mlcore.pixels import to_rgb
from tests import hostile

SEEDS = [hostile.jpeg(), hostile.png(), hostile.animated("GIF"), hostile.animated("WEBP"),
         hostile.ODD["plain.bmp"](), hostile.ODD["packed.tiff"](), hostile.exif_of_another_size(),
         hostile.broken_icc(), hostile.ODD["plain.heic"](), hostile.ODD["plain.avif"]()]  # fmt: skip


@pytest.mark.parametrize("name", hostile.BROKEN)
def test_bad_files_are_refused_with_a_code_and_a_sentence_that_names_them(name):
    maker, code = hostile.BROKEN[name]
    with pytest.raises(ImageRefused) as refused:
        examine(maker(), name)
    assert refused.value.code == code
    assert str(refused.value).startswith(name)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("name", hostile.ODD)
def test_odd_files_become_plain_rgb_with_true_facts(name):
    data = hostile.ODD[name]()
    picture = examine(data, name)
    assert picture.image.mode == "RGB"
    assert picture.image.size == (picture.facts.width, picture.facts.height)
    assert picture.facts.sha256 == hashlib.sha256(data).hexdigest()
    assert picture.facts.bytes == len(data)
    assert picture.facts.mime.startswith("image/")


SAME_COLOURS = ["plain.jpg", "cmyk.jpg", "plain.png", "plain.webp", "plain.bmp", "plain.tiff", "packed.tiff",
                "cmyk.tiff", "broken icc.jpg", "exif nonsense.jpg"]  # fmt: skip


@pytest.mark.parametrize("name", SAME_COLOURS)
def test_colours_survive(name):
    assert_like(examine(hostile.ODD[name](), name).image, hostile.gradient())


@pytest.mark.parametrize("name", ["plain.heic", "plain.avif"])
def test_colours_survive_in_phone_formats(name):
    assert_like(examine(hostile.ODD[name](), name).image, hostile.gradient(64, 64))


def assert_like(image, expected, tolerance=9):
    got, wanted = np.asarray(image, int), np.asarray(expected, int)
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() <= tolerance


TURNS = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
         5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, -1),
         7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: np.rot90}  # fmt: skip


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "PNG", "WEBP"])
def test_each_orientation_is_undone_in_each_format(orientation, form):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}.get(form, {})
    data = hostile.saved(hostile.gradient(), form, exif=exif, **options)
    picture = examine(data, "turned")
    assert_like(
        picture.image, TURNS[orientation](np.asarray(hostile.gradient())), 12 if form == "WEBP" else 9
    )
    assert picture.facts.orientation == orientation


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_lies_is_ignored_and_said(value):
    picture = examine(hostile.oriented(value), "x.jpg")
    assert picture.image.size == (48, 32)
    assert picture.facts.orientation == 1
    assert any("orientation" in note for note in picture.facts.notes)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("animated.gif", "first of its 3 frames"),
        ("animated.webp", "first of its 3 frames"),
        ("animated.png", "first of its 3 frames"),
        ("pages.tiff", "first of its 3 pages"),
        ("many pages.tiff", "first of its more than 1,000 pages"),
        ("huge exif.png", "EXIF data is larger than 1 MB"),
        ("rgba.png", "laid on white"),
        ("palette.png", "laid on white"),
        ("deep.png", "16-bit"),
        ("cmyk.jpg", "CMYK"),
        ("broken icc.jpg", "profile"),
        ("wrong icc.jpg", "profile"),
        ("really a png.jpg", "ends in .jpg, but it is a PNG"),
        ("exif other size.jpg", "4000 × 3000"),
    ],
)
def test_what_had_to_be_decided_is_said(name, word):
    assert any(word in note for note in examine(hostile.ODD[name](), name).facts.notes)


def test_nothing_is_said_of_plain_files():
    for name in ("plain.jpg", "plain.png", "plain.heic", "plain.avif", "plain.webp"):
        assert examine(hostile.ODD[name](), name).facts.notes == ()


def test_the_first_frame_is_the_one_taken():
    assert examine(hostile.animated("GIF"), "a.gif").image.getpixel((5, 5)) == (255, 0, 0)


def test_transparency_becomes_white_and_the_rest_stays():
    image = examine(hostile.with_alpha("RGB"), "a.png").image
    assert image.getpixel((3, 3)) == (255, 255, 255)
    assert image.getpixel((44, 3)) == hostile.gradient().getpixel((44, 3))


def test_sixteen_bits_keep_their_upper_eight():
    row = np.asarray(examine(hostile.deep(), "deep.png").image)[0, :, 0]
    assert list(row) == [value >> 8 for value in np.linspace(0, 65535, 48).astype(int)]


def test_an_srgb_profile_changes_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = hostile.saved(hostile.gradient(), "PNG", icc_profile=srgb)
    picture = examine(data, "s.png")
    assert np.array_equal(np.asarray(picture.image), np.asarray(hostile.gradient()))
    assert picture.facts.notes == ()


def test_a_good_profile_is_converted_from():
    picture = examine(hostile.swapped_icc(), "swapped.png")
    assert_like(picture.image, np.asarray(hostile.gradient())[:, :, [1, 0, 2]], 3)
    assert any("Swapped" in note for note in picture.facts.notes)


def test_limits_are_the_caller_s():
    for limits, code in [
        (Limits(bytes=10), "too_large"),
        (Limits(pixels=1000), "too_many_pixels"),
        (Limits(min_side=33), "too_small"),
        (Limits(ratio=1.2), "extreme_ratio"),
    ]:
        with pytest.raises(ImageRefused) as refused:
            examine(hostile.jpeg(), "x.jpg", limits)
        assert refused.value.code == code


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for maker in (hostile.bomb, hostile.half_bomb):
        with pytest.raises(ImageRefused, match="megapixels"):
            examine(maker(), "bomb.png")


def test_costly_files_are_refused_before_any_decoder_sees_them(monkeypatch):
    monkeypatch.setattr(Image, "open", lambda *given, **more: pytest.fail("opened"))
    for name in ("many scans.jpg", "many segments.jpg", "giant tile.tiff", "many strips.tiff"):
        with pytest.raises(ImageRefused):
            examine(hostile.BROKEN[name][0](), name)


@pytest.mark.parametrize("tag", [(322, 4, 1, 64), (322, 3, 1, 64)])
def test_a_tile_that_is_given_twice_counts_as_the_larger(tag):
    """Pillow goes by the last, libtiff by the first."""
    with pytest.raises(ImageRefused, match=r"a tile of 400 megapixels"):
        examine(hostile.giant_tile(tag), "x.tiff")


def test_pages_in_a_ring_are_counted_once():
    data = bytearray(hostile.many_pages(3))
    assert examine(bytes(data), "x.tiff").facts.frames == 3
    data[-4:] = data[4:8]
    assert examine(bytes(data), "x.tiff").facts.frames == 3


def test_pages_of_the_large_kind_are_counted():
    pages = [hostile.gradient(mode="L")] * 2
    data = hostile.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:], big_tiff=True)
    assert data[2] == 43
    assert examine(data, "x.tiff").facts.frames == 2


@pytest.mark.parametrize("mode", ["F", "I", "I;16"])
def test_deep_pictures_are_converted_a_few_rows_at_a_time(mode):
    picture = Image.new(mode, (3000, 3000))
    picture.putpixel((2999, 2999), 60_000)
    tracemalloc.start()
    try:
        made, _ = to_rgb(picture)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 18_000_000  # what NumPy and Python took; a copy of the whole would be at least that
    assert made.getpixel((0, 0)) == (0, 0, 0)
    assert made.getpixel((2999, 2999)) == ((60_000 >> 8,) * 3 if mode == "I;16" else (255, 255, 255))


def test_the_widest_range_is_stretched():
    values = np.array([[-3e38, 0.0], [np.nan, 3e38]], np.float32)
    made, _ = to_rgb(Image.fromarray(values))
    assert np.asarray(made)[:, :, 0].tolist() == [[0, 128], [128, 255]]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_are_a_picture_or_refused(data):
    assert examined_or_refused(data)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=6)), max_size=6),
       st.floats(0.02, 1))  # fmt: skip
def test_mutated_files_are_a_picture_or_refused(seed, edits, keep):
    data = bytearray(seed)
    for place, piece in edits:
        start = int(place * len(data))
        data[start : start + len(piece)] = piece
    assert examined_or_refused(bytes(data[: int(keep * len(data))]))


def examined_or_refused(data):
    """True for a whole picture, or for a refusal with a sentence that names the file."""
    try:
        picture = examine(data, "any.jpg")
    except ImageRefused as error:
        return "any.jpg" in str(error)
    facts = picture.facts
    return picture.image.mode == "RGB" and picture.image.size == (facts.width, facts.height)


@settings(max_examples=500)
@given(st.text(max_size=600))
def test_any_name_comes_out_clean_and_stays_so(raw):
    name = clean_name(raw)
    assert 1 <= len(name) <= 255
    assert not {"/", "\\", "\0"} & set(name)
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp") for c in name)
    assert not {"\u200b", "\u200e", "\u200f", "\u2028", "\ufeff", *map(chr, range(0x202A, 0x202F)),
                *map(chr, range(0x2066, 0x206A))} & set(name)  # fmt: skip
    assert name.strip(". ")
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\cat.jpg", "cat.jpg"),
        ("a\x00b\x1f\u202egpj.exe", "ab gpj.exe"),
        ("..", "image"),
        ("", "image"),
        ("  two   words\n.png ", "two words .png"),
        ("cafe\u0301.png", "café.png"),
        ("folder/", "folder"),
        ("نمی\u200cخواهم.jpg", "نمی\u200cخواهم.jpg"),  # Persian is written with it
        ("क्\u200dष.png", "क्\u200dष.png"),
        ("👨\u200d👩\u200d👧.png", "👨\u200d👩\u200d👧.png"),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.png",) * 2,  # England's flag
        ("❤\ufe0f.png", "❤\ufe0f.png"),
        ("\U0001fae8\U0001fadf\U0001f6d8.png",) * 2,  # the last ones are newer than this Python
        ("\u0600١٢.png", "\u0600١٢.png"),
        ("cat\u200d.png", "cat.png"),
        ("a\u200d\u200d\u200db", "ab"),
        ("\u200c\u200d", "image"),
        ("pay\u202egnp\u202c.exe", "paygnp.exe"),
        ("\u2066left\u2069\u200f\u061c.png", "left.png"),
        ("a\u200b\u2060\ufeff\u00adb.png", "ab.png"),
        ("x\U000e0041\U000e0042.png", "x.png"),
        ("a\ufffe\U0001ffff\ufdd0b", "ab"),
    ],
)
def test_names(raw, clean):
    assert clean_name(raw) == clean


def test_a_long_name_keeps_its_ending():
    name = clean_name("n" * 5000 + ".jpeg")
    assert len(name) == 255
    assert name.endswith("….jpeg")


def test_a_refusal_names_the_file_by_its_clean_name():
    with pytest.raises(ImageRefused, match=r"^passwd is empty"):
        examine(b"", "../\x07passwd")


def test_previews():
    small = examine(hostile.png(), "s.png")
    data, mime = preview(small, 320)
    assert mime == "image/png"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), np.asarray(small.image))
    big = examine(hostile.oriented(6, 1800, 900), "b.jpg")
    data, mime = preview(big, 640)
    assert mime == "image/jpeg"
    assert Image.open(io.BytesIO(data)).size == (320, 640)
    assert big.image.size == (900, 1800)
