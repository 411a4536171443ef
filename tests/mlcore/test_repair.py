"""Broken, unsupported and harmlessly odd are three different things, and are told apart."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from mlcore import imaging, provenance, repair
from mlcore.contracts import ProvenanceSummary
from mlcore.errors import IMAGE_CODES, ImageRefused
from mlcore.repair.prepared import missing_share
from tests import hostile, oddities
from tests.mlcore.test_imaging import assert_like


@pytest.mark.parametrize("name", oddities.CUT)
def test_what_browsers_show_of_a_file_without_its_end_is_examined_with_a_note(name):
    maker, words = oddities.CUT[name]
    picture = imaging.examine(maker(), name)
    notes = " ".join(picture.facts.notes)
    assert words in notes
    share = 2 / 3 if "grey 16" in name else 0.9
    shown, whole = np.asarray(picture.image, int), np.asarray(_whole(name), int)
    assert shown.shape == whole.shape
    top = int(len(whole) * share)
    assert np.abs(shown[:top] - whole[:top]).mean() < 60  # noise against another noise is some 85


def _whole(name: str) -> Image.Image:
    return imaging.examine(hostile.deep(), name).image if "grey 16" in name else _kind(name)


def _kind(name: str) -> Image.Image:
    image = oddities.noise()
    return image.convert("L").convert("RGB") if "grey" in name else image


@pytest.mark.parametrize("name", oddities.ODD)
def test_harmless_oddities_change_nothing_of_the_picture(name):
    maker, words = oddities.ODD[name]
    picture = imaging.examine(maker(), name)
    side = (64, 64) if name.endswith(".avif") else (48, 32)
    wide = 36 if "4444" in name else 20 if name[:3] in ("555", "155", "565", "top") or ".gif" in name else 9
    assert_like(picture.image, hostile.gradient(*side), wide)
    notes = " ".join(picture.facts.notes)
    assert words in notes
    assert words or not notes, notes


@pytest.mark.parametrize("name", oddities.REFUSED)
def test_broken_and_unsupported_are_told_apart(name):
    maker, code, words = oddities.REFUSED[name]
    with pytest.raises(ImageRefused) as refused:
        imaging.examine(maker(), name)
    assert (refused.value.code, words in str(refused.value)) == (code, True), str(refused.value)
    assert str(refused.value).startswith(name)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_xmp_alone_turns_nothing(form):
    picture = imaging.examine(oddities.with_xmp(form), "x")
    assert picture.image.size == (48, 32)
    assert picture.facts.orientation == 1


@pytest.mark.parametrize("name", hostile.COSTLY)
def test_costly_files_never_reach_a_decoder_as_they_are(name, monkeypatch):
    maker, code = hostile.COSTLY[name]
    given: list[int] = []
    opened = Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, **more: given.append(len(file.getvalue())) or opened(file, **more)
    )
    if code:
        with pytest.raises(ImageRefused) as refused:
            imaging.examine(maker(), name)
        assert refused.value.code == code
    else:
        imaging.examine(maker(), name)
    assert all(size < 100_000 for size in given)


def test_missing_parts_are_measured_from_the_first_difference_on():
    first = Image.new("RGB", (160, 160))
    second = first.copy()
    second.paste((9, 9, 9), (80, 80, 96, 96))
    assert missing_share(first, first) == 0
    assert missing_share(first, second) == pytest.approx(1 - (80 * 160 + 80 * 16) / 160**2)


def test_a_picture_that_ends_in_grey_is_whole():
    flat = hostile.saved(Image.new("RGB", (64, 64), (128, 128, 128)), "JPEG")
    assert imaging.examine(flat, "x.jpg").facts.notes == ()


def test_frames_beyond_the_first_are_not_handed_on():
    prepared = repair.prepare(hostile.gif_of_frames(3000), ("GIF",), 50_000_000)
    assert prepared.frames == 1001
    assert len(prepared.data) < 2000


@pytest.mark.parametrize("major", [b"avif", b"mif1", b"miaf", b"MA1B"])
def test_what_a_file_says_of_itself_is_read_whatever_its_major_brand(major):
    packet = XMP % "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    data = oddities.avif(major, image=hostile.saved(hostile.gradient(64, 64), "AVIF", xmp=packet.encode()))
    found = provenance.examine(data, None, trust_dir=None)
    assert found.summary == ProvenanceSummary.DECLARED_AI


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="%s"/></rdf:RDF></x:xmpmeta>'
)


def test_of_a_tiff_that_begins_with_a_thumbnail_the_picture_is_examined():
    pages = [hostile.gradient(16, 16), hostile.gradient()]
    info = TiffImagePlugin.ImageFileDirectory_v2()
    data = hostile.saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert imaging.examine(data, "x.tiff").image.size == (16, 16)  # two pages, as they are
    info[254] = 1
    first = hostile.saved(pages[0], "TIFF", tiffinfo=info, save_all=True, append_images=pages[1:])
    second = bytearray(first)
    places = [at for at in range(len(first)) if first[at : at + 8] == struct.pack("<HHI", 254, 4, 1)]
    for at in places[1:]:
        second[at + 8] = 0
    picture = imaging.examine(bytes(second), "x.tiff")
    assert_like(picture.image, hostile.gradient())
    assert picture.facts.notes == ("Its page 2 is examined: those before it are thumbnails.",)


def test_every_code_is_one_of_those_that_are_documented():
    codes = {code for _, code in hostile.BROKEN.values()} | {code for _, code, _ in oddities.REFUSED.values()}
    assert codes | {"too_large"} == set(IMAGE_CODES)
