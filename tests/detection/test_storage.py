"""What an organisation has stored: counted to the byte, and refused where it would be too much."""

from __future__ import annotations

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection

from accounts import storage
from accounts.models import Organisation, StorageUse
from accounts.storage import StorageFull
from detection import (
    batch_queue,
    batch_services,
    batch_worker,
    overlays,
    queue,
    remote,
    results,
    services,
    trash,
)
from detection.models import Artefact, Batch, BatchEntry, Detection
from mlcore import drawing
from mlcore.contracts import Verdict
from mlcore.drawing import Drawing
from tests.detection.batching import examine_all, states, work_all
from tests.detection.conftest import finish, run_of, verdict_outcome
from tests.hostile import png
from tests.zips import zipped

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]


def on_disk(settings) -> int:
    return sum(path.stat().st_size for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


def used(principal) -> int:
    return storage.room(principal.organisation.pk).used


def allow(principal, size: int | None) -> None:
    Organisation.objects.filter(pk=principal.organisation.pk).update(storage_quota_bytes=size)


@pytest.fixture
def one(submit, principal) -> int:
    """Bytes of one image with its preview and thumbnail; it is in already."""
    submit()
    return used(principal)


class TestCount:
    """is what lies on the disk,"""

    def test_with_an_image_its_artefacts_and_another_organisations(
        self, submit, principal, make_principal, settings
    ):
        other = make_principal()
        first, second = submit("a.png"), submit("b.png", principal=other)
        assert used(principal) == first.stored_bytes == used(other) > len(png())
        while claim := queue.claim("fast"):
            results.save(claim, [verdict_outcome() for _ in claim.runs], 1.0)
        for detection, who in ((first, principal), (second, other)):
            [made] = Artefact.objects.filter(detection=detection)
            assert made.stored_bytes == made.file.size > 0
            assert used(who) == detection.stored_bytes + made.stored_bytes
        assert used(principal) + used(other) == on_disk(settings)

    def test_with_an_overlay_that_takes_anothers_place(
        self, submit, principal, settings, monkeypatch, django_capture_on_commit_callbacks
    ):
        detection = submit()
        finish()
        before = used(principal)
        for size in (500, 200):
            monkeypatch.setattr(drawing, "drawn", lambda *args, size=size: b"x" * size)
            what = Drawing("cat.png", {}, Verdict.FAKE)
            with django_capture_on_commit_callbacks(execute=True):
                overlays.obtain(run_of(detection), what, f"of {size}", detection.original.read)
            assert used(principal) == on_disk(settings) == before + size

    def test_in_the_trash_too_and_freed_when_it_is_emptied(self, submit, principal, make_principal):
        other, detection = make_principal(), submit()
        submit(principal=other)
        finish()
        before, others = used(principal), used(other)
        trash.delete(principal=principal, pk=detection.pk)
        assert used(principal) == before
        trash.empty(principal=principal)
        assert (used(principal), used(other)) == (0, others)

    def test_of_a_zip_until_its_images_are_in(self, order, principal):
        batch = order(2)
        assert used(principal) == batch.archive_bytes == batch.archive.size
        work_all()
        batch_queue.finish()
        assert used(principal) == sum(each.stored_bytes for each in Detection.objects.all())
        examine_all()
        batch_queue.finish()
        batch.refresh_from_db()
        assert (batch.state, batch.archive_bytes) == ("done", 0)
        kept = [*Detection.objects.all(), *Artefact.objects.all()]
        assert used(principal) == sum(each.stored_bytes for each in kept)

    def test_of_a_zip_that_is_cancelled_is_freed_once(self, order, principal):
        batch = order(2)
        for _ in range(2):
            batch_services.cancel(principal=principal, pk=batch.pk)
        assert used(principal) == 0

    def test_goes_with_its_organisation(self, submit, principal):
        submit()
        principal.organisation.delete()
        assert not StorageUse.objects.exists()

    def test_of_what_could_not_be_saved_is_nothing(self, principal, settings):
        def fail(detection) -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            services.submit(principal=principal, data=png(), name="cat.png", also=fail)
        assert used(principal) == on_disk(settings) == 0


class TestLimit:
    def test_the_last_byte_may_be_used(self, one, submit, principal):
        allow(principal, 2 * one)
        submit()
        with pytest.raises(StorageFull, match=r"is full: .* of .* are used; delete images"):
            submit()

    def test_nothing_is_stored_of_what_does_not_fit(self, one, submit, principal, settings):
        allow(principal, 2 * one - 1)
        with pytest.raises(StorageFull, match=r"has too little room: .*, and this takes 444 bytes; delete"):
            submit()
        assert used(principal) == on_disk(settings) == one
        assert Detection.everything.count() == 1

    def test_nothing_is_decoded_where_it_is_full(self, one, submit, principal, monkeypatch):
        allow(principal, one)
        monkeypatch.setattr(services, "take_in", lambda *args: pytest.fail("decoded"))
        with pytest.raises(StorageFull):
            submit()

    def test_is_each_organisations_own(self, one, submit, principal, make_principal):
        allow(principal, one)
        submit(principal=make_principal())
        with pytest.raises(StorageFull):
            submit()

    @pytest.mark.parametrize(
        ("site", "own", "fits"), [(1, None, False), (1, 0, True), (0, 1, False), (0, None, True)]
    )
    def test_is_the_sites_where_the_organisation_has_none(self, submit, principal, settings, site, own, fits):
        settings.STORAGE_QUOTA_BYTES = site
        allow(principal, own)
        if fits:
            submit()
        else:
            with pytest.raises(StorageFull):
                submit()

    def test_room_is_made_by_emptying_the_trash(self, submit, one, principal):
        allow(principal, one)
        trash.delete(principal=principal, pk=Detection.objects.get().pk)
        with pytest.raises(StorageFull):
            submit()
        trash.empty(principal=principal)
        submit()

    def test_what_was_let_in_is_finished(self, one, principal):
        allow(principal, one)
        finish()
        [made] = Artefact.objects.all()
        assert used(principal) == one + made.stored_bytes

    def test_an_image_examined_again_takes_room_again(self, one, principal):
        allow(principal, one)
        with pytest.raises(StorageFull):
            services.rerun(principal=principal, pk=Detection.objects.get().pk)


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_gets_the_last_room(one, principal, settings, monkeypatch):
    """All find room before they begin; one alone still finds it when its rows are saved."""
    allow(principal, 2 * one)
    ready, real = Barrier(4), services.take_in

    def together(*args):
        found = real(*args)
        ready.wait()
        return found

    monkeypatch.setattr(services, "take_in", together)

    def upload(number: int) -> bool:
        try:
            services.submit(principal=principal, data=png(), name=f"{number}.png")
        except StorageFull:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(upload, range(4))) == 1
    assert used(principal) == on_disk(settings) == 2 * one
    assert Detection.objects.count() == 2


class TestBatches:
    def test_a_zip_that_does_not_fit_is_not_taken(self, principal, settings):
        data = zipped({"a.png": png()})
        allow(principal, len(data) - 1)
        with pytest.raises(StorageFull):
            batch_services.create_batch(principal=principal, archive=ContentFile(data))
        assert on_disk(settings) == used(principal) == Batch.objects.count() == 0

    def test_addresses_are_not_taken_where_it_is_full(self, one, order, principal):
        allow(principal, one)
        with pytest.raises(StorageFull):
            order(urls=["https://example.org/cat.jpg"])

    def test_one_that_meets_the_limit_goes_on_no_further(
        self, one, order, principal, settings, django_capture_on_commit_callbacks
    ):
        batch = order(5)
        allow(principal, used(principal) + 2 * one)
        with django_capture_on_commit_callbacks(execute=True):
            work_all()
        assert states(batch) == ["accepted", "accepted", "refused", "refused", "refused"]
        for entry in BatchEntry.objects.filter(state="refused"):
            assert entry.error_code == "storage_full"
            assert "empty the trash" in entry.error_detail
        assert used(principal) == on_disk(settings)
        assert Detection.objects.filter(batch=batch).count() == 2

    def test_no_server_is_asked_in_vain(self, one, order, principal, monkeypatch):
        batch = order(urls=["https://example.org/cat.jpg", "https://example.org/dog.jpg"])
        allow(principal, one)
        monkeypatch.setattr(remote, "fetch_image", lambda url: pytest.fail("asked"))
        work_all()
        assert states(batch) == ["refused", "refused"]

    def test_an_entry_at_work_elsewhere_decides_for_itself(self, one, order, principal):
        batch = order(3)
        elsewhere = batch_queue.claim()
        allow(principal, one)
        batch_worker.take()
        elsewhere.refresh_from_db()
        assert elsewhere.state == "running"
        assert states(batch)[1:] == ["refused", "refused"]


class TestRecount:
    def test_puts_right_what_was_wrong_and_says_so(self, one, principal, capsys):
        finish()
        right = used(principal)
        call_command("recount_storage")
        assert capsys.readouterr().out == ""
        StorageUse.objects.update(bytes=7)
        call_command("recount_storage")
        assert f"7 bytes were counted, {right:,} are stored" in capsys.readouterr().out
        assert used(principal) == right

    def test_the_migration_gives_old_rows_their_sizes(self, submit, order, principal, settings):
        gone, binned = submit("gone.png"), submit("binned.png")
        finish()
        trash.delete(principal=principal, pk=binned.pk)
        order(1)
        gone.original.storage.delete(gone.original.name)
        for model, column in (
            (Detection, "stored_bytes"),
            (Artefact, "stored_bytes"),
            (Batch, "archive_bytes"),
        ):
            model._base_manager.update(**{column: 0})
        StorageUse.objects.update(bytes=1)
        importlib.import_module("detection.migrations.0017_count_stored_bytes").count(apps, None)
        assert used(principal) == on_disk(settings) > 0
        call_command("recount_storage")
        assert used(principal) == on_disk(settings)
