"""Batches: made of a zip or of addresses, refused, cancelled, brought to their end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.db import connection
from django.http import Http404

from accounts.errors import Refused
from accounts.signals import happened
from detection import batch_queue, batch_selectors, batch_services, batch_worker
from detection.archives import ArchiveRefused
from detection.models import Batch, Detection
from tests.detection.batching import examine_all, states, work_all
from tests.hostile import png, truncated_jpeg
from tests.zips import handmade

pytestmark = pytest.mark.django_db


@pytest.fixture
def events():
    heard = []

    def hear(sender, event, subject, details, **_):
        heard.append((event, subject.pk, details))

    happened.connect(hear)
    yield heard
    happened.disconnect(hear)


def stored(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


class TestMaking:
    def test_each_file_becomes_a_detection_as_if_sent_by_itself(self, order, principal, events):
        batch = order(files={"a/cat.png": png(), "dog.png": png(60)}, reference="story 7")
        assert (batch.total, batch.state, states(batch)) == (2, "queued", ["queued"] * 2)
        assert work_all() == 2
        assert states(batch) == ["accepted"] * 2
        cat = batch.entries.get(number=1).detection
        assert (cat.name, cat.reference, cat.batch, cat.submitted_by) == (
            "cat.png",
            "story 7",
            batch,
            principal.user,
        )
        assert cat.original.read() == png()
        assert {run.stage for run in cat.stage_runs.all()} == {"verdict", "objects"}
        assert events[0][:2] == ("batch.made", batch.pk)

    def test_bad_files_are_refused_one_by_one(self, order):
        batch = order(
            files={"a.png": png(), "half.jpg": truncated_jpeg(), "notes.txt": b"hello", "empty": b""}
        )
        work_all()
        assert states(batch) == ["accepted", "refused", "refused", "refused"]
        codes = list(batch.entries.order_by("number").values_list("error_code", flat=True))
        assert codes == ["", "truncated", "not_an_image", "empty_file"]

    def test_a_zip_that_cannot_be_taken_leaves_nothing(self, principal, settings):
        with pytest.raises(ArchiveRefused):
            batch_services.create_batch(principal=principal, archive=ContentFile(handmade([b"../a.jpg"])))
        assert not Batch.objects.exists()
        assert not stored(settings)

    def test_limits(self, order, settings):
        settings.MAX_BATCH_ENTRIES = 2
        for wrong in ({"count": 3}, {"urls": ["http://example.org/"] * 3}, {"urls": []}):
            with pytest.raises(Refused):
                order(**wrong)
        settings.MAX_BATCH_BYTES = 10
        with pytest.raises(ArchiveRefused):
            order(1)

    def test_open_batches_are_limited(self, order, monkeypatch):
        monkeypatch.setattr(batch_services, "MOST_OPEN", 1)
        order()
        with pytest.raises(Refused) as refused:
            order()
        assert refused.value.code == "too_many_batches"

    @pytest.mark.django_db(transaction=True)
    def test_so_are_those_that_come_at_once(self, order, monkeypatch, settings):
        monkeypatch.setattr(batch_services, "MOST_OPEN", 2)
        together, refused = threading.Barrier(6), []
        real = batch_services._of_archive

        def looked(file):  # all have been let in to the point where their zips are looked through
            together.wait()
            return real(file)

        def act() -> None:
            try:
                order(1)
            except Refused as error:
                refused.append(error.code)
            finally:
                connection.close()

        monkeypatch.setattr(batch_services, "_of_archive", looked)
        threads = [threading.Thread(target=act) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert refused == ["too_many_batches"] * 4
        assert (Batch.objects.count(), len(stored(settings))) == (2, 2)

    def test_only_who_may_submit(self, order, make_principal):
        with pytest.raises(PermissionDenied):
            order(principal=make_principal("auditor"))

    def test_what_fails_in_the_transaction_undoes_all(self, order, settings):
        def fail(batch):
            raise RuntimeError

        with pytest.raises(RuntimeError):
            order(also=fail)
        assert not Batch.objects.exists()
        assert not stored(settings)


class TestEnd:
    def test_a_batch_is_done_when_all_its_images_are(
        self, order, events, settings, django_capture_on_commit_callbacks
    ):
        batch = order(2)
        work_all()
        batch.refresh_from_db()
        assert batch.state == "running"
        assert batch.archive == ""  # its files are in
        examine_all()
        with django_capture_on_commit_callbacks(execute=True):
            assert batch_worker.take() is None
        batch.refresh_from_db()
        assert (batch.state, batch.finished_at is not None) == ("done", True)
        batch_worker.take()
        assert [event for event, *_ in events] == ["batch.made", "batch.completed"]

    def test_one_of_which_nothing_could_be_taken_in_has_failed(self, order, events):
        batch = order(files={"a.txt": b"hello"})
        work_all()
        batch.refresh_from_db()
        assert batch.state == "failed"
        assert "None of its images" in batch.error
        assert events[-1][0] == "batch.completed"

    def test_a_zip_that_is_gone(self, order):
        batch = order(1)
        batch.archive.storage.delete(batch.archive.name)
        work_all()
        assert batch.entries.get().error_code == "missing_archive"

    def test_cancelling_keeps_what_is_in(self, order, principal, events, django_capture_on_commit_callbacks):
        batch = order(3)
        batch_worker.take()
        with django_capture_on_commit_callbacks(execute=True):
            batch_services.cancel(principal=principal, pk=batch.pk)
        batch_services.cancel(principal=principal, pk=batch.pk)
        assert states(batch) == ["accepted", "cancelled", "cancelled"]
        assert work_all() == 0
        assert Detection.objects.count() == 1
        assert not batch.archive.storage.exists(batch.archive.name)
        assert [event for event, *_ in events] == ["batch.made", "batch.cancelled"]

    def test_an_entry_at_work_while_its_batch_is_cancelled_leaves_nothing(self, order, principal, settings):
        batch = order(1)
        entry = batch_queue.claim()
        batch_services.cancel(principal=principal, pk=batch.pk)
        before = stored(settings)
        batch_worker._work(entry)
        assert not Detection.objects.exists()
        assert stored(settings) == before
        assert states(batch) == ["cancelled"]

    def test_others_batches_do_not_exist(self, order, make_principal):
        batch, outsider = order(), make_principal()
        with pytest.raises(Http404):
            batch_services.cancel(principal=outsider, pk=batch.pk)
        with pytest.raises(Http404):
            batch_selectors.batch(outsider, batch.pk)
        assert not batch_selectors.batches(outsider)
        with pytest.raises(PermissionDenied):
            batch_services.cancel(principal=make_principal("auditor", batch.organisation), pk=batch.pk)
