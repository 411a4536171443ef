"""What was received of an upload lies on the disk no longer than its view is at work."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from django.urls import resolve, reverse

from tests import hostile
from tests.api.conftest import bearer
from tests.zips import zipped

pytestmark = pytest.mark.django_db
ZIP = zipped({"cat.png": hostile.png()})


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path: Path) -> Path:
    settings.FILE_UPLOAD_TEMP_DIR, settings.FILE_UPLOAD_MAX_MEMORY_SIZE = tmp_path / "uploads", 0
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    return settings.FILE_UPLOAD_TEMP_DIR


def answer(path: str, user=None, **files: bytes):
    """The view's answer, which nobody closes, as after a client that has hung up; and its request."""
    data = {name: SimpleUploadedFile("a.bin", content) for name, content in files.items()}
    headers = bearer(user) if isinstance(user, str) else {}
    request = RequestFactory().post(path, data, headers=headers)
    request.user, request.session = user, {}
    request._messages = FallbackStorage(request)
    request._dont_enforce_csrf_checks = True
    found = resolve(path)
    return found.func(request, *found.args, **found.kwargs), request


@pytest.mark.parametrize("content", [hostile.png(), b"no picture"])
@pytest.mark.parametrize("name", ["detections", "batches"])
def test_the_api(make_key, principal, uploads, name, content):
    field = {"detections": "file", "batches": "archive"}[name]
    response, request = answer(f"/api/v1/{name}/", make_key(principal)[1], **{field: content})
    assert response.status_code in (202, 422)
    assert request._files
    assert list(uploads.iterdir()) == []


def test_a_zip_that_was_moved_to_the_store_stays_there(make_key, principal, uploads):
    response, _ = answer("/api/v1/batches/", make_key(principal)[1], archive=ZIP)
    assert response.status_code == 202
    assert principal.organisation.batches.get().archive.read() == ZIP
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize(("name", "field"), [("detection_submit", "files"), ("batches", "archive")])
def test_pages(principal, uploads, name, field):
    path = reverse(name, args=[principal.organisation.slug])
    _, request = answer(path, principal.user, **{field: b"neither a picture nor a zip"})
    assert request.FILES
    assert list(uploads.iterdir()) == []
