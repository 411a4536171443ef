"""Hostile metadata: nothing crashes, nothing swells, and the other parts go on.

How long each file takes is measured by hand (docs/provenance-metadata.md); here the work is
counted, which a busy machine does not change.
"""

from __future__ import annotations

import json
import sys
import tracemalloc
import unicodedata

import pytest
from PIL import Image

from mlcore import imaging
from mlcore.contracts import Finding, ProvenanceSummary, Source
from mlcore.errors import ImageRefused
from mlcore.provenance import blocks, encoding, examine, exif, generators, metadata, xmp
from tests.provenance import hostile, pieces

# Pillow warns of the same corrupt EXIF, 60,000 times for one of the files.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
NAMES = sorted(hostile.HOSTILE)
MOST_CALLS = 1_500_000  # of Python functions and of C functions, for all parts of ours together
MOST_MEMORY = 40 << 20


def test_there_are_enough():
    assert len(hostile.HOSTILE) >= 60


@pytest.mark.parametrize("name", NAMES)
def test_examined_without_harm(name):
    data = hostile.HOSTILE[name]()
    provenance = examine(data, _decoded(data, name), trust_dir=None)
    assert provenance.summary in set(ProvenanceSummary)
    assert len(provenance.findings) <= 40
    for finding in provenance.findings:
        _is_bounded(finding)
        assert finding.facts.get("searched") is not False, f"a part failed: {finding}"
        assert not finding.signed
        assert not finding.trusted


@pytest.mark.parametrize("name", NAMES)
def test_bounded_in_work_and_memory(name):
    data = hostile.HOSTILE[name]()
    _parts(data)  # imports and caches are not this file's fault
    tracemalloc.start()
    calls = _calls(lambda: _parts(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert calls <= MOST_CALLS
    assert peak <= MOST_MEMORY


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_swallowed_by_the_safety_net(name):
    """``read`` catches what nobody thought of; for these files nothing must be left to it."""
    meta = metadata.parse(hostile.HOSTILE[name]())
    found = [*metadata.findings(meta), *generators.findings(meta)]
    assert len(found) <= 40
    for finding in found:
        _is_bounded(finding)


def test_sixty_thousand_values_of_one_megabyte_are_read_once_each():
    found = exif.read(blocks.read(pieces.same_megabyte()).exif)
    assert sum(map(len, found.texts.values())) <= len(exif.TEXTS) * exif.MOST_VALUE


def test_bombs_are_inflated_no_further_than_the_limit():
    assert blocks.inflated(pieces.bomb(), limit=1000) is None
    assert blocks.inflated(pieces.bomb(1 << 20), limit=1 << 20) == b"a" * (1 << 20)


def test_many_bombs_share_one_limit(monkeypatch):
    inflated = []
    whole = blocks.inflated
    monkeypatch.setattr(
        blocks, "inflated", lambda packed, limit: inflated.append(limit) or whole(packed, limit)
    )
    blocks.read(hostile.HOSTILE["png 200 zTXt bombs.png"]())
    assert sum(inflated) <= blocks.MOST_TEXT_ALL


@pytest.mark.parametrize("packet", [pieces.laughs(), pieces.quadratic(), pieces.OUTSIDE, pieces.PARAMETER])
def test_a_document_type_is_refused_before_it_is_read(packet):
    found = xmp.read(packet)
    assert found.refused == "it declares a document type"
    assert found.properties == []


def test_what_comes_before_and_after_the_harm_is_still_read():
    """A bomb in the XMP costs neither the prompt beside it nor the watermark's turn."""
    data = pieces.png_with(
        pieces.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + pieces.laughs()),
        pieces.text_chunk("parameters", pieces.A1111),
    )
    provenance = examine(data, None, trust_dir=None)
    assert provenance.summary is ProvenanceSummary.DECLARED_AI
    assert {finding.source for finding in provenance.findings} >= {Source.GENERATOR, Source.METADATA}


def _decoded(data: bytes, name: str) -> Image.Image | None:
    try:
        return imaging.examine(data, name).image
    except ImageRefused:
        return None


def _parts(data: bytes) -> None:
    image = Image.new("RGB", (48, 32))
    metadata.read(data)
    generators.read(data)
    encoding.read(data, image)


def _calls(work) -> int:
    count = 0

    def counted(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def _is_bounded(finding: Finding) -> None:
    assert len(finding.title) <= 120
    assert len(finding.detail) <= 700
    assert len(json.dumps(finding.facts, allow_nan=False)) <= 16_384
    for text in (finding.title, finding.detail, *_texts(finding.facts)):
        assert not [c for c in text if unicodedata.category(c)[0] == "C"]


def _texts(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (key, *_texts(each))]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else []
