"""Maps on demand, and an organisation's settings: through the gate, once, and without side effects."""

from __future__ import annotations

import pytest
from django.http import Http404
from django.urls import reverse

from detection import queue, results, selectors, services
from detection.models import Detection
from detection.stages import Failure, Outcome
from tests.detection.conftest import run_of
from tests.detection.toy_stages import MODEL, png

pytestmark = pytest.mark.django_db

WORTH = {"deletion": 0.2, "insertion": 0.8, "random_deletion": 0.5, "random_insertion": 0.5, "better": False}


@pytest.fixture
def ask(member_client, principal):
    def post(detection, stage="lime", client=member_client, **headers):
        url = reverse("detection_explain", args=[principal.organisation.slug, detection.pk])
        return client.post(url, {"stage": stage}, headers=headers)

    return post


def end(answer) -> None:
    claim = queue.claim("explain")
    results.save(claim, [answer], 1.0)


def answered(detection, verdict: str, basis: str) -> None:
    Detection.objects.filter(pk=detection.pk).update(verdict=verdict, basis=basis)


def state_of(principal, detection) -> dict:
    return selectors.state(selectors.get(principal, detection.pk))


def test_a_map_is_made_when_somebody_asks_and_once(ask, submit, principal):
    detection = submit()
    before = state_of(principal, detection)
    assert before["explanations"]["lime"]["may_ask"]
    assert before["explanations"]["lime"]["state"] == "none"
    for _ in range(2):
        response = ask(detection, accept="application/json")
        assert response.status_code == 202
    told = response.json()
    assert told["version"] == before["version"] + 1
    assert told["explanations"]["lime"]["waiting"]
    assert told["status"] == "waiting"  # the map is nobody's answer
    end(Outcome({"faithfulness": WORTH, "model": MODEL}, {"lime": png()}))
    assert (
        state_of(principal, detection)["explanations"]["lime"]["image"] is None
    )  # of what, is not known yet
    answered(detection, "fake", "pixels")
    made = state_of(principal, detection)["explanations"]["lime"]
    assert (made["state"], made["may_ask"], made["waiting"]) == ("done", False, False)
    assert "Do not rely on it" in made["mark"]
    assert selectors.open_file(principal, detection.pk, "lime").read() == png()


def test_it_neither_reopens_a_detection_nor_holds_one_up(ask, submit, principal):
    detection = submit()
    ask(detection)
    for stage in ("verdict", "provenance", "objects"):
        run_of(detection, stage).delete()
    services.settle([detection.pk])
    detection.refresh_from_db()
    assert detection.completed_at is not None
    ask(detection, "shap")
    detection.refresh_from_db()
    assert detection.completed_at is not None
    assert state_of(principal, detection)["status"] == "done"


def test_one_that_failed_can_be_asked_for_again(ask, submit, principal):
    detection = submit()
    ask(detection)
    end(Failure("stage_error", "It broke.", final=True))
    found = state_of(principal, detection)["explanations"]["lime"]
    assert (found["may_ask"], "It broke." in found["state_words"]) == (True, True)
    ask(detection)
    assert run_of(detection, "lime").state == "queued"


@pytest.mark.parametrize(
    ("verdict", "basis"),
    [("uncertain", "none"), ("fake", "declared"), ("fake", "signed"), ("real", "signed")],
)
def test_an_answer_that_does_not_rest_on_the_pixels_has_no_map(ask, submit, principal, verdict, basis):
    detection = submit()
    ask(detection)
    end(Outcome({"faithfulness": WORTH, "model": MODEL}, {"lime": png()}))
    answered(detection, verdict, basis)
    response = ask(detection, "shap", accept="application/json")
    assert (response.status_code, response.json()["code"]) == (409, "nothing_to_explain")
    assert ask(detection, "shap").status_code == 302
    assert not detection.stage_runs.filter(stage="shap").exists()
    for each in state_of(principal, detection)["explanations"].values():
        assert (each["image"], each["may_ask"], each["waiting"], each["mark"]) == (None, False, False, "")
    with pytest.raises(Http404, match="There is no map of this picture"):
        selectors.open_file(principal, detection.pk, "lime")


@pytest.mark.parametrize("stage", ["verdict", "objects", "nonsense", ""])
def test_only_maps_can_be_asked_for(ask, submit, stage):
    assert ask(submit(), stage).status_code == 404


def test_auditors_and_strangers_ask_for_nothing(ask, submit, client, principal, make_principal, make_user):
    detection = submit()
    client.force_login(make_principal("auditor", principal.organisation).user)
    assert ask(detection, client=client).status_code == 403
    client.force_login(make_user())
    assert ask(detection, client=client).status_code == 404
    assert not detection.stage_runs.filter(stage="lime").exists()


# --- Settings -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 302), ("admin", 302), ("member", 403), ("auditor", 403)]
)
def test_owners_and_admins_choose_the_error_rate(client, make_principal, principal, role, status):
    somebody = principal if role == "owner" else make_principal(role, principal.organisation)
    client.force_login(somebody.user)
    url = reverse("organisation_answers", args=[principal.organisation.slug])
    assert client.post(url, {"error_rate": "0.005"}).status_code == status
    principal.organisation.refresh_from_db()
    assert principal.organisation.error_rate == ("0.005" if status == 302 else "0.01")
    page = client.get(url)
    assert page.status_code == 200
    assert page.context["may_change"] == (status == 302)
    assert sum(each["checked"] for each in page.context["choices"]) == 1


@pytest.mark.parametrize("rate", ["", "0.5", "nonsense"])
def test_a_rate_that_is_none_is_refused(member_client, principal, rate):
    url = reverse("organisation_answers", args=[principal.organisation.slug])
    assert member_client.post(url, {"error_rate": rate}).status_code == 422
    principal.organisation.refresh_from_db()
    assert principal.organisation.error_rate == "0.01"


def test_strangers_do_not_see_settings(client, principal, make_user):
    url = reverse("organisation_answers", args=[principal.organisation.slug])
    assert client.get(url).status_code == 302
    client.force_login(make_user())
    assert client.get(url).status_code == 404
