from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.uploadedfile import TemporaryUploadedFile

from detection import sweeper
from detection.models import Detection
from tests.detection.conftest import finish, running_consumer
from tests.servers import eventually

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]

LONG_AGO = 2 * sweeper.GRACE.total_seconds()


@pytest.fixture
def site(submit, settings) -> Path:
    """The folder of a site with two detections, one of them examined, all of it old."""
    submit("cat.png")
    finish()
    submit("dog.png")
    for path in files(Path(settings.MEDIA_ROOT)):
        age(path)
    return Path(settings.MEDIA_ROOT)


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def age(path: Path) -> None:
    then = time.time() - LONG_AGO
    os.utime(path, (then, then))


def stray(folder: Path, name: str = "") -> Path:
    name = name or uuid.uuid4().hex
    path = folder / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left behind")
    age(path)
    return path


def test_old_files_without_a_row_go_and_all_others_stay(site):
    kept = files(site)
    assert len(kept) == 7
    strays = [stray(site) for _ in range(5)]
    young = stray(site)
    young.touch()
    not_ours = stray(site, "notes of somebody else.txt")
    assert sweeper.sweep() == 5
    assert files(site) == {*kept, young, not_ours}
    assert not any(path.exists() for path in strays)


def test_a_store_of_another_database_is_left_alone(site, caplog):
    kept = files(site)
    Detection.objects.filter(name="cat.png").delete()
    assert sweeper.sweep() == 0
    assert files(site) == kept
    assert "4 of 7 stored files are in no record of this database" in caplog.text


def test_a_row_that_comes_while_the_store_is_listed_keeps_its_files(site, submit, monkeypatch):
    """Its files are then younger than any that are swept; and those of the list have been looked up."""
    real = sweeper._stored

    def listed(digit: str) -> set[str]:
        found = real(digit)
        submit()
        return found

    monkeypatch.setattr(sweeper, "_stored", listed)
    assert sweeper.sweep() == 0
    assert all(detection.original.read() for detection in Detection.objects.all())


def test_another_sweep_at_the_same_time_is_no_trouble(site, monkeypatch):
    strays, real = [stray(site) for _ in range(3)], sweeper._stored

    def listed(digit: str) -> Iterator[str]:
        found = real(digit)
        for path in strays[:2]:
            path.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(sweeper, "_stored", listed)
    assert sweeper.sweep() <= 1
    assert not strays[0].exists()


def test_what_a_killed_process_had_received_goes_and_what_is_being_received_stays(settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    uploads = [TemporaryUploadedFile("pictures.zip", "application/zip", 0, None) for _ in range(2)]
    killed, young = (Path(each.temporary_file_path()) for each in uploads)
    (tmp_path / "notes of somebody else").write_bytes(b"")
    (tmp_path / "tmpfolder").mkdir()
    for path in tmp_path.iterdir():
        if path != young:
            age(path)
    kept = {*tmp_path.iterdir()} - {killed}
    sweeper.sweep()
    assert {*tmp_path.iterdir()} == kept
    assert young in kept
    for each in uploads:
        each.close()


def test_an_empty_site_and_one_that_stops_sweep_nothing(site, settings):
    path = stray(site)
    assert sweeper.sweep(stopped=lambda: True) == 0
    assert path.exists()
    settings.MEDIA_ROOT = site / "nothing here"
    assert sweeper.sweep() == 0


@pytest.mark.django_db(transaction=True)
def test_the_consumer_sweeps_when_it_starts(site):
    path = stray(site)
    with running_consumer("fast"):
        eventually(lambda: not path.exists())
    assert not path.exists()
