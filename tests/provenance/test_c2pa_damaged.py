"""C2PA in files that are damaged, too large or without end."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlcore.contracts import Says
from mlcore.provenance import bounds, c2pa
from tests import hostile
from tests.provenance.credentials import AI, JPEG, OURS, folder, only


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_truncated(share):
    found = c2pa.read(AI[: int(len(AI) * share)], JPEG, None)
    assert all(each.says in (Says.INFO, Says.INVALID) and not each.signed for each in found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, len(AI) - 1), new=st.binary(max_size=12), drop=st.integers(0, 12))
def test_a_damaged_file_is_never_trusted_for_something_else(tmp_path, place, new, drop):
    where = folder(tmp_path, OURS)
    for found in c2pa.read(AI[:place] + new + AI[place + drop :], JPEG, where):
        assert not found.trusted or found == only(AI, where)
        json.dumps(bounds.finding(found).facts, allow_nan=False)


@pytest.mark.parametrize("claims", [c2pa.MOST_STORE + 1, 2**32 - 1])
def test_more_than_is_looked_at_never_reaches_the_library(monkeypatch, claims):
    monkeypatch.setattr(c2pa, "_report", lambda *_: pytest.fail("the library was called"))
    box = claims.to_bytes(4, "big") + b"jumb" + b"\0\0\0\x20jumd" + bytes(24)
    assert only(hostile.jpeg() + box).facts["readable"] is False


def test_too_many_boxes_never_reach_the_library(monkeypatch):
    monkeypatch.setattr(c2pa, "_report", lambda *_: pytest.fail("the library was called"))
    box = b"\0\0\0\x40jumb" + b"\0\0\0\x20jumd" + bytes(24)
    assert only(hostile.jpeg() + box * (c2pa.MOST_BOXES + 1)).facts["readable"] is False


def test_the_time_limit_ends_the_librarys_work(monkeypatch):
    class AtOnce:
        def __init__(self, seconds, function, args):
            self.call = lambda: function(*args)

        def start(self):
            self.call()

        def cancel(self):
            pass

        join = cancel

    monkeypatch.setattr(c2pa, "Timer", AtOnce)
    found = only(AI)
    assert (found.says, found.facts["readable"]) == (Says.INFO, False)
    assert "cancel" in found.facts["error"]
