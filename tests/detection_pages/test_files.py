"""Files leave through the gate, as what they are, and may do nothing in a browser."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.urls import reverse
from PIL import Image

from mlcore import imaging, overlay
from mlcore.repair import jpeg
from tests import hostile
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db
SHOWN = ["preview", "thumbnail", "heatmap"]
SAVED = ["original", "overlay"]


@pytest.fixture
def fetch(member_client, principal):
    def get(detection, kind, method="get", **headers):
        url = reverse("detection_file", args=[principal.organisation.slug, detection.pk, kind])
        return getattr(member_client, method)(url, headers=headers)

    return get


@pytest.mark.parametrize("kind", SHOWN + SAVED)
def test_headers(fetch, principal, kind):
    response = fetch(factory.done(principal), kind)
    assert response.status_code == 200
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "private, no-cache"
    assert "Cookie" in response["Vary"]
    assert response["Content-Type"] in ("image/jpeg", "image/png")
    assert response["Content-Disposition"].startswith("attachment" if kind in SAVED else "inline")


@pytest.mark.parametrize("kind", SHOWN + SAVED)
def test_what_a_browser_has_is_not_sent_again(fetch, principal, kind):
    detection = factory.done(principal)
    tag = fetch(detection, kind)["ETag"]
    again = fetch(detection, kind, if_none_match=tag)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    assert again["Cache-Control"] == "private, no-cache"
    assert fetch(detection, kind, if_none_match='"another"').status_code == 200


def test_the_original_comes_back_byte_for_byte_under_its_own_name(fetch, principal):
    data = hostile.jpeg(60, 40)
    response = fetch(factory.waiting(principal, "Füße „quer”.jpg", data), "original")
    assert response.content == data
    assert response["Content-Disposition"] == (
        "attachment; filename*=utf-8''F%C3%BC%C3%9Fe%20%E2%80%9Equer%E2%80%9D.jpg"
    )


def test_the_overlay_has_the_size_and_the_turn_of_the_upright_original(fetch, principal):
    detection = factory.done(principal, data=hostile.oriented(6, 300, 200))
    with Image.open(io.BytesIO(fetch(detection, "overlay").content)) as drawn:
        assert drawn.format == "PNG"
        assert drawn.size[0] == 200
        assert drawn.size[1] >= 300


@pytest.mark.parametrize("method", ["get", "head"])
def test_an_overlay_is_drawn_for_a_body_alone(fetch, principal, monkeypatch, method):
    detection = factory.done(principal)
    monkeypatch.setattr(overlay, "compose", lambda *given: pytest.fail("drawn"))
    monkeypatch.setattr(imaging, "examine", lambda *given: pytest.fail("decoded"))
    head = fetch(detection, "overlay", "head")
    assert (head.status_code, head["Content-Type"]) == (200, "image/png")
    assert "Content-Length" not in head
    assert fetch(detection, "overlay", method, if_none_match=head["ETag"]).status_code == 304


@pytest.mark.parametrize("kind", ["original", "overlay", *SHOWN])
def test_head_tells_the_length_of_a_stored_file(fetch, principal, kind):
    detection = factory.done(principal)
    whole, head = fetch(detection, kind), fetch(detection, kind, "head")
    assert head["Content-Length"] == str(len(whole.content))
    assert head["ETag"] == whole["ETag"]


@pytest.mark.parametrize("kind", ["original", "overlay"])
def test_a_file_that_is_gone_is_not_found(fetch, principal, kind):
    detection = factory.done(principal)
    Path(detection.original.path).unlink()
    assert fetch(detection, kind).status_code == 404


def test_an_original_that_is_let_in_no_more_has_no_overlay(fetch, principal, monkeypatch):
    detection = factory.done(principal)
    monkeypatch.setattr(jpeg, "MOST_SCANS", 0)
    assert fetch(detection, "overlay").status_code == 404


@pytest.mark.parametrize("kind", ["heatmap", "overlay"])
def test_what_is_not_made_yet_is_not_found(fetch, principal, kind):
    assert fetch(factory.waiting(principal), kind).status_code == 404


@pytest.mark.parametrize("kind", ["nonsense", "..", "secret_key"])
def test_unknown_kinds_are_not_found(fetch, principal, kind):
    assert fetch(factory.done(principal), kind).status_code == 404
