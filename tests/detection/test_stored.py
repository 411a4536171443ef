"""Whatever ends a submission or a save: no file of a saved row is removed, no file without one is kept."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import DatabaseError, OperationalError, connection

from detection import push, queue, results, services, trash
from detection.models import Artefact, Detection
from tests.detection.conftest import run_of, verdict_outcome
from tests.hostile import png

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toy")]


def stored(settings) -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


@pytest.fixture
def broken_commit(monkeypatch):
    """The database commits, and the connection breaks before it can say so."""
    real = connection.commit

    def commit() -> None:
        real()
        raise OperationalError("the connection was lost")

    def broken() -> None:
        monkeypatch.setattr(connection, "commit", commit)

    return broken


def test_a_browser_that_hangs_up_during_the_push_loses_nothing(principal, monkeypatch):
    async def cancelled(*args) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(push, "announce", cancelled)
    detection = services.submit(principal=principal, data=png(), name="cat.png")
    assert detection.original.read() == png()
    trash.delete(principal=principal, pk=detection.pk)


def test_whatever_is_raised_after_the_commit_the_files_stay(principal, monkeypatch, settings):
    def interrupted(changes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(push, "queued", interrupted)
    with pytest.raises(KeyboardInterrupt):
        services.submit(principal=principal, data=png(), name="cat.png")
    assert Detection.objects.get().original.read() == png()
    assert len(stored(settings)) == 3


def test_a_commit_of_unknown_outcome_keeps_a_submissions_files(principal, broken_commit):
    broken_commit()
    with pytest.raises(OperationalError):
        services.submit(principal=principal, data=png(), name="cat.png")
    assert Detection.objects.get().original.read() == png()


def test_a_commit_of_unknown_outcome_keeps_a_results_files(submit, broken_commit, monkeypatch):
    detection = submit()
    claim = queue.claim("fast")
    broken_commit()
    with pytest.raises(OperationalError):
        results.save(claim, [verdict_outcome()], 1.0)
    monkeypatch.undo()
    assert results.save(claim, [verdict_outcome()], 1.0) == []  # the lane tries again: it is saved already
    assert run_of(detection).state == "done"
    assert Artefact.objects.get().file.read().startswith(b"\x89PNG")


def test_files_of_a_batch_go_again_when_one_of_them_cannot_be_written(submit, settings, monkeypatch):
    for name in ("first.png", "second.png"):
        submit(name)
    claim, before = queue.claim("fast"), stored(settings)
    real, calls = FileSystemStorage.save, []

    def save(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise OSError("No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr(FileSystemStorage, "save", save)
    with pytest.raises(OSError, match="No space"):
        results.save(claim, [verdict_outcome(), verdict_outcome()], 1.0)
    assert stored(settings) == before


def test_files_of_a_batch_go_again_when_its_rows_cannot_be_saved(submit, settings, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("disk full")

    submit()
    claim, before = queue.claim("fast"), stored(settings)
    monkeypatch.setattr(Artefact.objects, "bulk_create", fail)
    with pytest.raises(DatabaseError):
        results.save(claim, [verdict_outcome()], 1.0)
    assert stored(settings) == before


def test_a_file_that_cannot_be_removed_fails_nothing(submit, principal, monkeypatch):
    """The rows are taken over by another: the late files are in the way of nobody."""

    def fail(*args) -> None:
        raise OSError("Read-only file system")

    detection = submit()
    claim = queue.claim("fast")
    trash.delete(principal=principal, pk=detection.pk)
    trash.empty(principal=principal)
    monkeypatch.setattr(FileSystemStorage, "delete", fail)
    assert results.save(claim, [verdict_outcome()], 1.0) == []
