from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile
from django.db import connection
from django.http import Http404
from django.utils import timezone

from accounts.access import WRITE, principal_of_key
from accounts.errors import Refused
from accounts.keys import make, revoke
from accounts.models import Membership
from accounts.signals import happened
from accounts.usage import QuotaExceeded
from detection import batch_queue, batch_results, batch_selectors, batch_services, batch_worker, queue, remote
from detection.archives import ArchiveRefused
from detection.batch_queue import LeaseLost
from detection.models import Batch, BatchEntry, Detection, StageRun
from detection.remote_errors import RemoteFailed, RemoteRefused
from tests.detection.conftest import finish, running_consumer
from tests.hostile import png, truncated_jpeg
from tests.servers import eventually
from tests.zips import handmade, zipped

pytestmark = pytest.mark.django_db


def a_zip(count: int = 3, **more: bytes) -> ContentFile:
    return ContentFile(zipped({f"{number}.png": png() for number in range(count)} | more))


@pytest.fixture
def order(principal, toy):
    """``order(3)`` images in a zip, ``order(files={…})``, ``order(urls=[…])``, by ``principal``."""

    def make_batch(count: int = 3, files=None, principal=principal, **fields) -> Batch:
        if "urls" not in fields:
            fields["archive"] = a_zip(count) if files is None else ContentFile(zipped(files))
        return batch_services.create_batch(principal=principal, **fields)

    return make_batch


@pytest.fixture
def events():
    heard = []

    def hear(sender, event, subject, details, **_):
        heard.append((event, subject.pk, details))

    happened.connect(hear)
    yield heard
    happened.disconnect(hear)


def work_all() -> int:
    count = 0
    while batch_worker.take() is not None:
        count += 1
    return count


def states(batch: Batch) -> list[str]:
    return list(batch.entries.order_by("number").values_list("state", flat=True))


def examine_all() -> None:
    """Ends every stage of every image."""
    while StageRun.objects.filter(lane="fast", state="queued").exists():
        finish()
    StageRun.objects.update(state="done")
    Detection.objects.update(completed_at=timezone.now())


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


class TestWhoSent:
    def reason(self, batch: Batch) -> str:
        assert work_all() == 1
        batch.refresh_from_db()
        assert batch.state == "cancelled"
        assert set(states(batch)) == {"cancelled"}
        assert not Detection.objects.exists()
        return batch.error

    def test_a_member_who_was_removed(self, order, make_principal):
        member = make_principal("member")
        batch = order(principal=member)
        Membership.objects.filter(user=member.user, organisation=member.organisation).delete()
        assert "left the organisation" in self.reason(batch)

    def test_a_member_who_became_an_auditor(self, order, make_principal):
        member = make_principal("member")
        batch = order(principal=member)
        Membership.objects.filter(user=member.user, organisation=member.organisation).update(role="auditor")
        assert "may not check images any more" in self.reason(batch)

    def test_a_person_whose_account_is_gone(self, order, make_principal):
        member = make_principal("member")
        batch = order(principal=member)
        member.user.delete()
        assert "not here any more" in self.reason(batch)

    def test_a_key_that_was_revoked(self, order, principal):
        key, _ = make(principal=principal, name="importer", scopes=[WRITE])
        batch = order(principal=principal_of_key(key))
        revoke(principal=principal, pk=key.pk)
        assert "importer" in self.reason(batch)
        assert "revoked" in batch.error

    def test_a_key_is_named_in_the_record_and_its_quota_counts(self, order, principal):
        key, _ = make(principal=principal, name="importer", scopes=[WRITE], per_month=4)
        program = principal_of_key(key)
        batch = order(3, principal=program)
        with pytest.raises(QuotaExceeded):
            order(5, principal=program)
        other = order(3, principal=program)
        work_all()
        assert {each.submitted_key for each in Detection.objects.all()} == {key}
        assert Detection.objects.count() == 4
        assert {Batch.objects.get(pk=each.pk).state for each in (batch, other)} == {"running", "cancelled"}


class TestLeases:
    def test_a_worker_that_died_is_followed_by_another(self, order):
        batch = order(1)
        lost = batch_queue.claim()
        assert batch_queue.claim() is None
        later = timezone.now() + timedelta(hours=1)
        taken = batch_queue.claim(now=later)
        assert (taken.pk, taken.attempts) == (lost.pk, 2)
        batch_worker._work(lost)  # it was not dead, after all
        assert not Detection.objects.exists()
        batch_worker._work(taken)
        assert states(batch) == ["accepted"]
        assert Detection.objects.count() == 1

    def test_after_the_last_attempt_it_is_refused(self, order):
        batch = order(1)
        for _ in range(batch_queue.MAX_ATTEMPTS):
            BatchEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            assert batch_queue.claim() is not None
        BatchEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert batch_worker.take() is None
        assert batch.entries.get().error_code == "worker_lost"

    def test_a_fault_is_tried_again_and_then_told(self, order, monkeypatch, settings):
        settings.RETRY_SECONDS = 0

        def fail(**_):
            raise OSError("disk full")

        monkeypatch.setattr(batch_worker.services, "submit", fail)
        batch = order(1)
        assert work_all() == batch_queue.MAX_ATTEMPTS
        entry = batch.entries.get()
        assert (entry.state, entry.error_code, entry.error_detail) == ("refused", "fault", batch_worker.FAULT)

    def test_batches_take_turns(self, order):
        first, second = sorted((order(3), order(2)), key=lambda batch: batch.pk)
        seen, last = [], None
        while (entry := batch_worker.take(last)) is not None:
            last = entry.batch_id
            seen.append(last)
        assert seen[:4] == [first.pk, second.pk, first.pk, second.pk]

    def test_few_wait_for_the_model_at_a_time(self, order, monkeypatch):
        monkeypatch.setattr(batch_worker, "AHEAD", 2)
        batch = order(3)
        assert work_all() == 2
        assert states(batch)[2] == "queued"
        finish()
        assert work_all() == 1

    def test_an_image_sent_by_itself_is_examined_first(self, order, submit):
        order(3)
        work_all()
        alone = submit("alone.png")
        claim = queue.claim("fast")
        assert claim.runs[0].detection_id == alone.pk
        claim = queue.claim("slow")
        assert claim.runs[0].detection_id == alone.pk


class TestAddresses:
    def test_each_is_fetched_in_its_turn(self, order, monkeypatch):
        answers = {
            "https://a.example/cat.png": png(),
            "https://a.example/page": RemoteRefused("wrong_type", "No."),
        }

        def fetch(url):
            if isinstance(answers[url], Exception):
                raise answers[url]
            return answers[url], "cat.png"

        monkeypatch.setattr(remote, "fetch_image", fetch)
        batch = order(urls=list(answers))
        work_all()
        assert states(batch) == ["accepted", "refused"]
        cat = Detection.objects.get()
        assert (cat.source_url, cat.name) == ("https://a.example/cat.png", "cat.png")

    def test_a_server_in_trouble_is_asked_again_later(self, order, monkeypatch, settings):
        def fail(url):
            raise RemoteFailed("timeout", "It took too long.")

        monkeypatch.setattr(remote, "fetch_image", fail)
        settings.RETRY_SECONDS = 1
        batch = order(urls=["https://a.example/"])
        assert work_all() == 1
        entry = batch.entries.get()
        assert (entry.state, entry.error_code) == ("queued", "timeout")
        assert entry.due_at > timezone.now()
        settings.RETRY_SECONDS = 0
        BatchEntry.objects.update(due_at=timezone.now())
        assert work_all() == batch_queue.MAX_ATTEMPTS - 1
        assert states(batch) == ["refused"]

    def test_loopback_is_refused(self, order):
        batch = order(
            urls=["http://127.0.0.1/cat.png", "http://[::ffff:127.0.0.1]/", "nonsense", "file:///etc"]
        )
        work_all()
        codes = list(batch.entries.order_by("number").values_list("error_code", flat=True))
        assert codes == ["forbidden_address", "forbidden_address", "bad_scheme", "bad_scheme"]


class TestReading:
    def test_progress(self, order, django_assert_num_queries):
        batch = order(files={"a.png": png(), "b.png": png(), "c.txt": b"no", "d.png": png()})
        for _ in range(3):
            batch_worker.take()
        finish()
        Detection.objects.filter(name="a.png").update(completed_at=timezone.now())
        with django_assert_num_queries(4):
            found = batch_selectors.progress(batch)
        assert (found.total, found.examined, found.finished, found.percent) == (4, 1, 2, 50)
        assert {name: count for name, count in found.entries.items() if count} == {
            "accepted": 2,
            "refused": 1,
            "queued": 1,
        }
        assert found.verdicts == {"fake": 1, "real": 0, "uncertain": 0, "none": 0}
        assert found.seconds_left is None

    def test_the_time_left_is_at_the_pace_of_the_last_minutes(self, order):
        batch = order(15)
        work_all()
        Batch.objects.update(created_at=timezone.now() - timedelta(seconds=100))
        batch.refresh_from_db()
        done = list(Detection.objects.values_list("pk", flat=True)[:10])
        Detection.objects.filter(pk__in=done).update(completed_at=timezone.now())
        assert 45 <= batch_selectors.progress(batch).seconds_left <= 55

    @pytest.mark.django_db(transaction=True)
    def test_results_in_both_forms(self, order, monkeypatch):
        monkeypatch.setattr(batch_selectors, "CHUNK", 2)
        names = ["a.png", '=HYPERLINK("http://x")', "+1.png", "-1.png", "@a.png", "ü,b.png"]
        batch = order(files={name: png() for name in names} | {"bad.txt": b"no"})
        work_all()
        finish()
        lines = [json.loads(line) for line in collected(batch_results.json_lines(batch)).splitlines()]
        assert [line["name"] for line in lines] == [*names, "bad.txt"]
        assert [line["verdict"] for line in lines] == ["fake"] * 6 + [None]
        assert lines[-1]["error_code"] == "not_an_image"
        text = collected(batch_results.comma_separated(batch)).decode("utf-8-sig")
        table = list(csv.DictReader(io.StringIO(text)))
        assert tuple(table[0]) == batch_results.COLUMNS
        assert [line["name"] for line in table[1:5]] == ["'" + name for name in names[1:5]]
        assert table[5]["name"] == "ü,b.png"
        assert uuid.UUID(table[0]["detection"])

    def test_a_deleted_detection_leaves_its_entry(self, order):
        batch = order(1)
        work_all()
        Detection.objects.all().delete()
        assert batch_results.row(batch.entries.get())["detection"] is None
        assert batch_selectors.progress(batch).finished == 1


def collected(pieces) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in pieces])

    return asyncio.run(read())


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_a_whole_consumer_brings_a_batch_to_its_end(self, order, quick_polls, monkeypatch):
        monkeypatch.setattr(batch_worker, "POLL_SECONDS", 0.05)
        batch = order(100)
        with running_consumer("fast", "slow"):
            eventually(lambda: Batch.objects.get(pk=batch.pk).state == "done")
        assert set(states(batch)) == {"accepted"}
        assert Detection.objects.filter(verdict="fake").count() == 100
        assert batch_selectors.progress(batch).percent == 100

    def test_workers_share_without_taking_anything_twice(self, order):
        batch = order(40)

        def work() -> None:
            try:
                work_all()
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert set(states(batch)) == {"accepted"}
        assert Detection.objects.count() == 40
        assert set(batch.entries.values_list("attempts", flat=True)) == {1}


def test_the_fence_undoes_a_detection(order):
    order(1)
    entry = batch_queue.claim()
    BatchEntry.objects.update(token=uuid.uuid4())
    with pytest.raises(LeaseLost):
        batch_worker._submit(entry, batch_worker.submitter(entry.batch))
    assert not Detection.objects.exists()
