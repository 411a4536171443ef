"""One answer out of all stages, whichever of them ends first, and the record of what decided."""

from __future__ import annotations

import pytest
from django.db import connection
from django.http import Http404
from django.test.utils import CaptureQueriesContext

from accounts.models import ErrorRate
from detection import queue, results, selectors, services
from detection.api_waiting import is_ready
from detection.stages import Failure, Outcome
from mlcore import calibration
from mlcore.contracts import ProvenanceSummary, Skipped
from mlcore.decision import PIXELS_FAKE
from tests.detection.conftest import run_of

pytestmark = pytest.mark.django_db

MODEL = {"name": "m", "version": "1", "sha256": "ab"}
POINTS = {
    "0.005": {"fake": 0.99, "real": 0.01},
    "0.01": {"fake": 0.9, "real": 0.1},
    "0.02": {"fake": 0.6, "real": 0.4},
}
OUTSIDE = {"in_domain": False, "reason": "It is too large for this model.", "scores": {"distance": 9.5}}
CLAIM = {
    "source": "generator", "says": "ai", "title": "A prompt", "detail": "It holds a prompt.",
    "signed": False, "trusted": False, "facts": {"prompt": "a cat " * 60, "steps": 20},
}  # fmt: skip


def verdict(p_fake: float = 0.95, gate: dict | None = None, stability: dict | None = None) -> Outcome:
    gate = gate or {"in_domain": True, "reason": "", "scores": {}}
    side = "fake" if p_fake >= 0.5 else "real"
    result = {"p_fake": p_fake, "verdict": side, "gate": gate, "operating_points": POINTS, "model": MODEL}
    result |= {"stability": stability} if stability else {}
    headline = {"p_fake": p_fake, **{f"model_{key}": value for key, value in MODEL.items()}}
    return Outcome(result, {"heatmap": b"png"}, headline)


def copies(*p_fake: float) -> dict:
    """What the model said of changed copies."""
    return {"variants": [[f"changed in way {number}", p] for number, p in enumerate(p_fake)]}


def origin(summary: str = "none", *findings: dict) -> Outcome:
    return Outcome({"summary": summary, "sentence": "What the file says.", "findings": list(findings)})


LANES = {"verdict": "fast", "provenance": "origin", "objects": "slow"}


def end(stage: str, answer: Outcome | Failure) -> None:
    claim = queue.claim(LANES[stage])
    assert claim is not None
    assert claim.stage == stage
    results.save(claim, [answer] * len(claim.runs), 1.0)


def told(principal, detection) -> dict:
    return selectors.state(selectors.get(principal, detection.pk))


def answer(detection) -> tuple:
    detection.refresh_from_db()
    return detection.verdict, detection.basis, detection.confidence, detection.decision.get("key")


def test_an_answer_by_pixels_keeps_what_decided(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", origin())
    assert answer(detection) == ("fake", "pixels", 0.95, "pixels_fake")
    assert detection.decision["error_rate"] == "0.01"
    assert detection.decision["thresholds"] == POINTS["0.01"]
    assert detection.decision["without"] == []
    assert detection.model_name == "m"


ANSWERS = {"verdict": verdict(0.02), "provenance": origin("declared_ai", CLAIM)}


@pytest.mark.parametrize("first", ANSWERS)
def test_nothing_is_told_before_all_that_may_decide_is_in(submit, principal, first):
    detection = submit()
    (last,) = set(ANSWERS) - {first}
    end(first, ANSWERS[first])
    assert answer(detection) == ("", "", None, None)
    state = told(principal, detection)
    assert (state["status"], state["verdict"], state["answer"]) == ("working", "", None)
    hidden = [
        state[key] for key in ("p_fake", "confidence", "expert", "stability", "provenance", "thresholds")
    ]
    assert hidden == [None] * 6
    assert (state["evidence"], state["legend"], state["basis_text"]) == ([], "", "")
    assert state["files"]["heatmap"] is state["files"]["overlay"] is None
    assert state["gate"]["scores"] == {}
    assert state["took_ms"] is None
    for kind in ("heatmap", "overlay"):
        with pytest.raises(Http404):
            selectors.open_file(principal, detection.pk, kind)
    end(last, ANSWERS[last])
    assert answer(detection) == ("fake", "declared", None, "declared_ai")
    assert told(principal, detection)["took_ms"] is not None


def test_a_failed_attempt_is_no_end(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", Failure("provenance_died", "It died."))
    assert answer(detection)[0] == ""


@pytest.mark.parametrize(
    "failure", [Failure("provenance_timed_out", "Too long.", final=True), Skipped("Not here.", "")]
)
def test_an_answer_says_what_it_rests_without(submit, principal, failure):
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", failure)
    assert answer(detection)[0] == "fake"
    state = told(principal, detection)
    assert state["without"] == ["provenance"]
    assert "What the file says about its origin could not be read" in state["basis_text"]
    end("objects", Outcome({"objects": [], "model": MODEL}))
    assert answer(detection)[0] == "fake"


def test_who_died_over_it_too_often_holds_up_no_answer(submit, principal):
    """The lease of the last attempt ran out: nobody will ever report."""
    detection = submit()
    end("verdict", verdict(0.95))
    lost = {"state": "running", "attempts": queue.MAX_ATTEMPTS, "lease_until": detection.created_at}
    detection.stage_runs.filter(stage="provenance").update(**lost)
    queue.bury("origin")
    assert answer(detection)[0] == "fake"
    assert told(principal, detection)["without"] == ["provenance"]


def test_an_answer_is_taken_back_while_what_may_change_it_runs_again(submit, principal):
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", Failure("provenance_timed_out", "Too long.", final=True))
    end("objects", Failure("stage_error", "It broke.", final=True))
    services.run_again(detection.stage_runs.filter(stage="objects"))
    assert answer(detection)[0] == "fake"
    services.run_again(detection.stage_runs.filter(stage="provenance"))
    assert answer(detection) == ("", "", None, None)
    assert told(principal, detection)["status"] == "working"
    end("provenance", origin("declared_ai", CLAIM))
    assert answer(detection)[:2] == ("fake", "declared")


def test_a_picture_that_changes_sides_becomes_unsure(submit, principal):
    detection = submit()
    end("verdict", verdict(0.992, stability=copies(*[0.98] * 7, 0.2, 0.5, 0.1)))
    end("provenance", origin())
    assert answer(detection) == ("uncertain", "pixels", None, "unstable")
    state = told(principal, detection)
    assert (state["confidence"], state["confidence_text"]) == (None, "")
    assert state["stability"]["sentence"] == "7 of 10 changed copies of the picture got the same answer."
    assert state["evidence"][0]["key"] == "stability"
    words = " ".join(each["title"] + each["text"] for each in state["evidence"])
    assert "neither" not in words
    assert "99.2" not in words


def test_copies_are_judged_by_the_thresholds_of_the_organisation(submit, principal):
    principal.organisation.error_rate = "0.02"  # fake from 0.6
    principal.organisation.save()
    detection = submit()
    end("verdict", verdict(0.7, stability=copies(*[0.65] * 9, 0.5)))
    end("provenance", origin())
    assert answer(detection) == ("fake", "pixels", 0.7, "pixels_fake")
    state = told(principal, detection)
    assert (state["stability"]["agree"], state["stability"]["stable"]) == (0.9, True)
    assert [each["same"] for each in state["stability"]["variants"]] == [True] * 9 + [False]


def test_copies_say_nothing_of_an_answer_that_there_is_none_of(submit, principal):
    detection = submit()
    end("verdict", verdict(0.7, stability=copies(*[0.95] * 10)))
    end("provenance", origin())
    assert answer(detection)[3] == "undecided"
    state = told(principal, detection)
    assert state["stability"] is None
    assert [each["key"] for each in state["evidence"]] == ["provenance", "model"]
    assert len(state["expert"]["stability"]["variants"]) == 10


def test_copies_that_could_not_be_asked_cost_no_answer(submit, principal):
    detection = submit()
    end("verdict", verdict(0.95, stability={"error": "RuntimeError"}))
    end("provenance", origin())
    assert answer(detection)[0] == "fake"
    state = told(principal, detection)
    assert (state["without"], state["stability"]) == (["stability"], None)
    assert "could not be tested on changed copies" in state["basis_text"]


@pytest.mark.parametrize("model", [MODEL, {**MODEL, "sha256": "cd"}])
def test_records_in_which_stability_was_a_stage_keep_it(submit, principal, model):
    """But not one of another model than the verdict's."""
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", origin())
    older = {"agree": 0.5, "spread": 0.5, "stable": False, "model": model}
    older["variants"] = [["mirrored", 0.2], ["saved as JPEG", 0.97]]
    detection.stage_runs.create(stage="stability", lane="explain", state="done", result=older)
    found = told(principal, detection)["stability"]
    assert (found and found["agree"]) == (0.5 if model == MODEL else None)


def test_objects_leave_the_answer_alone(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", origin())
    before = answer(detection)
    end("objects", Outcome({"objects": [], "model": MODEL}))
    assert answer(detection) == before


def test_a_model_that_failed_leaves_the_answer_to_the_file(submit, principal):
    detection = submit()
    end("verdict", Failure("stage_error", "It broke.", final=True))
    end("provenance", origin("declared_ai", CLAIM))
    assert answer(detection)[:2] == ("fake", "declared")
    state = told(principal, detection)
    assert (state["status"], state["verdict_words"]) == ("working", "Declared AI-generated: the file says so")
    assert (state["without"], state["expert"]) == (["verdict"], None)
    assert "could not examine the picture" in state["basis_text"]


def test_where_there_is_nothing_to_answer_with_nobody_waits(submit, principal):
    detection = submit()
    end("verdict", Failure("stage_error", "It broke.", final=True))
    end("provenance", origin())
    assert answer(detection)[0] == ""
    assert is_ready(principal, detection.pk, done=False)
    state = told(principal, detection)
    assert state["verdict_words"] == "Could not be examined"
    assert [each["key"] for each in state["evidence"]] == ["provenance"]


# --- The organisation's error rate --------------------------------------------------------


def test_the_rates_are_those_of_the_cards():
    assert tuple(ErrorRate.values) == calibration.ERROR_RATES
    assert ErrorRate.USUAL == calibration.USUAL


@pytest.mark.parametrize(("rate", "found"), [("0.005", "uncertain"), ("0.01", "uncertain"), ("0.02", "fake")])
def test_an_organisation_s_rate_picks_the_thresholds(submit, principal, rate, found):
    principal.organisation.error_rate = rate
    principal.organisation.save()
    detection = submit()
    principal.organisation.error_rate = "0.01"  # later, which is too late for this image
    principal.organisation.save()
    end("verdict", verdict(0.7))
    end("provenance", origin())
    assert answer(detection)[0] == found
    assert (detection.decision["error_rate"], detection.decision["thresholds"]) == (rate, POINTS[rate])


def test_the_state_says_how_often_such_an_answer_is_wrong(submit, principal):
    principal.organisation.error_rate = "0.02"
    detection = submit()
    end("verdict", verdict(0.95))
    end("provenance", origin())
    state = selectors.state(selectors.get(principal, detection.pk))
    assert state["error_rate_text"] == "Of 100 images with this answer, about 2 are wrong."


# --- What people read ---------------------------------------------------------------------


def test_evidence_is_listed_from_strong_to_weak_with_its_picture(submit, principal):
    detection = submit()
    end("verdict", verdict(0.95, stability=copies(*[0.95] * 9, 0.2)))
    encoding = {**CLAIM, "source": "encoding", "says": "info", "title": "Saved as JPEG", "facts": {}}
    end("provenance", origin("none", encoding, {**CLAIM, "says": "camera", "source": "metadata"}))
    state = selectors.state(selectors.get(principal, detection.pk))
    found = [(each["key"], each["strength"], each["says"]) for each in state["evidence"]]
    assert found == [
        ("model", "strong", "fake"),
        ("metadata", "weak", "real"),
        ("stability", "weak", "none"),
        ("encoding", "info", "none"),
    ]
    assert state["evidence"][0]["image"] == state["files"]["heatmap"]


def test_long_texts_out_of_a_file_stand_apart(submit, principal):
    detection = submit()
    end("verdict", verdict())
    end("provenance", origin("declared_ai", CLAIM))
    (found,) = selectors.state(selectors.get(principal, detection.pk))["provenance"]["findings"]
    assert found["long"].startswith("a cat")
    assert found["rows"] == [{"label": "steps", "text": "20"}]


def test_every_summary_can_be_told(submit, principal):
    for summary in ProvenanceSummary:
        detection = submit(f"{summary}.png")
        end("verdict", verdict())
        end("provenance", origin(str(summary)))
        state = selectors.state(selectors.get(principal, detection.pk))
        assert state["provenance"]["summary"] == summary


def test_a_record_from_before_there_was_all_this_still_renders(submit, principal):
    detection = submit()
    detection.stage_runs.exclude(stage="verdict").delete()
    old = {"verdict": "fake", "p_fake": 0.9, "confidence": 0.9, "model": MODEL}
    detection.stage_runs.update(state="done", result=old)
    type(detection).objects.update(verdict="fake", p_fake=0.9, confidence=0.9, basis="pixels")
    state = selectors.state(selectors.get(principal, detection.pk))
    assert (state["status"], state["verdict_words"]) == ("done", "Probably AI-generated")
    assert (state["error_rate_text"], state["provenance"], state["stability"]) == ("", None, None)
    assert (state["basis_text"], state["answer"], state["p_fake"]) == (PIXELS_FAKE, "measured_ai", 0.9)


def test_a_batch_is_joined_with_one_query_whatever_its_size(submit):
    reads = []
    for size in (2, 12):
        for number in range(size):
            submit(f"{size}-{number}.png")
        claim = queue.claim("fast")
        with CaptureQueriesContext(connection) as seen:
            results.save(claim, [verdict()] * size, 1.0)
        reads.append(sum(each["sql"].startswith("SELECT") for each in seen.captured_queries))
        assert {run_of(run.detection).state for run in claim.runs} == {"done"}
    assert reads[0] == reads[1]


def test_a_declared_answer_says_whose_claim_it_is(submit):
    detection = submit()
    end("verdict", verdict())
    end("provenance", origin("declared_ai", CLAIM))
    answer(detection)
    assert detection.decision["reason"] == "What the file says."
