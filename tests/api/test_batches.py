"""Batches through the API: a zip or addresses in, progress and results out."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from accounts.access import READ
from detection import batch_worker
from detection.models import Batch, Detection
from tests.api.conftest import Api, problem
from tests.detection.batching import examine_all, work_all
from tests.detection.conftest import finish
from tests.hostile import png
from tests.zips import handmade, zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]


@pytest.fixture
def toy(settings):
    settings.STAGES_MODULE = "tests.detection.toy_stages"


PICTURES = zipped({"a.png": png(), "b.txt": b"no"})  # once: a zip holds the time


def archive(data: bytes = PICTURES) -> SimpleUploadedFile:
    return SimpleUploadedFile("pictures.zip", data)


def streamed(response) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return asyncio.run(read())


def test_a_zip_from_order_to_results(api, principal):
    response = api.post("batches/", {"archive": archive(), "reference": "story"})
    found = response.json()
    assert response.status_code == 202, found
    assert response["Location"] == found["url"]
    assert response["Retry-After"] == "5"
    assert (found["total"], found["state"], found["reference"], found["finished"]) == (
        2,
        "queued",
        "story",
        0,
    )
    work_all()
    examine_all()
    batch_worker.take()
    found = api.get(found["url"]).json()
    assert (found["state"], found["finished"], found["examined"]) == ("done", 2, 1)
    assert found["verdicts"] == {"fake": 1, "real": 0, "uncertain": 0, "none": 0}
    assert found["entries"]["refused"] == 1
    assert [each["id"] for each in api.get("batches/").json()["results"]] == [found["id"]]
    detections = api.get(f"detections/?batch={found['id']}").json()["results"]
    assert [each["name"] for each in detections] == ["a.png"]


@pytest.mark.django_db(transaction=True)
def test_results_are_streamed_in_both_forms(api):
    found = api.post("batches/", {"archive": archive()}).json()
    work_all()
    finish()
    response = api.get(found["results"]["jsonl"])
    assert response["Content-Type"] == "application/jsonl"
    lines = [json.loads(line) for line in streamed(response).splitlines()]
    assert [(line["name"], line["verdict"]) for line in lines] == [("a.png", "fake"), ("b.txt", None)]
    response = api.get(found["results"]["csv"])
    assert response["Content-Type"].startswith("text/csv")
    assert "attachment" in response["Content-Disposition"]
    table = list(csv.DictReader(io.StringIO(streamed(response).decode("utf-8-sig"))))
    assert [line["state"] for line in table] == ["accepted", "refused"]


@pytest.mark.parametrize("count", [1, 4])
def test_a_list_takes_as_many_queries_as_one(api, django_assert_max_num_queries, count):
    for _ in range(count):
        api.post("batches/", {"archive": archive()})
    with django_assert_max_num_queries(8):
        found = api.get("batches/").json()["results"]
    assert [each["total"] for each in found] == [2] * count


def test_addresses(api):
    found = api.send("batches/", {"urls": ["http://127.0.0.1/", "https://a.example/b.jpg"]}).json()
    assert found["total"] == 2
    assert set(Batch.objects.get().entries.values_list("is_url", flat=True)) == {True}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"urls": []}, {"urls": "https://a.example/"}, {"urls": [1]}, {"urls": [["a"]]}, {"urls": None},
        {"urls": {"a": 1}}, {"urls": ["a" * 3000]}, {"urls": ["a"], "reference": 7},
        {"urls": ["a"], "more": 1},        {"urls": ["a"], "reference": "r" * 201}, [], "text", 7, None,
    ],
)  # fmt: skip
def test_json_of_the_wrong_type(api, body):
    problem(api.send("batches/", json.dumps(body)), "invalid")
    assert not Batch.objects.exists()


def test_more_addresses_than_may_be(api, settings):
    settings.MAX_BATCH_ENTRIES = 2
    found = problem(api.send("batches/", {"urls": ["https://a.example/"] * 3}), "invalid")
    assert found["errors"][0]["field"] == "/urls"
    assert not Batch.objects.exists()


def test_json_is_not_read_without_end(api, monkeypatch):
    monkeypatch.setattr("detection.api_batches.JSON_BYTES", 100)
    problem(api.send("batches/", {"urls": ["https://a.example/" + "a" * 100]}), "too-large")
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"not a zip", "not_a_zip"),
        (handmade([b"../a.jpg"]), "unsafe_name"),
        (handmade([b"a.zip"]), "nested_archive"),
        (zipped({"a.png": png()})[:-30], "truncated"),
        (handmade([b"a.jpg"], count=60_000), "too_many_entries"),
    ],
)
def test_a_bad_zip(api, data, code):
    assert problem(api.post("batches/", {"archive": archive(data)}), "image-refused")["code"] == code


def test_too_many_batches_at_once(api, monkeypatch):
    monkeypatch.setattr("detection.batch_services.MOST_OPEN", 0)
    found = problem(api.post("batches/", {"archive": archive()}), "conflict")
    assert found["code"] == "too_many_batches"


def test_a_quota_is_asked_before(api_key):
    program = Api(api_key(per_month=1)[1])
    problem(program.post("batches/", {"archive": archive()}), "quota-exceeded")
    assert not Batch.objects.exists()


def test_cancelling(api):
    found = api.post("batches/", {"archive": archive()}).json()
    batch_worker.take()
    for _ in range(2):
        cancelled = api.post(f"batches/{found['id']}/cancel/").json()
        assert (cancelled["state"], cancelled["entries"]["cancelled"]) == ("cancelled", 1)
    assert Detection.objects.count() == 1


def test_the_same_request_is_one_batch(api):
    headers = {"Idempotency-Key": "one"}
    first, second = (api.post("batches/", {"archive": archive()}, headers=headers) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.status_code == 202
    other = api.post("batches/", {"archive": archive(zipped({"c.png": png()}))}, headers=headers)
    problem(other, "idempotency-key-reused")
    refused = {"Idempotency-Key": "two"}
    problem(api.post("batches/", {"archive": archive(b"no zip")}, headers=refused), "image-refused")
    assert api.post("batches/", {"archive": archive()}, headers=refused).status_code == 202
    assert Batch.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_ten_at_once_with_one_key_are_one_batch(secret):
    answers = []

    def send() -> None:
        try:
            body = {"archive": archive()}
            answers.append(Api(secret).post("batches/", body, headers={"Idempotency-Key": "k"}).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(answers) <= {202, 409}
    assert 202 in answers
    assert Batch.objects.count() == 1


def test_other_organisations_batches_do_not_exist(api, make_key):
    found = api.post("batches/", {"archive": archive()}).json()
    stranger = Api(make_key()[1])
    for path in ("", "results.jsonl", "results.csv"):
        problem(stranger.get(found["url"] + path), "not-found")
    problem(stranger.post(found["url"] + "cancel/"), "not-found")
    assert stranger.get("batches/").json()["results"] == []


def test_scopes(api, api_key):
    found = api.post("batches/", {"archive": archive()}).json()
    reader = Api(api_key(scopes=[READ])[1])
    problem(reader.post("batches/", {"archive": archive()}), "forbidden")
    problem(reader.post(found["url"] + "cancel/"), "forbidden")
    assert reader.get(found["url"]).status_code == 200
    problem(Api().get("batches/"), "unauthenticated")
