from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
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


def test_files_are_named_and_not_linked(staff, submit):
    """A link would lead nowhere: files leave through the gate, which is for members."""
    detection = submit("cat.png")
    finish()
    artefact = detection.artefacts.get()
    shown = {
        page("detection", "change", detection.pk): (detection.original, artefact.file),
        page("artefact", "change", artefact.pk): (artefact.file,),
        page("artefact"): (artefact.file,),
    }
    for address, files in shown.items():
        content = staff.get(address).content.decode()
        for file in files:
            assert file.name in content
            assert f'{file.name}"' not in content


def test_the_number_queued_again_is_that_of_the_filtered_list(staff, submit):
    submit()
    StageRun.objects.filter(stage="verdict").update(state="failed")
    chosen = StageRun.objects.get(stage="verdict").pk
    address = page("stagerun") + "?state__exact=failed"
    answer = staff.post(address, {"action": "run_again", "_selected_action": [chosen]}, follow=True)
    assert b"Queued again: 1 of 1." in answer.content


@pytest.mark.parametrize(("permission", "state"), [("view", "failed"), ("change", "queued")])
def test_only_who_may_change_runs_queues_them_again(client, make_user, submit, permission, state):
    user = make_user(is_staff=True)
    for each in {"view", permission}:
        user.user_permissions.add(Permission.objects.get(codename=f"{each}_stagerun"))
    client.force_login(user)
    detection = submit()
    StageRun.objects.filter(stage="verdict").update(state="failed")
    client.post(page("stagerun"), {"action": "run_again", "_selected_action": [run_of(detection).pk]})
    assert run_of(detection).state == state


def test_failed_runs_are_queued_again(staff, submit):
    failed, done = submit("failed.png"), submit("done.png")
    finish()
    StageRun.objects.filter(detection=failed, stage="verdict").update(state="failed", attempts=4)
    chosen = list(StageRun.objects.filter(stage="verdict").values_list("pk", flat=True))
    staff.post(page("stagerun"), {"action": "run_again", "_selected_action": chosen})
    assert (run_of(failed).state, run_of(failed).attempts) == ("queued", 0)
    assert run_of(done).state == "done"


@pytest.mark.parametrize("model", ["detection_detection", "history_auditevent"])
@pytest.mark.parametrize("year", ["9999", "0", "-1", "9" * 20, "9" * 5000, "x"])
def test_a_year_that_no_calendar_has_leads_back_to_the_list(admin_client, model, year):
    field = "created_at" if model == "detection_detection" else "at"
    response = admin_client.get(reverse(f"admin:{model}_changelist"), {f"{field}__year": year})
    assert response.status_code in (200, 302)
