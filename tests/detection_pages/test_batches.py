"""Pages of batches: sending a zip, following it, cancelling, taking the results along."""

from __future__ import annotations

import asyncio

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile

from detection import batch_services, batch_worker
from detection.models import Batch, Detection
from tests.detection.batching import examine_all, work_all
from tests.detection_pages import factory
from tests.hostile import png
from tests.zips import handmade, zipped

pytestmark = pytest.mark.django_db
PICTURES = zipped({"a.png": png(), "<b>.txt": b"no", "c.png": png()})


@pytest.fixture(autouse=True)
def _toy(settings):
    settings.STAGES_MODULE = "tests.detection.toy_stages"


@pytest.fixture
def base(principal) -> str:
    return f"/o/{principal.organisation.slug}/batches/"


def send(client, base: str, data: bytes = PICTURES, **more):
    return client.post(base, {"archive": SimpleUploadedFile("p.zip", data), **more})


def test_a_zip_is_sent_followed_and_done(member_client, base):
    assert "No batches yet" in member_client.get(base).content.decode()
    response = send(member_client, base, reference="Story")
    batch = Batch.objects.get()
    assert response["Location"] == f"{base}{batch.pk}/"
    page = member_client.get(response["Location"]).content.decode()
    assert "0 of 3 images" in page
    assert "data-open" in page
    work_all()
    examine_all()
    batch_worker.take()
    page = member_client.get(response["Location"]).content.decode()
    assert "3 of 3 images" in page
    assert "data-open" not in page
    assert "&lt;b&gt;.txt" in page  # refused, and named as it is
    assert "Cancel the rest" not in page
    assert "Story" in member_client.get(base).content.decode()


def test_one_without_a_name_is_called_as_its_zip(member_client, base, principal):
    send(member_client, base)
    batch = Batch.objects.get()
    assert (batch.title, batch.reference) == ("p.zip", "")
    assert "p.zip" in member_client.get(base).content.decode()
    activity = member_client.get(f"/o/{principal.organisation.slug}/activity/").content.decode()
    assert "began the batch p.zip" in activity
    work_all()
    assert "In <a" in member_client.get(f"/o/{principal.organisation.slug}/history/").content.decode()


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a\u202egpj.zip", "x" * 300 + ".zip"])
def test_whatever_a_zip_is_called_the_name_is_one_for_people(principal, name):
    file = ContentFile(PICTURES, name=name or None)
    batch = batch_services.create_batch(principal=principal, archive=file)
    batch.refresh_from_db()
    assert len(batch.archive_name) <= 255
    assert not {"/", "\u202e"} & set(batch.archive_name)


def test_it_leads_to_its_images_alone(client, make_principal, principal, member_client, base):
    send(member_client, base)
    batch = Batch.objects.get()
    work_all()
    factory.done(principal, "alone.jpg")
    address = f"/o/{principal.organisation.slug}/history/?batch={batch.pk}"
    assert f'href="{address}"' in member_client.get(f"{base}{batch.pk}/").content.decode()
    page = member_client.get(address).content.decode()
    assert [name in page for name in ("a.png", "c.png", "alone.jpg")] == [True, True, False]
    for words in (f"?batch={batch.pk}&amp;answer=measured_ai", f'name="batch" value="{batch.pk}"'):
        assert words in page, "tabs and search stay within the batch"
    other = make_principal()
    client.force_login(other.user)
    assert client.get(f"/o/{other.organisation.slug}/history/?batch={batch.pk}").status_code == 404


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"no zip", "not a zip"), (handmade([b"../a.jpg"]), "leads out of its folder"), (b"", "not a zip")],
)
def test_a_refusal_stands_beside_its_field(member_client, base, data, words):
    response = send(member_client, base, data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Batch.objects.exists()


def test_no_file_at_all(member_client, base):
    response = member_client.post(base, {})
    assert response.status_code == 422
    assert "Choose a zip first." in response.content.decode()


def test_cancelling_asks_first(member_client, base):
    send(member_client, base)
    batch_worker.take()
    cancel = f"{base}{Batch.objects.get().pk}/cancel/"
    assert "cannot be undone" in member_client.get(cancel).content.decode()
    assert Batch.objects.get().state == "running"
    page = member_client.post(cancel, follow=True).content.decode()
    assert "The images that were in already stay." in page
    assert Batch.objects.get().state == "cancelled"
    assert Detection.objects.count() == 1
    assert member_client.get(cancel).status_code == 302  # nothing to ask any more


@pytest.mark.django_db(transaction=True)
def test_results_are_downloads(member_client, base):
    send(member_client, base)
    for kind in ("csv", "jsonl"):
        response = member_client.get(f"{base}{Batch.objects.get().pk}/results.{kind}")
        assert f".{kind}" in response["Content-Disposition"]

        async def read(response=response) -> bytes:
            return b"".join([piece async for piece in response.streaming_content])

        assert b"a.png" in asyncio.run(read())


def test_who_may_what(client, make_principal, principal, member_client, base):
    send(member_client, base)
    one = f"{base}{Batch.objects.get().pk}/"
    client.force_login(make_principal("auditor", principal.organisation).user)
    assert "Your role lets you read results" in client.get(base).content.decode()
    assert "Cancel the rest" not in client.get(one).content.decode()
    assert client.post(one + "cancel/").status_code == 403
    assert send(client, base).status_code == 403
    client.force_login(make_principal().user)
    for path in (base, one, one + "cancel/", one + "results.csv"):
        assert client.get(path).status_code == 404
