from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from detection.models import Detection, StageRun
from tests.detection.conftest import finish, run_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]


@pytest.fixture
def staff(client, make_user):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def page(model: str, view: str = "changelist", *args) -> str:
    return reverse(f"admin:detection_{model}_{view}", args=args)


@pytest.mark.parametrize("model", ["detection", "stagerun", "artefact"])
def test_lists_take_the_same_number_of_queries_however_long(staff, submit, model):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert b"0.png" in staff.get(page(model)).content
        return len(seen)

    submit("0.png")
    finish()
    queries()  # the first page of a run fills caches
    short = queries()
    for number in range(7):
        submit(f"1{number}.png")
    finish()
    assert queries() == short


def test_search_and_filters(staff, submit):
    submit("cat.png")
    finish()
    submit("dog.png")
    found = staff.get(page("detection"), {"q": "dog"}).content
    assert b"dog.png" in found
    assert b"cat.png" not in found
    done = staff.get(page("stagerun"), {"state__exact": "done"}).content
    assert b"cat.png" in done
    assert b"dog.png" not in done


def test_a_detection_is_shown_with_its_runs_and_cannot_be_changed(staff, submit):
    detection = submit("cat.png")
    finish()
    assert b"cat.png" in staff.get(page("detection", "change", detection.pk)).content
    assert staff.post(page("detection", "change", detection.pk), {"name": "dog.png"}).status_code == 403
    assert staff.post(page("detection", "delete", detection.pk), {"post": "yes"}).status_code == 403
    assert staff.get(page("stagerun", "add")).status_code == 403
    assert Detection.objects.get().name == "cat.png"


def test_failed_runs_are_queued_again(staff, submit):
    failed, done = submit("failed.png"), submit("done.png")
    finish()
    StageRun.objects.filter(detection=failed, stage="verdict").update(state="failed", attempts=4)
    chosen = list(StageRun.objects.filter(stage="verdict").values_list("pk", flat=True))
    staff.post(page("stagerun"), {"action": "run_again", "_selected_action": chosen})
    assert (run_of(failed).state, run_of(failed).attempts) == ("queued", 0)
    assert run_of(done).state == "done"
