"""Entries of batches as leased rows: who works them, whose turn it is, and what happens if a worker dies."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.access import WRITE, principal_of_key
from accounts.keys import make, revoke
from accounts.models import Membership
from accounts.usage import QuotaExceeded
from detection import batch_queue, batch_selectors, batch_worker, queue, remote
from detection.batch_queue import LeaseLost
from detection.models import Batch, BatchEntry, Detection
from detection.remote_errors import RemoteFailed, RemoteRefused
from tests.detection.batching import examine_all, states, work_all
from tests.detection.conftest import finish, running_consumer
from tests.hostile import png
from tests.servers import eventually

pytestmark = pytest.mark.django_db


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

    def test_a_key_whose_maker_became_an_auditor(self, order, make_principal):
        admin = make_principal("admin")
        key, _ = make(principal=admin, name="importer", scopes=[WRITE])
        batch = order(principal=principal_of_key(key))
        Membership.objects.filter(user=admin.user, organisation=admin.organisation).update(role="auditor")
        assert "may not check images any more" in self.reason(batch)
        assert "importer" in batch.error

    def test_a_key_whose_maker_has_left(self, order, make_principal):
        admin = make_principal("admin")
        key, _ = make(principal=admin, name="importer", scopes=[WRITE])
        batch = order(principal=principal_of_key(key))
        Membership.objects.filter(user=admin.user, organisation=admin.organisation).delete()
        assert "has left" in self.reason(batch)

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

    def test_a_batch_ends_while_another_one_keeps_the_workers_busy(self, order, monkeypatch):
        """Ten thousand addresses of slow servers may take hours; the others' ends are told meanwhile."""
        monkeypatch.setattr(batch_worker, "POLL_SECONDS", 0)
        small = order(1)
        work_all()
        examine_all()
        order(urls=[f"https://a.example/{number}" for number in range(3)])
        worker, seen = batch_worker.BatchWorker(1), []

        def fetch(url):
            seen.append(Batch.objects.get(pk=small.pk).state)
            if len(seen) == 3:
                worker.stop()
            return png(), "cat.png"

        monkeypatch.setattr(remote, "fetch_image", fetch)
        worker.work()
        assert seen == ["running", "done", "done"]

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


def test_organisations_take_turns_however_many_batches_each_has(order, make_principal, monkeypatch):
    monkeypatch.setattr(batch_queue, "_LAST", {})
    many = [order(3) for _ in range(3)]
    other = order(3, principal=make_principal())
    taken, last = [], None
    for _ in range(6):
        entry = batch_queue.claim(last)
        last = entry.batch_id
        taken.append(last)
    assert taken[1::2] == [other.pk] * 3 or taken[0::2] == [other.pk] * 3
    assert {each.pk for each in many} <= set(taken)
