"""An overlay is drawn once, is kept while it is true, and costs uploads nothing."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from PIL import Image

from detection import intake, overlays, selectors, trash
from detection.models import Artefact, Detection
from mlcore import drawing, overlay
from tests import hostile
from tests.detection_pages import factory

pytestmark = pytest.mark.django_db


@pytest.fixture
def drawings(monkeypatch) -> list[object]:
    """One entry for each overlay that is drawn in this process."""
    made: list[object] = []
    compose = overlay.compose
    monkeypatch.setattr(overlay, "compose", lambda *given: (made.append(given), compose(*given))[1])
    return made


def opened(principal, detection):
    return selectors.open_file(principal, detection.pk, "overlay")


def files() -> set[str]:
    return {artefact.file.name for artefact in Artefact.objects.filter(kind=overlays.KIND)}


def test_it_is_drawn_once_and_then_read(principal, drawings):
    detection = factory.done(principal)
    first = opened(principal, detection)
    assert first.size is None
    data = first.read()
    again = opened(principal, detection)
    assert (again.read(), again.size, again.etag) == (data, len(data), first.etag)
    assert len(drawings) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_ask_at_once_one_draws(principal, drawings):
    detection = factory.done(principal)
    start = threading.Barrier(8)

    def ask() -> bytes:
        stored = opened(principal, detection)
        start.wait()
        return stored.read()

    with ThreadPoolExecutor(8) as pool:
        answers = {each.result() for each in [pool.submit(ask) for _ in range(8)]}
    assert (len(answers), len(drawings), len(files())) == (1, 1, 1)


def _turned(detection: Detection) -> None:
    Detection.objects.filter(pk=detection.pk).update(verdict="uncertain")


def _with_a_cat(detection: Detection) -> None:
    objects = [factory.DOG, {**factory.DOG, "name": "cat"}]
    factory.finish(detection, "objects", {"objects": objects, "model": factory.MODEL}, 9)


@pytest.mark.parametrize("change", [_turned, _with_a_cat])
def test_what_it_shows_has_changed_so_it_is_drawn_anew(
    principal, drawings, change, django_capture_on_commit_callbacks
):
    detection = factory.done(principal, data=hostile.jpeg(96, 64))
    before = opened(principal, detection)
    before.read()
    (old,) = files()
    change(detection)
    after = opened(principal, detection)
    assert after.etag != before.etag
    with django_capture_on_commit_callbacks(execute=True):
        after.read()
    (new,) = files()
    assert (len(drawings), default_storage.exists(old), default_storage.exists(new)) == (2, False, True)


def test_a_change_that_it_does_not_show_keeps_it(principal, drawings):
    detection = factory.done(principal)
    opened(principal, detection).read()
    Detection.objects.filter(pk=detection.pk).update(version=9, reference="story-4711")
    opened(principal, detection).read()
    assert len(drawings) == 1


def test_one_whose_file_is_gone_is_drawn_anew(principal, drawings):
    detection = factory.done(principal)
    data = opened(principal, detection).read()
    default_storage.delete(files().pop())
    assert opened(principal, detection).read() == data
    assert len(drawings) == 2


def test_it_goes_with_its_detection(principal, django_capture_on_commit_callbacks):
    detection = factory.done(principal)
    opened(principal, detection).read()
    (name,) = files()
    with django_capture_on_commit_callbacks(execute=True):
        trash.delete(principal=principal, pk=detection.pk)
        trash.empty(principal=principal)
    assert not default_storage.exists(name)


def test_nothing_is_left_of_one_deleted_while_it_was_drawn(principal, monkeypatch):
    detection = factory.done(principal)
    stored, compose, kept = opened(principal, detection), overlay.compose, []
    add = overlays.NewFiles.add
    monkeypatch.setattr(
        overlays.NewFiles, "add", lambda self, field, data: (add(self, field, data), kept.append(field.name))
    )

    def meanwhile(*given):
        Detection.objects.filter(pk=detection.pk).delete()
        return compose(*given)

    monkeypatch.setattr(overlay, "compose", meanwhile)
    assert stored.read()
    assert (files(), len(kept), default_storage.exists(kept[0])) == (set(), 1, False)


def test_drawing_and_uploads_do_not_wait_for_each_other(principal):
    detection = factory.done(principal)
    with (
        intake.DECODING.turn("one", None),
        intake.DECODING.turn("another", None),
    ):  # two uploads are being decoded
        assert opened(principal, detection).read()
    with overlays.DRAWING.turn("one", None):
        assert factory.waiting(principal, "another.jpg")


def test_who_would_wait_too_long_is_told_so(principal, member_client, monkeypatch):
    monkeypatch.setattr(overlays, "PATIENCE", 0.0)
    address = reverse(
        "detection_file", args=[principal.organisation.slug, factory.done(principal).pk, "overlay"]
    )
    with overlays.DRAWING.turn("another", None):
        answer = member_client.get(address)
    assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
    assert member_client.get(address).status_code == 200


@pytest.fixture
def large(principal, monkeypatch) -> Detection:
    """Drawn by the child: more pixels than are drawn at once."""
    monkeypatch.setattr(drawing, "SMALL", 1000)
    return factory.done(principal, data=hostile.oriented(6, 300, 200))


def test_a_large_one_is_a_jpeg_and_drawn_in_another_process(principal, large, drawings):
    stored = opened(principal, large)
    with Image.open(io.BytesIO(stored.read())) as drawn:
        assert (drawn.format, drawn.size) == ("JPEG", (200, 300))
    assert (stored.mime, stored.name.rpartition(".")[2]) == ("image/jpeg", "jpeg")
    assert not drawings


def test_a_large_original_that_cannot_be_decoded_has_none(principal, large, member_client):
    with default_storage.open(large.original.name, "wb") as file:
        file.write(b"\xff\xd8\xff and nothing else")
    address = reverse("detection_file", args=[principal.organisation.slug, large.pk, "overlay"])
    assert member_client.get(address).status_code == 404


@pytest.mark.parametrize("fault", ["slow", "killed"])
def test_one_that_fails_says_when_to_try_again(principal, large, member_client, monkeypatch, fault):
    if fault == "slow":
        monkeypatch.setattr(drawing, "SECONDS", 0.001)
    else:
        monkeypatch.setattr(drawing, "__name__", "no_such_module")
    address = reverse("detection_file", args=[principal.organisation.slug, large.pk, "overlay"])
    answer = member_client.get(address)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    assert not files()
