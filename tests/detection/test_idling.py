"""Workers that have nothing to do sleep; what comes, and what is due, wakes them in time."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from detection import batch_worker, delivery_worker, lane, push, queue
from detection.idling import IDLE_SECONDS, Rest
from detection.models import Batch, Delivery, StageRun
from tests.detection.conftest import PATIENCE, run_of, running_consumer
from tests.detection.toy_stages import KILL
from tests.hostile import png
from tests.servers import eventually


class TestRest:
    def test_grows_while_nothing_comes_and_begins_anew(self):
        rest = Rest(hears=True)
        assert [rest.seconds(1.0, None) for _ in range(6)] == [1, 2, 4, 8, IDLE_SECONDS, IDLE_SECONDS]
        rest.over()
        assert rest.seconds(1.0, None) == 1

    def test_whom_no_wake_up_reaches_looks_as_often_as_ever(self):
        rest = Rest(hears=False)
        assert [rest.seconds(1.0, None) for _ in range(3)] == [1, 1, 1]

    def test_is_never_longer_than_a_third_of_a_lease(self, settings):
        settings.LEASE_SECONDS = 6
        rest = Rest(hears=True)
        assert max(rest.seconds(1.0, None) for _ in range(9)) == 2

    def test_ends_when_something_is_due(self):
        rest = Rest(hears=True)
        assert 0.2 < rest.seconds(1.0, timezone.now() + timedelta(seconds=0.5)) <= 0.5

    def test_what_is_due_and_not_to_be_had_is_looked_for_at_the_usual_pace(self):
        rest, past = Rest(hears=True), timezone.now() - timedelta(days=1)
        assert [rest.seconds(1.0, past) for _ in range(9)] == [1.0] * 9


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("toy")
class TestWithoutPolls:
    """A look by itself would come after the test's patience."""

    @pytest.fixture(autouse=True)
    def _no_polls(self, monkeypatch):
        for module in (lane, batch_worker, delivery_worker):
            monkeypatch.setattr(module, "POLL_SECONDS", 10 * PATIENCE)

    @staticmethod
    def asleep(consumer) -> bool:
        """Each lane has looked, found nothing, and lies down."""
        return all(each.ready.is_set() and each._idle._looks for each in consumer.lanes)

    def test_a_thread_without_a_loop_wakes_the_lanes(self, submit):
        with running_consumer() as consumer:
            eventually(lambda: self.asleep(consumer))
            thread = threading.Thread(target=submit)
            thread.start()
            thread.join()
            eventually(lambda: not StageRun.objects.exclude(state__in=StageRun.FINAL).exists())

    def test_what_failed_is_tried_again_when_it_is_due(self, submit):
        with running_consumer("fast") as consumer:
            eventually(lambda: self.asleep(consumer))
            killer = submit("killer.png", png(*KILL))
            eventually(lambda: run_of(killer).state == "failed")
        assert run_of(killer).attempts > 1

    def test_the_end_of_another_ones_lease_is_slept_towards(self, submit, settings):
        settings.LEASE_SECONDS = 1.0
        detection = submit()
        assert queue.claim("fast") is not None  # by one that dies of it
        settings.LEASE_SECONDS = 10 * PATIENCE
        with running_consumer("fast"):
            eventually(lambda: run_of(detection).state == "done")
        assert run_of(detection).attempts == 2

    def test_a_batch_wakes_its_worker_and_that_one_the_lanes(self, order, monkeypatch):
        with running_consumer() as consumer:
            eventually(lambda: self.asleep(consumer))
            monkeypatch.setattr(batch_worker, "POLL_SECONDS", 0.05)  # as an open batch is looked after
            batch = order(5)
            eventually(lambda: Batch.objects.get(pk=batch.pk).state == "done")


@pytest.mark.django_db
class TestNextDue:
    def test_of_a_lane(self, submit):
        assert queue.next_due("fast") is None
        run = run_of(submit())
        assert queue.next_due("fast") == run.due_at
        claim = queue.claim("fast")
        assert claim is not None
        lease = run_of(run.detection).lease_until
        assert queue.next_due("fast") == lease
        later = timezone.now() + timedelta(hours=1)
        StageRun.objects.update(state="queued", due_at=later)
        assert queue.next_due("fast") == later
        StageRun.objects.update(state="done")
        assert queue.next_due("fast") is None

    def test_a_stage_that_nobody_knows_keeps_nobody_awake(self, submit):
        submit()
        StageRun.objects.filter(lane="fast").update(stage="gone")
        assert queue.next_due("fast") is None


async def test_pushes_from_threads_end_with_the_loop(monkeypatch):
    """After its end each thread goes its own way again."""
    import asyncio

    with push.from_threads_to(asyncio.get_running_loop()):
        assert push._loop is not None
    assert push._loop is None


def test_no_delivery_keeps_anybody_awake(db):
    from detection import deliveries

    assert not Delivery.objects.exists()
    assert deliveries.next_due() is None
