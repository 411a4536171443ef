from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlcore.contracts import Says
from mlcore.provenance import contradictions, exif, labels, metadata, text, vocabulary, xmp
from tests import hostile
from tests.cifake import held_out
from tests.provenance import makers

MAKE, MODEL, SOFTWARE, MODIFIED, ARTIST, DESCRIPTION = 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x010E
TAKEN, WIDTH, HEIGHT, COMMENT, LENS, EXPOSURE = 0x9003, 0xA002, 0xA003, 0x9286, 0xA434, 0x829A
LABEL = '{"Label":"1","ContentProducer":"001191110102MACQD9K64010000","ProduceID":"7"}'


def says(data: bytes) -> dict[Says, list[str]]:
    found: dict[Says, list[str]] = {}
    for finding in metadata.read(data):
        found.setdefault(finding.says, []).append(finding.title)
    return found


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_source_type_is_found_in_every_container(form):
    packet = makers.xmp("", f'Iptc4xmpExt:DigitalSourceType="{makers.SOURCE_TYPE}trainedAlgorithmicMedia"')
    assert says(makers.xmp_file(form, packet))[Says.AI] == ["Source type: made by generative AI"]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("trainedAlgorithmicMedia", Says.AI),
        ("compositeWithTrainedAlgorithmicMedia", Says.EDITED),
        ("digitalCapture", Says.CAMERA),
        ("digitalCreation", Says.INFO),
    ],
)
def test_a_source_type_says_what_its_term_means(term, expected):
    body = f"<Iptc4xmpExt:DigitalSourceType>{makers.SOURCE_TYPE}{term}</Iptc4xmpExt:DigitalSourceType>"
    found = metadata.read(makers.xmp_file("PNG", makers.xmp(body)))
    assert [(finding.says, finding.facts["digital_source_type"]) for finding in found] == [(expected, term)]


def test_an_unknown_source_type_says_nothing():
    assert vocabulary.source_type("http://example.org/untrainedAlgorithmicMedia") is None


def test_a_camera_is_claimed_with_lens_and_settings():
    data = makers.exif_jpeg({MAKE: "Canon", MODEL: "Canon EOS R5"}, {LENS: "RF24-70", EXPOSURE: (1, 125)})
    (finding,) = metadata.read(data)
    assert (finding.says, finding.title) == (Says.CAMERA, "Names a camera: Canon EOS R5")
    assert finding.facts["lens"] == "RF24-70"
    assert finding.facts["exposure_settings"] == 1
    assert not finding.signed


def test_editors_and_generators_are_told_apart():
    assert Says.EDITED in says(makers.exif_jpeg({SOFTWARE: "Adobe Photoshop 25.0"}))
    assert Says.AI in says(makers.exif_jpeg({SOFTWARE: "Adobe Firefly"}))
    assert says(makers.exif_jpeg({SOFTWARE: "16.4.1"})) == {}


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({MAKE: "Black Forest Labs", MODEL: "flux-schnell", SOFTWARE: "AI generated;txt2img;flux"}, "FLUX"),
        ({MAKE: "Ideogram AI"}, "Ideogram"),
    ],
)
def test_a_generator_in_the_camera_tags_is_no_camera(tags, name):
    found = says(makers.exif_jpeg(tags))
    assert found == {Says.AI: [f"Names {name}"]}


def test_google_credits_generated_and_edited_pictures_differently():
    assert Says.AI in says(makers.iptc_jpeg(credit="Made with Google AI"))
    assert set(says(makers.iptc_jpeg(credit="Edited with Google AI"))) == {Says.EDITED}
    assert says(makers.iptc_jpeg(credit="Not AI-generated")) == {}


def test_midjourney_job_and_prompt():
    data = makers.png(
        Description=f"a lonely lighthouse --ar 16:9 --v 6.1 Job ID: {makers.UUID}", Author="someone"
    )
    (finding,) = metadata.read(data)
    assert (finding.says, finding.facts["job"]) == (Says.AI, makers.UUID)
    assert finding.facts["prompt"] == "a lonely lighthouse"
    assert metadata.read(makers.png(Description="the job id: of a printer")) == []


def test_grok_needs_signature_and_artist():
    signed = {DESCRIPTION: "Signature: " + "Ab3+" * 40, ARTIST: makers.UUID}
    assert says(makers.exif_jpeg(signed)) == {Says.AI: ["Grok signature"]}
    assert says(makers.exif_jpeg({DESCRIPTION: signed[DESCRIPTION], ARTIST: "Alice"})) == {}
    assert says(makers.exif_jpeg({DESCRIPTION: "Signature: mine", ARTIST: makers.UUID})) == {}


@pytest.mark.parametrize(
    "data",
    [
        makers.png(AIGC=LABEL),
        makers.exif_jpeg(sub={COMMENT: b"ASCII\0\0\0" + f'{{"AIGC":{LABEL}}}'.encode()}),
        makers.exif_jpeg({DESCRIPTION: f'{{"AIGC":{LABEL}}}'}),
        makers.xmp_file("PNG", makers.xmp(f"<TC260:AIGC>{LABEL}</TC260:AIGC>")),
        makers.xmp_file("JPEG", makers.xmp("", f"TC260:AIGC='{LABEL}'")),
    ],
    ids=["png", "exif comment", "exif description", "xmp element", "xmp attribute"],
)
def test_chinas_label_wherever_it_stands(data):
    (finding,) = metadata.read(data)
    assert (finding.says, finding.title) == (Says.AI, "AIGC label")
    assert finding.facts["producer"] == "001191110102MACQD9K64010000"


def test_chinas_label_of_a_suspicion_declares_nothing():
    assert set(says(makers.png(AIGC=LABEL.replace('"1"', '"3"')))) == {Says.INFO}
    assert says(makers.png(AIGC='{"name":"my chunk"}')) == {}


def test_samsung_notes_ai_tools_and_plain_edits():
    mark = b'\0\0\xa1\x0bPhotoEditor_Re_Edit_Data{"originalPath":"/a","genAIType":%d}SEFT'
    assert says(hostile.jpeg() + mark % 4) == {Says.EDITED: ["Edited with Samsung's AI"]}
    assert says(hostile.jpeg() + mark % 0) == {Says.EDITED: ["Edited in Samsung's gallery"]}
    assert says(hostile.jpeg() + b'"genAIType":4') == {}


def test_saved_before_taken_and_taken_tomorrow():
    camera = {MAKE: "Nikon", MODEL: "Z 8"}
    data = makers.exif_jpeg({**camera, MODIFIED: "2020:01:01 00:00:00"}, {TAKEN: "2021:05:05 12:00:00"})
    assert says(data)[Says.CONTRADICTION] == ["The picture was saved before it was taken"]
    meta = metadata.parse(makers.exif_jpeg(camera, {TAKEN: "2021:05:05 12:00:00"}))
    titles = [each.title for each in contradictions.find(meta, now=datetime(2020, 1, 1))]
    assert titles == ["Taken in the future"]
    assert contradictions.find(meta, now=datetime(2022, 1, 1)) == []


def test_another_time_zone_is_no_contradiction():
    data = makers.exif_jpeg({MODIFIED: "2021:05:05 02:00:00"}, {TAKEN: "2021:05:05 12:00:00"})
    assert says(data) == {}


def test_sizes_that_differ_and_sizes_that_are_only_turned():
    assert Says.CONTRADICTION in says(makers.exif_jpeg(sub={WIDTH: 4000, HEIGHT: 3000}))
    assert says(makers.exif_jpeg(sub={WIDTH: 48, HEIGHT: 32})) == {}
    assert says(makers.exif_jpeg(sub={WIDTH: 32, HEIGHT: 48})) == {}


def test_camera_and_generator_at_once_contradict():
    packet = makers.xmp("", f'Iptc4xmpExt:DigitalSourceType="{makers.SOURCE_TYPE}trainedAlgorithmicMedia"')
    data = makers.exif_jpeg({MAKE: "Canon", MODEL: "EOS R5"}, xmp=packet)
    titles = {finding.title for finding in contradictions.between(metadata.read(data))}
    assert titles == {"Camera and generator both named"}


def test_cifake_has_no_metadata():
    assert [metadata.read(data) for _, data in held_out(50)] == [[]] * 50


def test_dates_of_nonsense_are_none():
    assert contradictions.stamp("0000:00:00 00:00:00") is None
    assert contradictions.stamp("2021-05-05T12:00") == datetime(2021, 5, 5, 12)


def test_a_comment_in_either_byte_order():
    for code in ("utf-16-le", "utf-16-be"):
        data = makers.exif_jpeg(sub={COMMENT: b"UNICODE\0" + "größer".encode(code)})
        assert metadata.parse(data).exif.texts["comment"] == "größer"


def test_a_packets_lists_and_attributes_belong_to_their_property():
    found = xmp.read(
        makers.xmp("<dc:creator><rdf:Seq><rdf:li>Ann</rdf:li></rdf:Seq></dc:creator>", 'xmp:Rating="5"')
    )
    assert (found.first("creator"), found.first("Rating"), found.refused) == ("Ann", "5", "")


@given(st.binary(max_size=400))
def test_any_bytes_after_any_head_are_survived(raw):
    for head in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert isinstance(exif.read(head + raw), exif.Exif)
    assert isinstance(xmp.read(raw), xmp.Xmp)
    for head in (b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a"):
        assert isinstance(metadata.findings(metadata.parse(head + raw)), list)


@given(st.text(max_size=500), st.integers(1, 100))
def test_clean_text_is_short_and_plain(raw, limit):
    cleaned = text.clean(raw, limit)
    assert len(cleaned) <= limit
    assert cleaned.isprintable()


@given(st.text(max_size=300))
def test_json_of_strangers_is_survived(raw):
    assert isinstance(labels.parsed("{" + raw), dict | None)
