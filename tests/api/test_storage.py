"""A full storage, as programs and people meet it: one sentence, and nothing is stored."""

from __future__ import annotations

import logging

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import storage
from accounts.models import Organisation
from detection import api_submission, services, trash
from detection.models import Batch, Detection, IdempotentRequest
from tests.accounts.acts import said
from tests.api.conftest import problem, upload
from tests.hostile import png
from tests.zips import zipped

pytestmark = pytest.mark.django_db
SENTENCE = "delete images and empty the trash, or ask who runs this site for more room."
URL = "https://example.org/cat.jpg"


@pytest.fixture(autouse=True)
def _toy(settings):
    settings.STAGES_MODULE = "tests.detection.toy_stages"


@pytest.fixture
def full(principal) -> Detection:
    """The one image of an organisation that holds no other."""
    detection = services.submit(principal=principal, data=png(), name="first.png")
    Organisation.objects.filter(pk=principal.organisation.pk).update(
        storage_quota_bytes=storage.room(principal.organisation.pk).used
    )
    return detection


def archive() -> SimpleUploadedFile:
    return SimpleUploadedFile("p.zip", zipped({"a.png": png()}))


@pytest.fixture
def ways(api, full):
    """Every way to send something, by name."""
    return {
        "file": lambda **more: api.post("detections/", {"file": upload()}, **more),
        "address": lambda **more: api.send("detections/", {"url": URL}, **more),
        "again": lambda **more: api.send(f"detections/{full.pk}/rerun/", {}, **more),
        "zip": lambda **more: api.post("batches/", {"archive": archive()}, **more),
        "addresses": lambda **more: api.send("batches/", {"urls": [URL]}, **more),
    }


@pytest.mark.parametrize("way", ["file", "address", "again", "zip", "addresses"])
def test_a_program_is_refused_every_way_until_there_is_room(ways, way, full, principal, monkeypatch, caplog):
    asked = []
    monkeypatch.setattr(api_submission, "fetch_image", lambda url: (asked.append(url), (png(), "cat.png"))[1])
    key = {"headers": {"Idempotency-Key": "one"}}
    with caplog.at_level(logging.ERROR, "cifake_site"):
        response = ways[way](**key)
    assert response.status_code == 507
    assert SENTENCE in problem(response, "storage-full")["detail"]
    assert asked == []
    assert [each for each in caplog.records if each.name.startswith("cifake_site")] == []  # it is no fault
    assert Detection.everything.count() == 1
    assert not Batch.objects.exists()
    assert not IdempotentRequest.objects.exists()
    Organisation.objects.update(storage_quota_bytes=None)
    assert ways[way](**key).status_code == 202


def test_another_organisations_program_is_not(full, stranger):
    assert stranger.post("detections/", {"file": upload()}).status_code == 202


def test_usage_tells_what_is_stored(api, stranger, full):
    used = full.stored_bytes
    assert api.get("usage/").json()["storage"] == {"bytes": used, "limit": used}
    assert stranger.get("usage/").json()["storage"] == {"bytes": 0, "limit": None}


class TestPages:
    @pytest.fixture
    def at(self, principal) -> str:
        return f"/o/{principal.organisation.slug}/"

    def send(self, client, at, *names, **more):
        files = [SimpleUploadedFile(name, png()) for name in names]
        return client.post(at + "detections/", {"files": files}, **more)

    def test_an_upload_is_refused_by_a_sentence(self, member_client, at, full):
        response = self.send(member_client, at, "a.png", "b.png", headers={"accept": "application/json"})
        assert response.status_code == 507
        for name, refused in zip(("a.png", "b.png"), response.json()["refused"], strict=True):
            assert refused["code"] == "storage_full"
            assert refused["detail"].startswith(f"{name}: The organisation's storage is full: ")
            assert refused["detail"].endswith(SENTENCE)
        page = self.send(member_client, at, "a.png", follow=True)
        assert SENTENCE in said(page)
        assert Detection.everything.count() == 1

    def test_what_still_fits_is_taken_in(self, member_client, at, full):
        Organisation.objects.update(storage_quota_bytes=2 * full.stored_bytes)
        response = self.send(member_client, at, "a.png", "b.png", headers={"accept": "application/json"})
        answer = response.json()
        assert response.status_code == 201
        assert ([each["name"] for each in answer["detections"]], len(answer["refused"])) == (["a.png"], 1)

    def test_a_zip_is_refused_by_a_sentence(self, member_client, at, full):
        response = member_client.post(at + "batches/", {"archive": archive()})
        assert response.status_code == 422
        assert SENTENCE in said(response)
        assert not Batch.objects.exists()

    def test_usage_shows_how_full_it_is(self, member_client, at, full, principal):
        assert "444 bytes of 444 bytes stored Full" in said(member_client.get(at + "usage/"))
        Organisation.objects.update(storage_quota_bytes=2**30)
        page = member_client.get(at + "usage/")
        assert "444 bytes of 1.0 GB stored" in said(page)
        assert f'max="{2**30}" value="444"' in page.content.decode()
        trash.delete(principal=principal, pk=full.pk)
        trash.empty(principal=principal)
        Organisation.objects.update(storage_quota_bytes=None)
        assert "0 bytes stored No limit" in said(member_client.get(at + "usage/"))
