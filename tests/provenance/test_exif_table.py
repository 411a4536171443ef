"""All of the EXIF data in words: what people read first, and nothing that costs time or memory."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from mlcore import provenance
from mlcore.provenance import exif_table
from mlcore.provenance_process import as_json, from_json

EXIF, GPS = 0x8769, 0x8825


def exif(base: dict | None = None, shot: dict | None = None, gps: dict | None = None) -> Image.Exif:
    found = Image.Exif()
    found.update(base or {})
    found.get_ifd(EXIF).update(shot or {})
    found.get_ifd(GPS).update(gps or {})
    return found


def rows(found: Image.Exif) -> dict[str, str]:
    return dict(exif_table.read(found.tobytes().removeprefix(b"Exif\0\0")).rows)


def place(north, east, south="N", west="E"):
    gps = {1: south, 2: north, 3: west, 4: east}
    return exif_table.read(exif(gps=gps).tobytes().removeprefix(b"Exif\0\0")).place


@pytest.mark.parametrize(
    ("tag", "value", "label", "text"),
    [
        (0x829A, IFDRational(1, 250), "Exposure time", "1/250 s"),
        (0x829A, IFDRational(5, 2), "Exposure time", "2.5 s"),
        (0x829A, IFDRational(0, 1), "Exposure time", "0 s"),
        (0x829D, IFDRational(28, 10), "F number", "f/2.8"),
        (0x8827, 400, "ISO speed ratings", "ISO 400"),
        (0x920A, IFDRational(85, 1), "Focal length", "85 mm"),
        (0x9204, IFDRational(-2, 3), "Exposure bias value", "-0.6667 EV"),
        (0x9209, 25, "Flash", "fired"),
        (0x9209, 16, "Flash", "did not fire"),
        (0x8822, 3, "Exposure program", "aperture priority"),
        (0x8822, 200, "Exposure program", "200"),
        (0x9003, "2026:10:12 09:14:33", "Date time original", "2026:10:12 09:14:33"),
        (0xA434, "EF 85mm", "Lens model", "EF 85mm"),
        (0x9286, b"ASCII\0\0\0at dawn", "User comment", "at dawn"),
        (0x9C9C, "gut gemacht".encode("utf-16-le"), "XP comment", "gut gemacht"),
        (0x9286, b"UNICODE\0" + "冬の朝".encode("utf-16-be"), "User comment", "冬の朝"),
    ],
)
def test_exposure_and_the_like_are_written_as_cameras_do(tag, value, label, text):
    assert rows(exif(shot={tag: value}))[label] == text


def test_tags_of_the_first_directory_and_unknown_ones_are_listed():
    found = rows(exif({0x010F: "Canon", 0x0110: "EOS R5", 0x0112: 6, 0xC7A1: "something"}))
    assert found == {
        "Make": "Canon",
        "Model": "EOS R5",
        "Orientation": "turned right",
        "Tag 51105": "something",
    }


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (place((52.0, 31.0, 12.0), (13.0, 24.0, 36.0)), (52.52, 13.41)),
        (place((33.0, 51.0, 31.0), (151.0, 12.0, 51.0), "S", "E"), (-33.858611, 151.214167)),
        (place((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), None),
        (place((91.0, 0.0, 0.0), (13.0, 0.0, 0.0)), None),
        (place((52.0, 0.0, 0.0), (181.0, 0.0, 0.0)), None),
    ],
)
def test_a_place_is_given_where_it_can_be_one(found, wanted):
    assert found == wanted


def test_a_file_s_table_goes_through_the_process_and_back():
    out = io.BytesIO()
    gps = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    Image.new("RGB", (32, 32)).save(out, "JPEG", exif=exif({0x010F: "Canon"}, gps=gps))
    found = provenance.examine(out.getvalue(), None, trust_dir=None)
    assert ("Make", "Canon") in found.exif
    assert found.place == (52.52, 13.41)
    assert from_json(as_json(found)) == found


def test_results_from_before_there_was_a_table_can_be_read():
    found = from_json({"summary": "none", "sentence": "", "findings": []})
    assert (found.exif, found.place) == ((), None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_any_bytes_give_a_table(body, head):
    found = exif_table.read(head + body)
    assert all(text and len(text) <= exif_table.MOST_TEXT for _, text in found.rows)


def test_a_million_values_and_sixty_thousand_tags_stay_small():
    head = b"II*\0\x08\0\0\0"
    tags = b"".join(struct.pack("<HHII", 1000 + n, 12, 1 << 28, 8) for n in range(60_000))
    found = exif_table.read(head + struct.pack("<H", 60_000) + tags + bytes(8))
    assert len(found.rows) <= exif_table.MOST_ROWS
    assert all(len(text) <= exif_table.MOST_TEXT for _, text in found.rows)
