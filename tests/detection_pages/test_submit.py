"""Files come in, or are refused by a sentence: never an error page, never half a record."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from detection import plan, selectors
from detection.models import Detection, StageRun
from tests import hostile

pytestmark = pytest.mark.django_db
JSON = {"accept": "application/json"}


def named(name: str, data: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def send(member_client, principal):
    url = reverse("detection_submit", args=[principal.organisation.slug])
    return lambda *files, **more: member_client.post(url, {"files": list(files)}, **more)


def test_several_at_once_come_back_as_states_in_their_order(send, principal):
    response = send(named("a.jpg", hostile.jpeg()), named("b.png", hostile.png()), headers=JSON)
    answer = response.json()
    assert response.status_code == 201
    assert answer["refused"] == []
    assert [state["name"] for state in answer["detections"]] == ["a.jpg", "b.png"]
    first = selectors.get(principal, answer["detections"][0]["id"])
    assert answer["detections"][0] == selectors.state(first)
    assert StageRun.objects.count() == 2 * len(plan.at_once())


@pytest.mark.parametrize("name", hostile.BROKEN)
def test_broken_files_are_refused_by_name(send, name, settings):
    maker, code = hostile.BROKEN[name]
    response = send(named(name, maker()), headers=JSON)
    [refused] = response.json()["refused"]
    assert response.status_code == 422
    assert (refused["file"], refused["code"]) == (name, code)
    assert refused["detail"].startswith(name)
    assert not Detection.objects.exists()
    assert [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()] == []


def test_a_broken_file_does_not_take_the_good_ones_with_it(send):
    files = (named("a.jpg", hostile.jpeg()), named("b.jpg", b"text"), named("c.jpg", hostile.jpeg()))
    response = send(*files, headers=JSON)
    assert response.status_code == 201
    assert [state["name"] for state in response.json()["detections"]] == ["a.jpg", "c.jpg"]
    assert [each["file"] for each in response.json()["refused"]] == ["b.jpg"]


@pytest.mark.parametrize("name", ["x" * 800 + ".jpg", "../../etc/passwd.jpg", "a\x07b\u202egpj.exe.jpg"])
def test_odd_names_are_made_plain(send, name):
    file = named("plain.jpg", hostile.jpeg())
    file._name = name  # past the checks of the test's own file object, as a hostile client would
    [state] = send(file, headers=JSON).json()["detections"]
    assert len(state["name"]) <= 255
    assert state["name"].endswith(".jpg")
    assert not set("/\\\x07\u202e") & set(state["name"])


def test_a_name_that_no_parser_takes_is_a_sentence(send):
    file = named("plain.jpg", hostile.jpeg())
    file._name = "x" * 5000 + ".jpg"
    response = send(file, headers=JSON)
    assert response.status_code == 422
    assert "if a name is very long, shorten it" in response.json()["refused"][0]["detail"]


def test_a_form_goes_on_to_the_page_and_says_what_happened(send, principal):
    response = send(named("a.jpg", hostile.jpeg()), named("b.jpg", b"text"), follow=True)
    page = response.content.decode()
    assert response.redirect_chain == [(reverse("check", args=[principal.organisation.slug]), 302)]
    assert "1 image is in." in page
    assert "b.jpg is not an image." in page
    assert 'http-equiv="refresh"' in page
    assert "Being examined…" in page


def test_no_file_is_a_sentence(send):
    assert "No file was chosen." in send(follow=True).content.decode()
    response = send(headers=JSON)
    assert response.status_code == 422
    assert response.json()["refused"][0]["detail"].startswith("No file was chosen.")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_too_many_files_are_a_sentence(send, settings, accept):
    settings.MAX_UPLOAD_FILES = settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    files = [named(f"{n}.jpg", hostile.jpeg()) for n in range(3)]
    response = send(*files, headers={"accept": accept}, follow=True)
    assert response.status_code == (422 if accept == "application/json" else 200)
    assert "At most 2 files can be sent at once." in response.content.decode()
    assert not Detection.objects.exists()


def test_one_file_above_its_limit_names_the_limit(send, settings):
    settings.MAX_UPLOAD_BYTES = 1024 * 1024
    data = hostile.jpeg() + bytes(1024 * 1024)
    [refused] = send(named("big.jpg", data), headers=JSON).json()["refused"]
    assert refused["code"] == "too_large"
    assert refused["detail"] == "big.jpg is larger than 1 MB. Save it smaller and try again."


def test_a_form_from_elsewhere_is_not_taken(principal):
    client = Client(enforce_csrf_checks=True)
    client.force_login(principal.user)
    url = reverse("detection_submit", args=[principal.organisation.slug])
    response = client.post(url, {"files": [named("a.jpg", hostile.jpeg())]}, headers=JSON)
    assert response.status_code == 403
    assert not Detection.objects.exists()


def test_a_form_of_ours_is_taken(principal):
    client = Client(enforce_csrf_checks=True)
    client.force_login(principal.user)
    client.get(reverse("check", args=[principal.organisation.slug]))
    url = reverse("detection_submit", args=[principal.organisation.slug])
    token = client.cookies["csrftoken"].value
    for headers, fields in (({**JSON, "X-CSRFToken": token}, {}), ({}, {"csrfmiddlewaretoken": token})):
        client.post(url, {"files": [named("a.jpg", hostile.jpeg())], **fields}, headers=headers)
    assert Detection.objects.count() == 2


def test_only_posts_submit(member_client, principal):
    assert (
        member_client.get(reverse("detection_submit", args=[principal.organisation.slug])).status_code == 405
    )


@pytest.mark.parametrize(("page", "field"), [("batches", "archive"), ("organisation_logo_change", "logo")])
def test_two_files_where_one_is_asked_for_are_refused(member_client, principal, page, field):
    files = [SimpleUploadedFile(f"{number}.png", hostile.png()) for number in range(2)]
    url = reverse(page, args=[principal.organisation.slug])
    response = member_client.post(url, {field: files}, follow=True)
    assert "Choose one file, not several." in response.content.decode()
