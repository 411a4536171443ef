"""Leases: who holds a row, who may finish it, and what becomes of it when nobody does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone

from detection import queue, results
from detection.models import Artefact, Detection, StageRun
from detection.work import Failure
from mlcore.contracts import Skipped
from mlcore.overlay import unpack
from tests.detection.conftest import finish, run_of, verdict_outcome

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]


def later(seconds: float):
    return timezone.now() + timedelta(seconds=seconds)


def fail(claim, code="stage_error", final=False):
    return results.save(claim, [Failure(code, "It broke.", final)] * len(claim.runs), 0.0)


def test_a_claim_is_a_batch_of_one_stage_in_the_order_of_arrival(submit):
    first, *others = [submit(f"{number}.png") for number in range(10)]
    claim = queue.claim("fast")
    assert [run.detection for run in claim.runs] == [first, *others[:7]]  # the toy's batch is 8
    assert len(queue.claim("fast").runs) == 2
    assert queue.claim("fast") is None


def test_a_claim_mixes_organisations(submit, make_principal):
    mine, theirs = submit(), submit(principal=make_principal())
    assert {run.detection for run in queue.claim("fast").runs} == {mine, theirs}


def test_lanes_do_not_see_each_other(submit):
    submit()
    assert {run.stage for run in queue.claim("fast").runs} == {"verdict"}
    assert queue.claim("fast") is None
    assert {run.stage for run in queue.claim("slow").runs} == {"objects"}


def test_a_batch_of_large_pictures_is_kept_small(submit, monkeypatch):
    for number in range(4):
        submit(f"{number}.png")
    monkeypatch.setattr(queue, "BATCH_PIXELS", 2 * 48 * 32)
    assert [len(queue.claim("fast").runs) for _ in range(2)] == [2, 2]
    monkeypatch.setattr(queue, "BATCH_PIXELS", 1)
    for number in range(2):
        submit(f"large-{number}.png")
    assert len(queue.claim("fast").runs) == 1  # one always goes, however large


def test_a_batch_of_large_files_is_kept_small(submit, monkeypatch):
    """However few their pixels: padding makes a PNG of any size."""
    for number in range(4):
        detection = submit(f"{number}.png")
    monkeypatch.setattr(queue, "BATCH_BYTES", 2 * detection.facts["bytes"])
    assert [len(queue.claim("fast").runs) for _ in range(2)] == [2, 2]


def test_claiming_writes_the_lease(submit, settings):
    detection = submit()
    claim = queue.claim("fast")
    run = run_of(detection)
    assert (run.state, run.token, run.attempts) == ("running", claim.token, 1)
    assert timezone.now() < run.lease_until <= later(settings.LEASE_SECONDS)
    detection.refresh_from_db()
    assert detection.version == 2


def test_a_result_is_saved_with_its_artefact_and_repeated_on_the_detection(submit):
    detection = submit()
    (change,) = finish()
    assert change.detection == detection.pk
    run = run_of(detection)
    assert (run.state, run.token, run.lease_until, run.run_ms) == ("done", None, None, 12.5)
    assert run.queued_ms >= 0
    np.testing.assert_allclose(unpack(run.result["heatmap"]), [[0.0, 1.0], [0.5, 0.2]], atol=2e-3)
    detection.refresh_from_db()
    assert (detection.verdict, detection.p_fake, detection.model_name) == ("fake", 0.875, "toy")
    assert detection.artefacts.get(kind="heatmap").file.read().startswith(b"\x89PNG")
    assert detection.completed_at is None  # the objects are still to come


def test_a_detection_is_complete_when_its_last_stage_has_reported(submit):
    detection = submit()
    finish()
    claim = queue.claim("slow")
    results.save(claim, [Skipped("No weights.", "Put them there.")], 1.0)
    detection.refresh_from_db()
    assert detection.completed_at is not None
    run = run_of(detection, "objects")
    assert (run.state, run.error_detail, run.remedy) == ("skipped", "No weights.", "Put them there.")


def test_a_lease_that_ran_out_is_taken_over_and_the_late_result_discarded(submit, settings):
    detection = submit()
    lost = queue.claim("fast")
    assert queue.claim("fast", now=later(settings.LEASE_SECONDS - 1)) is None
    taken = queue.claim("fast", now=later(settings.LEASE_SECONDS + 1))
    assert [run.detection for run in taken.runs] == [detection]

    assert results.save(lost, [verdict_outcome()], 1.0) == []
    assert run_of(detection).state == "running"
    assert not Artefact.objects.exists()
    before = list(Path(settings.MEDIA_ROOT).rglob("*"))
    assert sum(path.is_file() for path in before) == 3  # the late heat map was removed again

    assert len(results.save(taken, [verdict_outcome()], 1.0)) == 1
    assert run_of(detection).state == "done"
    assert results.save(taken, [verdict_outcome()], 1.0) == []  # once only
    assert Artefact.objects.count() == 1


def test_who_lost_the_lease_can_neither_extend_nor_give_back(submit, settings):
    detection = submit()
    lost = queue.claim("fast")
    taken = queue.claim("fast", now=later(settings.LEASE_SECONDS + 1))
    assert queue.extend(lost) == 0
    queue.give_back(lost)
    assert run_of(detection).token == taken.token


def test_extending_keeps_the_row(submit, settings):
    detection = submit()
    claim = queue.claim("fast")
    StageRun.objects.update(lease_until=timezone.now())
    assert queue.extend(claim) == 1
    assert run_of(detection).lease_until > later(settings.LEASE_SECONDS / 2)


def test_giving_back_costs_no_attempt(submit):
    detection = submit()
    queue.give_back(queue.claim("fast"))
    run = run_of(detection)
    assert (run.state, run.attempts, run.token) == ("queued", 0, None)
    assert queue.claim("fast") is not None


def test_who_failed_in_company_is_tried_again_alone_and_at_once(submit):
    for number in range(3):
        submit(f"{number}.png")
    fail(queue.claim("fast"))
    assert [len(queue.claim("fast").runs) for _ in range(3)] == [1, 1, 1]


def test_who_failed_alone_pauses_longer_each_time(submit, settings):
    settings.RETRY_SECONDS = 10
    detection = submit()
    for pause in (10, 20, 40):
        claim = queue.claim("fast", now=later(1000))
        fail(claim)
        left = (run_of(detection).due_at - timezone.now()).total_seconds()
        assert pause - 2 < left <= pause
        assert queue.claim("fast") is None


def test_after_four_attempts_it_is_failed_with_its_reason(submit):
    detection = submit()
    for _ in range(queue.MAX_ATTEMPTS):
        fail(queue.claim("fast", now=later(1000)))
    run = run_of(detection)
    assert (run.state, run.attempts, run.error_detail) == ("failed", 4, "It broke.")
    assert queue.claim("fast", now=later(100_000)) is None


def test_a_final_failure_is_not_tried_again(submit):
    detection = submit()
    fail(queue.claim("fast"), final=True)
    assert run_of(detection).state == "failed"


def test_a_row_whose_holders_all_died_is_buried(submit, settings):
    detection = submit()
    now = timezone.now()
    for attempt in range(queue.MAX_ATTEMPTS):
        assert queue.claim("fast", now=now + timedelta(hours=attempt)) is not None
    after = now + timedelta(hours=queue.MAX_ATTEMPTS)
    assert queue.claim("fast", now=after) is None
    assert [change.detection for change in queue.bury("fast", now=after)] == [detection.pk]
    run = run_of(detection)
    assert (run.state, run.error_code) == ("failed", "worker_lost")
    assert queue.bury("fast", now=after) == []


def test_rows_of_a_stage_that_left_the_list_are_skipped_once_a_roll_out_is_over(submit, settings):
    detection = submit()
    finish()
    StageRun.objects.filter(detection=detection, stage="objects").update(stage="gone")
    assert queue.claim("slow") is None
    assert queue.retire("slow") == []
    assert queue.retire("fast", now=later(100_000)) == []
    (change,) = queue.retire("slow", now=later(4000))
    assert change.detection == detection.pk
    run = run_of(detection, "gone")
    assert (run.state, run.error_detail) == ("skipped", "This examination is no longer made here.")
    detection.refresh_from_db()
    assert detection.completed_at is not None


def test_what_other_stages_found_stays_when_one_fails(submit):
    detection = submit()
    finish()
    fail(queue.claim("slow"), final=True)
    detection.refresh_from_db()
    assert detection.verdict == "fake"
    assert detection.completed_at is not None


def test_every_change_that_shows_raises_the_version(submit):
    detection = submit()
    seen = []
    for change in (lambda: finish(), lambda: fail(queue.claim("slow"), final=True)):
        change()
        seen.append(Detection.objects.get(pk=detection.pk).version)
    assert seen == [3, 5]  # claim and save, each


class TestTurns:
    """However much an organisation sends, another's single image is in the next claim."""

    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch):
        monkeypatch.setattr(queue, "_served", {})

    def test_a_single_image_is_in_the_next_claim_after_a_flood(self, submit, make_principal):
        for number in range(20):
            submit(f"{number}.png")
        theirs = submit("one.png", principal=make_principal())
        assert theirs in [run.detection for run in queue.claim("fast").runs]

    def test_one_at_a_time_takes_turns(self, submit, make_principal, monkeypatch):
        monkeypatch.setattr(queue, "BATCH_PIXELS", 1)
        other, third = make_principal(), make_principal()
        flood = [submit(f"{number}.png") for number in range(4)]
        theirs = [submit(f"t{number}.png", principal=other) for number in range(2)]
        last = submit("l.png", principal=third)
        order = [queue.claim("fast").runs[0].detection for _ in range(7)]
        assert [{*order[:3]}, {*order[3:5]}] == [{flood[0], theirs[0], last}, {flood[1], theirs[1]}]
        assert order[5:] == flood[2:]

    def test_what_is_tried_again_takes_its_turn_too(self, submit, make_principal, settings):
        settings.RETRY_SECONDS = 0
        for number in range(8):
            submit(f"{number}.png")
        fail(queue.claim("fast"))
        theirs = submit("one.png", principal=make_principal())
        claims = [[run.detection for run in queue.claim("fast").runs] for _ in range(2)]
        assert [theirs] in claims

    def test_within_an_organisation_the_oldest_comes_first(self, submit, make_principal):
        other = make_principal()
        mine, theirs = [], []
        for number in range(6):
            mine.append(submit(f"{number}.png"))
            theirs.append(submit(f"t{number}.png", principal=other))
        found = [run.detection for run in queue.claim("fast").runs]
        assert [each for each in found if each in mine] == mine[:4]
        assert [each for each in found if each in theirs] == theirs[:4]
