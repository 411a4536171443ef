"""The whole InferenceConsumer with real (toy) model processes: kills, hangs, lanes, a clean stop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.utils import timezone

from detection import batches, inference, lane, push, queue, results, selectors, services, wording
from detection.inference import InferenceConsumer
from detection.model_process import ModelProcess
from detection.models import Artefact, Detection, StageRun
from tests.detection.conftest import PATIENCE, run_of, running_consumer
from tests.detection.test_model_process import gone
from tests.detection.toy_stages import CRASH, HANG, KILL
from tests.hostile import png
from tests.servers import eventually

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("toy", "quick_polls"),
]


def states(stage: str = "verdict") -> dict[str, str]:
    runs = StageRun.objects.filter(stage=stage).select_related("detection")
    return {run.detection.name: run.state for run in runs}


def over(stage: str = "verdict") -> bool:
    return not StageRun.objects.filter(stage=stage).exclude(state__in=StageRun.FINAL).exists()


def test_everything_queued_gets_done_once(submit):
    for number in range(30):
        submit(f"{number}.png")
    with running_consumer("fast"):
        eventually(over)
    assert set(states().values()) == {"done"}
    assert set(StageRun.objects.filter(stage="verdict").values_list("attempts", flat=True)) == {1}
    assert Artefact.objects.count() == 30


def test_a_killer_is_tried_alone_then_failed_and_its_batch_succeeds(submit):
    for number in range(5):
        submit(f"{number}.png")
    submit("killer.png", png(*KILL))
    with running_consumer("fast"):
        eventually(over)
    assert states().pop("killer.png") == "failed"
    assert [state for name, state in states().items() if name != "killer.png"] == ["done"] * 5
    attempts = dict(StageRun.objects.filter(stage="verdict").values_list("detection__name", "attempts"))
    assert attempts.pop("killer.png") == 3  # once with the others, twice alone: a kill may come from outside
    assert set(attempts.values()) == {2}  # once with the killer, once alone
    failed = StageRun.objects.get(stage="verdict", state="failed")
    assert failed.error_code == "model_process_died"


def test_a_hanging_picture_is_cut_off_and_failed(submit, settings, monkeypatch):
    """Time passes for batches with the hanging one alone: an innocent picture may take what it needs."""
    real = ModelProcess.run

    def run(self, work, limit):
        hangs = any(item.name == "hanging.png" for item in work.items)
        return real(self, work, limit / 1000 if hangs else limit)

    monkeypatch.setattr(ModelProcess, "run", run)
    settings.STAGE_TIMEOUT_SECONDS = 500.0
    hanging, innocent = submit("hanging.png", png(*HANG)), submit("innocent.png")
    with running_consumer("fast"):
        eventually(over)
    run = run_of(hanging)
    assert (run.state, run.error_code, run.attempts) == ("failed", "timed_out", 2)  # alone, it is final
    assert run_of(innocent).state == "done"


def test_what_crashes_the_process_when_it_is_alone_is_not_tried_again(submit):
    crasher, innocent = submit("crasher.png", png(*CRASH)), submit("innocent.png")
    with running_consumer("fast"):
        eventually(over)
    run = run_of(crasher)
    assert (run.state, run.error_code, run.attempts) == ("failed", "model_process_died", 2)
    assert run_of(innocent).state == "done"


def test_the_process_is_replaced_when_it_is_killed_while_idle(submit):
    with running_consumer("fast") as consumer:
        (fast,) = consumer.lanes
        eventually(fast.ready.is_set)
        first = fast.pid
        os.kill(first, signal.SIGKILL)
        eventually(lambda: fast.pid not in (None, first))  # before there is any work
        submit()
        eventually(over)
    assert run_of(Detection.objects.get()).attempts == 1


def test_a_hanging_slow_lane_does_not_delay_verdicts(submit, settings):
    (settings.DATA_DIR / "toy_weights").touch()
    with running_consumer() as consumer:
        _, slow = consumer.lanes
        eventually(slow.ready.is_set)
        os.kill(slow.pid, signal.SIGSTOP)
        try:
            for number in range(10):
                submit(f"{number}.png")
            eventually(over)
            assert not over("objects")
        finally:
            os.kill(slow.pid, signal.SIGCONT)
        eventually(lambda: over("objects"))
    assert set(states("objects").values()) == {"done"}


def test_missing_weights_skip_the_stage_and_complete_the_detection(submit):
    detection = submit()
    with running_consumer():
        eventually(lambda: over() and over("objects"))
    run = run_of(detection, "objects")
    assert (run.state, run.remedy) == ("skipped", "Put toy_weights into the data folder.")
    detection.refresh_from_db()
    assert detection.completed_at is not None


def test_images_wait_while_weights_cannot_be_used(submit, settings, monkeypatch, caplog):
    monkeypatch.setattr(lane, "MAX_START_PAUSE", 0.05)
    spoilt = settings.DATA_DIR / "spoilt_weights"
    spoilt.touch()
    detection = submit()
    with running_consumer("fast"):
        eventually(lambda: caplog.text.count("The toy's weights are spoilt. Check them out again.") > 1)
        assert (run_of(detection).state, run_of(detection).attempts) == ("queued", 0)
        assert selectors.state(detection)["verdict_words"] == wording.WAITING_WORDS
        spoilt.unlink()
        eventually(over)
    assert (run_of(detection).state, run_of(detection).attempts) == ("done", 1)


def test_a_fast_lane_that_does_not_get_ready_does_not_keep_the_slow_one(submit, settings, monkeypatch):
    monkeypatch.setattr(inference, "HEAD_START", 0.1)
    (settings.DATA_DIR / "spoilt_weights").touch()
    (settings.DATA_DIR / "toy_weights").touch()
    submit()
    with running_consumer():
        eventually(lambda: over("objects"))
        assert not over()


def test_a_lane_that_fails_starts_again(submit, monkeypatch):
    real, runs = lane.Lane._pump, []

    async def pump(self) -> None:
        runs.append(self)
        if len(runs) == 1:
            raise RuntimeError("a fault")
        await real(self)

    monkeypatch.setattr(inference, "RESTART_PAUSE", 0.01)
    monkeypatch.setattr(lane.Lane, "_pump", pump)
    submit()
    with running_consumer("fast"):
        eventually(over)
    assert len(set(runs)) == 2


def test_a_missing_file_fails_its_own_row_only(submit):
    lost, kept = submit("lost.png"), submit("kept.png")
    lost.original.storage.delete(lost.original.name)
    with running_consumer("fast"):
        eventually(over)
    assert (run_of(lost).state, run_of(lost).error_code) == ("failed", "missing_file")
    assert run_of(kept).state == "done"


def test_an_unreadable_file_fails_after_its_attempts_and_takes_no_other_with_it(submit):
    unreadable, kept = submit("unreadable.png"), submit("kept.png")
    path = Path(unreadable.original.path)
    path.unlink()
    path.mkdir()  # which also root cannot read
    with running_consumer("fast"):
        eventually(over)
    run = run_of(unreadable)
    assert (run.state, run.attempts, run.error_code) == ("failed", queue.MAX_ATTEMPTS, "unreadable_file")
    assert (run_of(kept).state, run_of(kept).attempts) == ("done", 1)


@pytest.mark.parametrize("failures", [1, 1000])
def test_a_batch_that_cannot_be_read_costs_an_attempt_and_is_never_held(submit, monkeypatch, failures):
    real, calls = batches.read, []

    def read(claim):
        calls.append(claim)
        if len(calls) <= failures:
            raise MemoryError
        return real(claim)

    monkeypatch.setattr(batches, "read", read)
    detection = submit()
    with running_consumer("fast") as consumer:
        eventually(over)
        eventually(lambda: not consumer.lanes[0]._held)  # a moment after its rows are written
    run = run_of(detection)
    assert (run.state, run.attempts) == (("done", 2) if failures == 1 else ("failed", queue.MAX_ATTEMPTS))


def test_leases_are_kept_while_a_batch_takes_long(submit, settings):
    settings.LEASE_SECONDS = 0.3
    detection = submit("slow.png", png(*HANG))
    with running_consumer("fast") as consumer:
        eventually(lambda: run_of(detection).state == "running")
        first = run_of(detection)
        eventually(lambda: timezone.now() > first.lease_until)
        eventually(lambda: run_of(detection).lease_until > timezone.now())
        assert run_of(detection).token == first.token
        for each in consumer.lanes:
            each.stop()
            each.abort()


def test_rows_of_a_stage_that_left_the_list_are_looked_after(submit, settings):
    settings.LEASE_SECONDS = 0.3
    detection = submit()
    long_ago = timezone.now() - 2 * queue.ROLL_OUT
    StageRun.objects.filter(detection=detection, stage="verdict").update(stage="gone", due_at=long_ago)
    with running_consumer("fast"):
        eventually(lambda: run_of(detection, "gone").state == "skipped")
    assert run_of(detection, "gone").error_detail


def test_stopping_gives_back_what_hangs(submit, monkeypatch):
    monkeypatch.setattr("detection.inference.STOP_SECONDS", 0.2)
    detection = submit("hanging.png", png(*HANG))
    with running_consumer("fast") as consumer:
        eventually(lambda: run_of(detection).state == "running")
        pid = consumer.lanes[0].pid
    run = run_of(detection)
    assert (run.state, run.attempts, run.token) == ("queued", 0, None)
    assert gone(pid)


async def test_the_consumer_joins_again_when_the_layer_has_forgotten_it(monkeypatch):
    """As the in-memory layer forgets everybody after a day: here by hand."""
    monkeypatch.setattr(inference, "JOIN_SECONDS", 0.01)
    consumer, layer = InferenceConsumer([]), get_channel_layer()
    layer.groups.clear()
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                while push.INFERENCE_GROUP not in layer.groups:
                    await asyncio.sleep(0.01)
                layer.groups.clear()
    finally:
        await consumer.stop()
    assert not layer.groups


async def test_a_submission_wakes_the_consumer_without_a_poll(principal, monkeypatch, layer):
    """Web and consumer in one loop, as in ``serve``; polling would come after the test's patience, and so
    would the look after a batch."""
    for rest in ("POLL_SECONDS", "QUIET_SECONDS"):
        monkeypatch.setattr(lane, rest, 10 * PATIENCE)
    consumer = InferenceConsumer(["fast"])
    await consumer.start()
    try:
        async with asyncio.timeout(PATIENCE):
            await consumer.lanes[0].ready.wait()
            for number in range(3):
                await sync_to_async(services.submit)(principal=principal, data=png(), name=f"{number}.png")
                while not await sync_to_async(over)():
                    await asyncio.sleep(0.01)
            done = StageRun.objects.filter(stage="verdict", state="done")
            assert await done.acount() == 3
    finally:
        await consumer.stop()


@pytest.mark.parametrize("broken", ["claim", "save"])
def test_a_database_that_fails_for_a_moment_loses_nothing(submit, monkeypatch, broken):
    module = queue if broken == "claim" else results
    real, calls = getattr(module, broken), []

    def flaky(*args):
        calls.append(args)
        if len(calls) == 1:
            raise OperationalError("the database has gone away")
        return real(*args)

    monkeypatch.setattr(module, broken, flaky)
    monkeypatch.setattr(lane, "PAUSE_SECONDS", 0.01)
    detection = submit()
    with running_consumer("fast"):
        eventually(over)
    assert run_of(detection).attempts == 1
    assert Artefact.objects.count() == 1
