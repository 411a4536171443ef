"""Requests that come again, all at once, after a crash, or by mistake: one detection, one answer."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from detection import idempotency, services, trash
from detection.models import Detection, IdempotentRequest
from tests import hostile
from tests.api.conftest import Api, problem
from tests.detection_pages import factory

CLIENTS = 50


def send(api: Api, key: str = "k-1", data: bytes | None = None, **fields):
    file = SimpleUploadedFile("cat.png", hostile.png() if data is None else data)
    return api.post("detections/", {"file": file, **fields}, headers={"Idempotency-Key": key})


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_the_same_again_is_the_same_detection_as_it_is_by_now(self, api):
        first = send(api, reference="r")
        again = send(api, reference="r")
        assert (again.status_code, again.json()) == (202, first.json())
        for name in ("Location", "Retry-After"):
            assert again[name] == first[name]
        detection = Detection.objects.get()
        detection.stage_runs.update(state="done", result={"summary": "none", "sentence": "", "findings": []})
        Detection.objects.update(verdict="fake", basis="declared", completed_at=timezone.now())
        told = send(api, reference="r")
        assert (told.status_code, told.json()["verdict"], told["Location"]) == (
            201,
            "fake",
            first["Location"],
        )
        assert "Retry-After" not in told
        assert Detection.objects.count() == 1

    def test_no_answer_is_kept(self, api):
        body = send(api).json()
        assert IdempotentRequest.objects.get().body == {"id": body["id"]}

    @pytest.mark.parametrize(
        "change", [{"data": hostile.png(50, 50)}, {"reference": "s"}, {"metadata": "{}"}]
    )
    def test_another_body_is_refused(self, api, change):
        send(api, reference="r")
        found = problem(send(api, **{"reference": "r", **change}), "idempotency-key-reused")
        assert found["errors"][0]["header"] == "Idempotency-Key"
        assert Detection.objects.count() == 1

    def test_another_address_is_another_request(self, api, principal):
        first = send(api).json()
        headers = {"Idempotency-Key": "k-1"}
        problem(api.send(f"detections/{first['id']}/rerun/", {}, headers=headers), "idempotency-key-reused")
        assert Detection.objects.count() == 1

    def test_reruns_are_made_once_too(self, api, principal):
        detection = factory.done(principal)
        headers = {"Idempotency-Key": "again"}
        answers = [api.send(f"detections/{detection.pk}/rerun/", {}, headers=headers) for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert Detection.objects.count() == 2

    def test_json_is_compared_by_what_it_says(self, api, monkeypatch):
        monkeypatch.setattr("detection.api_submission.fetch_image", lambda url: (hostile.png(), "a.png"))
        bodies = ['{"url": "http://a.b/c", "reference": "r"}', '{"reference":"r","url":"http://a.b/c"}']
        headers = {"Idempotency-Key": "k"}
        first, second = [api.send("detections/", body, headers=headers).json() for body in bodies]
        assert first == second

    def test_each_key_of_an_organisation_has_its_own(self, api, api_key):
        assert send(api).json()["id"] != send(Api(api_key()[1])).json()["id"]

    def test_what_was_refused_may_be_mended(self, api):
        problem(send(api, data=b""), "image-refused")
        assert send(api).status_code == 202

    def test_a_day_later_it_is_a_new_request(self, api):
        first = send(api).json()
        IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.KEEP - timedelta(minutes=1))
        assert send(api).json()["id"] != first["id"]
        assert IdempotentRequest.objects.count() == 1

    def test_so_it_is_where_more_are_old_than_one_request_forgets(self, api, monkeypatch):
        first = send(api, reference="r").json()
        IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.KEEP - timedelta(minutes=1))
        monkeypatch.setattr(idempotency, "CLEANED", 0)
        second = send(api, reference="s")
        assert second.status_code == 202
        assert second.json()["id"] != first["id"]
        assert IdempotentRequest.objects.count() == 1

    def test_what_was_deleted_is_in_no_kept_answer(self, api, principal):
        first = send(api, reference="secret").json()
        trash.delete(principal=principal, pk=first["id"])
        assert not IdempotentRequest.objects.exists()

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
    def test_a_key_that_is_none(self, api, key):
        problem(send(api, key), "invalid-parameter")
        assert not Detection.objects.exists()


@pytest.mark.django_db
class TestAfterACrash:
    def crash(self, monkeypatch, place: str):
        def fall(*args, **kwargs):
            raise SystemExit  # as kill -9 does, nothing is put right on the way out

        monkeypatch.setattr(idempotency.Once, "__exit__", lambda *args: None)
        monkeypatch.setattr(place, fall)

    def test_before_the_detection_the_key_is_free_after_its_lease(self, api, monkeypatch):
        with monkeypatch.context() as patched:
            self.crash(patched, "detection.services.take_in")
            with pytest.raises(SystemExit):
                send(api)
        response = send(api)
        problem(response, "idempotency-in-progress")
        assert response["Retry-After"] == "1"
        IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.LEASE)
        assert send(api).status_code == 202
        assert Detection.objects.count() == 1

    def test_after_the_detection_the_next_request_answers_with_it(self, api, monkeypatch):
        with monkeypatch.context() as patched:
            self.crash(patched, "detection.api_submission.api_state")
            with pytest.raises(SystemExit):
                send(api)
        assert send(api).json()["id"] == str(Detection.objects.get().pk)

    def test_who_was_slower_than_the_lease_makes_nothing(self, api, monkeypatch):
        """Another request takes the key over while this one is at work, and both come to their end."""
        take_in = services.take_in

        def slow(*args):
            monkeypatch.setattr(services, "take_in", take_in)
            IdempotentRequest.objects.update(created_at=timezone.now() - idempotency.LEASE)
            quick.append(send(api))
            return take_in(*args)

        quick = []
        monkeypatch.setattr(services, "take_in", slow)
        problem(send(api), "idempotency-in-progress")
        assert [each.status_code for each in quick] == [202]
        assert Detection.objects.count() == 1
        assert send(api).json() == quick[0].json()


@pytest.mark.django_db(transaction=True)
def test_fifty_clients_with_one_key_make_one_detection(secret):
    answers, start = [], threading.Barrier(CLIENTS)

    def ask() -> None:
        try:
            api = Api(secret)
            start.wait()
            response = send(api)
            answers.append((response.status_code, response.json()))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == CLIENTS
    assert {status for status, _ in answers} <= {202, 409}
    assert Detection.objects.count() == 1
    made = [body for status, body in answers if status == 202]
    assert made
    assert all(body == made[0] for body in made)
    assert send(Api(secret)).json() == made[0]
