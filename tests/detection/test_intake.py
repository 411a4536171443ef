"""Taking files in: in another process, in turn, and with a word where the wait would be long."""

from __future__ import annotations

import json
import os
import signal

import pytest
from django.urls import reverse

from detection import batch_worker, intake, services
from detection.models import Detection
from detection.turns import Busy, Turns
from mlcore.errors import ImageRefused
from tests import hostile
from tests.api.conftest import Api, problem, upload

pytestmark = pytest.mark.django_db
JSON = {"accept": "application/json"}


@pytest.fixture
def busy(monkeypatch):
    """The one place is taken by somebody else, and nobody may wait."""
    monkeypatch.setattr(intake, "DECODING", Turns(1, 1, (0, 0), intake.BUSY))
    with intake.DECODING.turn("another", None):
        yield


@pytest.mark.usefixtures("busy")
class TestBusy:
    def test_the_api_says_when_to_come_again_and_the_same_request_then_works(self, make_key, principal):
        api = Api(make_key(principal)[1])
        answer = api.post("detections/", {"file": upload()}, headers={"Idempotency-Key": "once"})
        problem(answer, "unavailable")
        assert answer["Retry-After"] == "1"
        intake.DECODING = Turns(1, 1, (9, 9), intake.BUSY)
        again = api.post("detections/", {"file": upload()}, headers={"Idempotency-Key": "once"})
        assert again.status_code == 202

    def test_scripts_of_the_pages_get_503(self, member_client, principal):
        url = reverse("detection_submit", args=[principal.organisation.slug])
        answer = member_client.post(url, {"files": upload()}, headers=JSON)
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
        [refused] = json.loads(answer.content)["refused"]
        assert (refused["code"], intake.BUSY in refused["detail"]) == ("busy", True)

    def test_a_form_gets_a_message(self, member_client, principal):
        url = reverse("detection_submit", args=[principal.organisation.slug])
        page = member_client.post(url, {"files": upload()}, follow=True)
        assert intake.BUSY in page.content.decode()
        assert not Detection.objects.exists()


def test_the_organisation_is_the_one_whose_turn_it_is(principal, monkeypatch):
    asked = []

    class Noting(Turns):
        def turn(self, owner, patience):
            asked.append((owner, patience))
            return super().turn(owner, patience)

    monkeypatch.setattr(intake, "DECODING", Noting(2, 1, (9, 9), intake.BUSY))
    services.submit(principal=principal, data=hostile.png(), name="a.png")
    assert asked == [(principal.organisation.pk, intake.PATIENCE)]


def test_an_image_of_a_batch_waits_as_long_as_it_takes(order, monkeypatch):
    asked = []
    real = services.take_in
    monkeypatch.setattr(services, "take_in", lambda *given: asked.append(given[2:]) or real(*given))
    order(1)
    batch_worker.take()
    assert asked == [(intake.BATCHES, None)]


def test_a_decoder_that_was_killed_is_replaced(principal):
    services.submit(principal=principal, data=hostile.png(), name="a.png")
    pids = [process.pid for process in intake._POOL._idle]
    for pid in filter(None, pids):
        os.kill(pid, signal.SIGKILL)
    services.submit(principal=principal, data=hostile.png(20, 20), name="b.png")
    assert Detection.objects.count() == 2


def test_a_hostile_file_leaves_the_decoder_in_its_place(principal):
    with pytest.raises(ImageRefused) as refused:
        services.submit(principal=principal, data=hostile.png_of_chunks(150_000), name="x.png")
    assert refused.value.code == "too_complex"
    with intake.DECODING.turn("one", 0.1), intake.DECODING.turn("another", 0.1):
        pass


def test_who_waits_too_long_is_told(principal, monkeypatch):
    monkeypatch.setattr(intake, "DECODING", Turns(1, 1, (9, 9), intake.BUSY))
    monkeypatch.setattr(intake.DECODING, "_pace", 0.0)
    with intake.DECODING.turn("another", None), pytest.raises(Busy):
        intake.take_in(hostile.png(), "x.png", "one", 0.01)
