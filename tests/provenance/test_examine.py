"""All parts together: each guarded, all bounded, the strongest first, never an exception."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore import provenance
from mlcore.contracts import Finding, ProvenanceSummary, Says, Source
from mlcore.provenance import bounds, trust
from tests import hostile
from tests.provenance.signed import Authority, signed

INFO = Finding(Source.METADATA, Says.INFO, "Info", "Info.")
AI = Finding(Source.GENERATOR, Says.AI, "Made", "Made.")


@pytest.fixture
def parts(monkeypatch):
    """``parts(metadata=…, …)``: these parts and no others; each value is what it gives, or raises."""

    def install(**given):
        def part(outcome):
            def run(*_):
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            return run

        monkeypatch.setattr(provenance, "PARTS", {Source(name): part(each) for name, each in given.items()})

    return install


def examined(data: bytes = b"x"):
    return provenance.examine(data, None, trust_dir=None)


@pytest.mark.parametrize(
    "error", [ValueError("x"), MemoryError(), RecursionError(), ImportError("gone"), OSError()]
)
def test_one_part_that_fails_costs_its_own_findings_only(parts, caplog, error):
    parts(metadata=error, generator=[AI])
    found = examined()
    assert found.summary == ProvenanceSummary.DECLARED_AI
    assert [each.title for each in found.findings] == ["Made", "Not searched"]
    assert "metadata failed" in caplog.text


def test_all_parts_that_fail_make_none(parts):
    parts(metadata=ValueError(), generator=KeyError(), c2pa=OSError())
    assert examined().summary == ProvenanceSummary.NONE


def test_strongest_first(parts):
    trusted = Finding(Source.C2PA, Says.AI, "Signed", "Signed.", signed=True, trusted=True)
    parts(metadata=[INFO], generator=[AI], c2pa=[trusted])
    assert [each.title for each in examined().findings] == ["Signed", "Made", "Info"]


def test_no_flood_hides_a_strong_finding(parts):
    parts(metadata=[INFO] * 5000 + [AI], encoding=[INFO] * 5000)
    found = examined()
    assert found.summary == ProvenanceSummary.DECLARED_AI
    assert len(found.findings) == bounds.MOST_FINDINGS
    assert found.findings[0].says == Says.AI


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=60) | st.dictionaries(st.text() | st.integers(), inner, max_size=60)
    ),
    max_leaves=200,
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(title=st.text(), detail=st.text(), facts=st.dictionaries(st.text(), JSONISH))
def test_findings_are_short_plain_json(title, detail, facts):
    found = bounds.finding(Finding(Source.METADATA, Says.INFO, title, detail, facts=facts))
    text = json.dumps(asdict(found), allow_nan=False, ensure_ascii=False)
    assert len(json.dumps(found.facts)) <= bounds.FACTS_BYTES
    assert len(found.title) <= bounds.TITLE
    assert len(found.detail) <= bounds.DETAIL
    text.encode()  # no lone surrogates
    assert text.isprintable()


def test_deep_and_wide_facts_are_cut():
    deep: dict = {}
    for _ in range(10_000):
        deep = {"a": deep, "b": "x" * 10_000}
    wide = {f"k{number}": ["x" * 1000] * 1000 for number in range(1000)}
    for facts in (deep, wide):
        found = bounds.finding(Finding(Source.METADATA, Says.INFO, "t", "d", facts=facts))
        assert len(json.dumps(found.facts)) <= bounds.FACTS_BYTES


def test_a_file_that_is_too_large_is_not_searched(parts, monkeypatch):
    parts(metadata=[AI])
    monkeypatch.setattr(provenance, "MOST_BYTES", 10)
    found = examined(b"x" * 11)
    assert found.summary == ProvenanceSummary.NONE
    assert found.findings[0].facts == {"searched": False}


def test_a_signed_picture_through_all_parts(tmp_path):
    authority = Authority()
    trust.install({trust.SIGNERS: authority.pem.encode()}, tmp_path)
    data = signed(authority)
    assert provenance.examine(data, None, trust_dir=tmp_path).summary == "declared_ai_signed"
    assert provenance.examine(data, None, trust_dir=None).summary == "declared_ai"
    assert provenance.examine(data[:-9] + bytes(9), None, trust_dir=tmp_path).findings[0].says == Says.INVALID


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_plain_picture_says_nothing(form):
    image = hostile.gradient()
    found = provenance.examine(hostile.saved(image, form), image, trust_dir=None)
    assert found.summary == ProvenanceSummary.NONE
    assert all(each.says == Says.INFO for each in found.findings)
    assert all(each.facts.get("searched", True) for each in found.findings)


@pytest.mark.parametrize("name", sorted({**hostile.BROKEN, **hostile.ODD}))
def test_bad_and_odd_files_never_raise(name):
    maker = hostile.BROKEN[name][0] if name in hostile.BROKEN else hostile.ODD[name]
    found = provenance.examine(maker(), None, trust_dir=None)
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["summary"] == found.summary
    assert found.sentence
    assert not any(each.signed or each.trusted for each in found.findings)
