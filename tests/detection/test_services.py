from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404

from detection import push, queue, results, selectors, services, trash
from detection.models import Artefact, Detection, StageRun
from mlcore.errors import ImageRefused
from tests.detection.conftest import run_of, verdict_outcome
from tests.hostile import BROKEN, ODD, png

pytestmark = pytest.mark.django_db


def stored(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_submit_stores_the_bytes_as_they_came_and_queues_every_stage(principal, settings):
    data = ODD["turned.jpg"]()
    detection = services.submit(principal=principal, data=io.BytesIO(data), name="../../etc/turned.jpg")
    detection.refresh_from_db()
    assert detection.original.read() == data
    assert detection.name == "turned.jpg"
    assert (detection.facts["width"], detection.facts["height"]) == (32, 48)
    assert "turned" not in detection.original.name
    assert {(run.stage, run.lane, run.state) for run in detection.stage_runs.all()} == {
        ("verdict", "fast", "queued"),
        ("provenance", "origin", "queued"),
        ("objects", "slow", "queued"),
    }
    assert len(stored(settings)) == 3


@pytest.mark.parametrize("name", BROKEN)
def test_nothing_is_stored_of_a_refused_file(name, principal, settings):
    make, code = BROKEN[name]
    with pytest.raises(ImageRefused) as refused:
        services.submit(principal=principal, data=make(), name=name)
    assert refused.value.code == code
    assert name in str(refused.value)
    assert not stored(settings)
    assert not Detection.objects.exists()


def test_a_huge_upload_is_not_read_to_its_end(principal, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    file = io.BytesIO(bytes(1_000_000))
    with pytest.raises(ImageRefused) as refused:
        services.submit(principal=principal, data=file, name="huge.png")
    assert refused.value.code == "too_large"
    assert file.tell() == 1001


def test_files_go_again_when_the_rows_cannot_be_saved(principal, settings, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(StageRun.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        services.submit(principal=principal, data=png(), name="cat.png")
    assert not stored(settings)
    assert not Detection.objects.exists()


def test_only_a_role_that_may_write_submits(make_principal):
    with pytest.raises(PermissionDenied):
        services.submit(principal=make_principal("auditor"), data=png(), name="cat.png")


def test_waking_waits_for_the_commit(principal, monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr(push, "queued", woken.append)
    with django_capture_on_commit_callbacks(execute=True):
        detection = services.submit(principal=principal, data=png(), name="cat.png")
        assert not woken
    assert woken == [[push.Change(detection.pk, principal.organisation.pk)]]


def test_a_stage_at_work_on_a_removed_detection_is_discarded(
    submit, principal, settings, toy, django_capture_on_commit_callbacks
):
    gone, kept = submit("gone.png"), submit("kept.png")
    claim = queue.claim("fast")
    with django_capture_on_commit_callbacks(execute=True):
        trash.delete(principal=principal, pk=gone.pk)
        trash.empty(principal=principal)
    changes = results.save(claim, [verdict_outcome(), verdict_outcome()], 1.0)
    assert [change.detection for change in changes] == [kept.pk]
    assert Artefact.objects.get().detection == kept
    assert len(stored(settings)) == 4


def test_failed_stages_run_again_and_done_ones_stay(submit, principal, toy):
    detection = submit()
    StageRun.objects.filter(detection=detection, stage="verdict").update(
        state="failed", attempts=4, error_code="x", error_detail="It broke."
    )
    StageRun.objects.filter(detection=detection, stage="objects").update(state="done")
    Detection.objects.update(completed_at=detection.created_at)
    services.retry(principal=principal, pk=detection.pk)
    run = run_of(detection)
    assert (run.state, run.attempts, run.error_detail) == ("queued", 0, "")
    assert run_of(detection, "objects").state == "done"
    detection.refresh_from_db()
    assert detection.completed_at is None
    assert detection.version == 2


class TestAnotherOrganisation:
    """sees nothing, and cannot tell that there is something."""

    @pytest.fixture
    def outsider(self, make_principal):
        return make_principal()

    def test_reads_nothing(self, submit, outsider):
        detection = submit()
        for kind in ("original", "preview", "thumbnail", "heatmap", "overlay"):
            with pytest.raises(Http404):
                selectors.open_file(outsider, detection.pk, kind)
        with pytest.raises(Http404):
            selectors.get(outsider, detection.pk)
        assert not selectors.recent(outsider, 10)
        assert not selectors.history(outsider)
        assert not selectors.with_ids(outsider, [detection.pk])
        assert not selectors.versions(outsider, limit=10, ids=[detection.pk])
        assert not selectors.unfinished(outsider, 10)

    def test_changes_nothing(self, submit, outsider):
        detection = submit()
        with pytest.raises(Http404):
            trash.delete(principal=outsider, pk=detection.pk)
        with pytest.raises(Http404):
            services.retry(principal=outsider, pk=detection.pk)
        assert Detection.objects.filter(pk=detection.pk).exists()

    def test_an_auditor_of_the_same_one_reads_but_does_not_change(self, submit, make_principal, principal):
        detection = submit()
        auditor = make_principal("auditor", principal.organisation)
        assert selectors.get(auditor, detection.pk) == detection
        for change in (trash.delete, services.retry):
            with pytest.raises(PermissionDenied):
                change(principal=auditor, pk=detection.pk)
