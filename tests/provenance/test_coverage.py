"""What a signer's hash leaves out: the manifest alone, or bytes that may be the picture's."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import reduce
from typing import Any

import pytest
from PIL import Image

from mlcore.contracts import Finding, ProvenanceSummary, Says
from mlcore.provenance import coverage, examine
from tests import hostile
from tests.provenance.credentials import OTHERS, OURS, folder, only
from tests.provenance.forged import C2PA_BOX, bmff_hash, boxes, data_hash, forged
from tests.provenance.signed import Authority, signed

FRAMES = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
SEQUENCE = {"save_all": True, "append_images": FRAMES}
FORMS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg": ("JPEG", "image/jpeg", {}),
    "png": ("PNG", "image/png", {}),
    "webp": ("WEBP", "image/webp", {}),
    "webp sequence": ("WEBP", "image/webp", SEQUENCE),
    "gif": ("GIF", "image/gif", {}),
    "gif sequence": ("GIF", "image/gif", SEQUENCE),
    "tiff": ("TIFF", "image/tiff", {}),
    "tiff pages": ("TIFF", "image/tiff", SEQUENCE),
    "tiff deflated": ("TIFF", "image/tiff", {"compression": "tiff_deflate"}),
    "tiff big-endian": ("TIFF", "image/tiff", {"big_endian": True}),
    "avif": ("AVIF", "image/avif", {}),
    "avif sequence": ("AVIF", "image/avif", SEQUENCE),
    "heic": ("HEIF", "image/heic", {}),
    "heif": ("HEIF", "image/heif", {}),
    "heic several": ("HEIF", "image/heic", SEQUENCE),
}


def picture(form: str) -> bytes:
    name, _, options = FORMS[form]
    return hostile.saved(hostile.gradient(64, 48), name, **options)


def of_form(form: str, authority: Authority = OURS, **options: Any) -> bytes:
    return signed(authority, data=picture(form), mime=FORMS[form][1], **options)


@pytest.mark.parametrize(
    ("source", "summary"),
    [("trainedAlgorithmicMedia", "declared_ai_signed"), ("digitalCapture", "camera_signed")],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_listed_signer_is_trusted_in_every_format(tmp_path, form, source, summary):
    found = examine(of_form(form, source_type=source), None, trust_dir=folder(tmp_path, OURS))
    assert found.summary == summary
    assert found.findings[0].facts["hash_covers_everything"] is True


@pytest.mark.parametrize("form", FORMS)
def test_an_unlisted_signer_is_not_trusted_in_any_format(tmp_path, form):
    found = examine(of_form(form), None, trust_dir=folder(tmp_path, OTHERS))
    assert found.summary == ProvenanceSummary.DECLARED_AI
    assert "complete signature" in found.sentence


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_picture_is_invalid_in_every_format(tmp_path, form):
    data = of_form(form)
    before = picture(form)
    place = data.index(before[-40:-8]) + 8  # pictures and sequences end with their pixels, or what follows
    changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    found = examine(changed, None, trust_dir=folder(tmp_path, OURS))
    assert found.summary == ProvenanceSummary.INVALID


def test_what_the_hash_covers_lasts_through_an_edit_in_another_format(tmp_path):
    where = folder(tmp_path, OURS)
    data = signed(
        OURS, source_type=None, action="c2pa.opened", ingredient=of_form("heic"), ingredient_mime="image/heic"
    )
    assert examine(data, None, trust_dir=where).summary == ProvenanceSummary.DECLARED_AI_SIGNED


# Ranges of a file: (start and end of the manifest, length of the file) → ranges left out

Ranges = Callable[[int, int, int], list[tuple[int, int]]]
OTHER_RANGES: dict[str, Ranges] = {
    "from the first byte, as Truepic's": lambda start, end, size: [(0, end)],
    "from the second marker": lambda start, end, size: [(2, end)],
    "bytes of the picture behind it": lambda start, end, size: [(start, end + 100)],
    "to the end": lambda start, end, size: [(start, size)],
    "less than the manifest": lambda start, end, size: [(start + 4, end)],
    "in two parts": lambda start, end, size: [(start, start + 100), (start + 100, end)],
    "a second range": lambda start, end, size: [(start, end), (size - 100, size)],
    "a second range before": lambda start, end, size: [(0, start), (start, end)],
    "beyond the file": lambda start, end, size: [(start, size + 1000)],
}


def with_ranges(ranges: Ranges) -> bytes:
    def alter(file: bytes, made: dict[str, Any]) -> dict[str, Any]:
        (own,) = made["exclusions"]
        found = ranges(own["start"], own["start"] + own["length"], len(file))
        exclusions = [{"start": start, "length": end - start} for start, end in found]
        return {**made, "name": "x", "exclusions": exclusions, "hash": data_hash(file, found)}

    return forged(OURS, alter)


def unproven(found: Finding) -> bool:
    """Neither called changed nor trusted."""
    return found.says == Says.AI and not found.trusted and found.facts["hash_covers_everything"] is False


def test_the_forger_forges_what_is_trusted(tmp_path):
    """Else the tests below would prove nothing."""
    found = only(with_ranges(lambda start, end, size: [(start, end)]), folder(tmp_path, OURS))
    assert found.trusted


@pytest.mark.parametrize("name", OTHER_RANGES)
def test_other_ranges_are_neither_changed_nor_trusted(tmp_path, name):
    found = only(with_ranges(OTHER_RANGES[name]), folder(tmp_path, OURS))
    assert unproven(found)
    assert found.facts["content"] == ("not checked" if name == "beyond the file" else "matches")
    assert "was changed" not in found.detail


@pytest.mark.parametrize("name", list(OTHER_RANGES)[:4])
def test_what_other_ranges_do_cover_is_still_compared(tmp_path, name):
    data = with_ranges(OTHER_RANGES[name])
    place = {"to the end": 8}.get(name, len(data) - 10)
    found = only(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], folder(tmp_path, OURS))
    assert (found.says, found.facts["content"]) == (Says.INVALID, "broken")


@pytest.mark.parametrize("alter", [{"alg": "sha3-256"}, {"name": "", "url": "https://a.example"}])
def test_a_hash_that_cannot_be_computed_is_no_change(tmp_path, alter):
    found = only(forged(OURS, lambda file, made: {**made, **alter}), folder(tmp_path, OURS))
    assert unproven(found)
    assert found.facts["content"] == "not checked"
    assert not found.signed


def test_a_hash_that_differs_is_a_change(tmp_path):
    found = only(forged(OURS, lambda file, made: {**made, "hash": bytes(32)}), folder(tmp_path, OURS))
    assert (found.says, found.facts["content"]) == (Says.INVALID, "broken")


# Boxes of HEIF and AVIF

OTHER_BOXES: dict[str, tuple[dict[str, Any], set[bytes]]] = {
    "/mdat": ({"xpath": "/mdat"}, {b"mdat"}),
    "/meta": ({"xpath": "/meta"}, {b"meta"}),
    "any uuid": ({"xpath": "/uuid"}, {b"uuid"}),
}


def with_boxes(form: str, added: dict[str, Any], kinds: set[bytes]) -> bytes:
    def alter(file: bytes, made: dict[str, Any]) -> dict[str, Any]:
        kept = [each for each in made["exclusions"] if each["xpath"] in ("/uuid", "/ftyp")]
        exclusions = [added, kept[1]] if added["xpath"] == "/uuid" else [*kept, added]
        left_out = {b"ftyp", *kinds}
        found = bmff_hash(file, lambda kind, box: kind in left_out or box[8:24] == C2PA_BOX)
        return {**made, "name": "x", "exclusions": exclusions, "hash": found}

    return forged(OURS, alter, data=picture(form), mime=FORMS[form][1], filler="name")


@pytest.mark.parametrize("form", ["heic", "avif"])
@pytest.mark.parametrize("name", OTHER_BOXES)
def test_other_boxes_are_neither_changed_nor_trusted(tmp_path, form, name):
    found = only(with_boxes(form, *OTHER_BOXES[name]), folder(tmp_path, OURS), FORMS[form][1])
    assert unproven(found)
    assert found.facts["content"] == "matches"


@pytest.mark.parametrize("form", ["heic", "avif"])
def test_fewer_boxes_are_all_the_better(tmp_path, form):
    data = with_boxes(form, {"xpath": "/free", "length": 4000}, set())
    assert only(data, folder(tmp_path, OURS), FORMS[form][1]).trusted


def hidden(form: str, kind: bytes) -> bytes:
    """The picture's bytes in a box that hashes leave out."""
    data = picture(form)
    (place,) = [start for start, end in boxes(data) if data[start + 4 : start + 8] == b"mdat"]
    return data[: place + 4] + kind + data[place + 8 :]


@pytest.mark.parametrize("form", ["heic", "avif", "avif sequence", "heic several"])
@pytest.mark.parametrize("kind", [b"free", b"skip"])
def test_a_picture_within_a_box_that_is_left_out_is_not_vouched_for(tmp_path, form, kind):
    hiding = hidden(form, kind)
    assert Image.open(io.BytesIO(hiding)).convert("RGB").size == (64, 48)
    data = signed(OURS, data=hiding, mime=FORMS[form][1])
    assert unproven(only(data, folder(tmp_path, OURS), FORMS[form][1]))


def test_an_empty_box_behind_the_picture_is_harmless(tmp_path):
    data = signed(OURS, data=picture("heic") + struct.pack(">I4s", 16, b"free") + bytes(8), mime="image/heic")
    assert only(data, folder(tmp_path, OURS), "image/heic").trusted


def test_a_tiff_whose_picture_lies_in_the_manifest_is_not_vouched_for():
    data = of_form("tiff")
    left_out = [(data.index(b"jumb") - 4, len(data))]
    assert coverage._tiff_covered(data, left_out)
    strip = data.rindex(struct.pack("<HHI", 273, 4, 1))
    moved = data[: strip + 8] + struct.pack("<I", left_out[0][0]) + data[strip + 12 :]
    assert not coverage._tiff_covered(moved, left_out)
    assert not coverage._tiff_covered(data, [(strip + 8, strip + 12), *left_out])


@pytest.mark.parametrize(
    "exclusions", [None, "x", [None], [{}], [{"xpath": None}], [{"xpath": "/uuid", "data": [{}]}]]
)
@pytest.mark.parametrize("kind", [coverage.DATA, coverage.BMFF])
def test_nonsense_is_survived(kind, exclusions):
    stores = {
        "a": {"assertion_store": {kind: {"exclusions": exclusions}}},
        "b": None,
        "c": {"assertion_store": 3},
    }
    assert set(coverage.covered(stores, b"II*\0", {"a"})) == {"a"}


@pytest.mark.parametrize("form", ["heic", "avif", "avif sequence", "tiff"])
def test_damaged_files_are_survived(form):
    data = of_form(form)
    exclusions = (
        [{"xpath": "/free"}] if form != "tiff" else [{"start": 0, "length": 8}, {"start": 9, "length": 4}]
    )
    stores = {
        "a": {
            "assertion_store": {
                coverage.DATA if form == "tiff" else coverage.BMFF: {"exclusions": exclusions}
            }
        }
    }
    for place in range(0, len(data), 97):
        for bad in (data[:place], data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]):
            assert coverage.covered(stores, bad, {"a"})["a"] in (True, False)


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def iloc(items: int, extents: int) -> bytes:
    """Numbers of no bytes: a list that costs nothing to write and ages to read."""
    one = struct.pack(">HHH", 1, 0, extents)
    return box(b"meta", bytes(4) + box(b"iloc", bytes(4) + b"\0\0" + struct.pack(">H", items) + one * items))


FLOODS = {
    "extents": iloc(60_000, 65_535),
    "boxes": box(b"moov", b"".join(box(b"trak", box(b"free", b"") * 100) for _ in range(1000))),
    "depth": reduce(lambda inner, _: box(b"moov", inner), range(12), b""),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods_end_early_and_are_not_vouched_for(flood):
    with pytest.raises(coverage.Unclear):
        coverage._Boxes(FLOODS[flood]).hide_a_picture()


def sequence(kind: bytes, form: str, *offsets: int) -> bytes:
    """The table of a sequence's chunks, where ISO 14496-12 has it."""
    table = box(kind, bytes(4) + struct.pack(f">I{len(offsets)}{form}", len(offsets), *offsets))
    return reduce(lambda inner, name: box(name, inner), (b"stbl", b"minf", b"mdia", b"trak", b"moov"), table)


@pytest.mark.parametrize(("kind", "form"), [(b"stco", "I"), (b"co64", "Q")])
def test_chunks_of_a_sequence_lie_behind_all_that_is_left_out(kind, form):
    head, free, pixels = box(b"ftyp", b"avis"), box(b"free", bytes(40)), box(b"mdat", b"p" * 40)
    table = sequence(kind, form, 0, 0)
    before = len(head) + len(free) + len(table)
    good = head + free + sequence(kind, form, before + 30, before + 8) + pixels
    assert not coverage._Boxes(good).hide_a_picture()
    assert coverage._Boxes(
        head + free + sequence(kind, form, before + 8, len(head) + 8) + pixels
    ).hide_a_picture()
    assert coverage._Boxes(good + free).hide_a_picture()  # the last chunk may reach into it


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("method", [0, 1])
def test_every_version_of_the_list_of_items(version, method):
    head, free = box(b"ftyp", b"heic"), box(b"free", bytes(40))
    item = struct.pack(">H" if version < 2 else ">I", 1) + (struct.pack(">H", method) if version else b"")
    item += struct.pack(
        ">HIHII", 0, len(head), 1, 8, 4
    )  # bytes 8 to 12 behind the base, which is the box's start
    count = struct.pack(">H" if version < 2 else ">I", 1)
    listed = box(b"iloc", bytes([version, 0, 0, 0]) + b"\x44\x40" + count + item)
    file = head + free + box(b"meta", bytes(4) + listed)
    assert coverage._Boxes(file).hide_a_picture() == (version == 0 or method == 0)
