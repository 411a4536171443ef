"""One answer out of all stages, whichever of them ends first, and the record of what decided."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import ErrorRate
from detection import queue, results, selectors
from detection.stages import Failure, Outcome
from mlcore import calibration
from mlcore.contracts import ProvenanceSummary
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


def verdict(p_fake: float = 0.95, gate: dict | None = None) -> Outcome:
    gate = gate or {"in_domain": True, "reason": "", "scores": {}}
    side = "fake" if p_fake >= 0.5 else "real"
    result = {"p_fake": p_fake, "verdict": side, "gate": gate, "operating_points": POINTS, "model": MODEL}
    headline = {"p_fake": p_fake, **{f"model_{key}": value for key, value in MODEL.items()}}
    return Outcome(result, {"heatmap": b"png"}, headline)


def origin(summary: str = "none", *findings: dict) -> Outcome:
    return Outcome({"summary": summary, "sentence": "What the file says.", "findings": list(findings)})


def stability(agree: float, model: dict = MODEL) -> Outcome:
    result = {"agree": agree, "spread": 0.5, "stable": agree >= 0.8, "model": model}
    return Outcome({**result, "variants": [["mirrored", 0.2], ["saved as JPEG", 0.97]]})


LANES = {"verdict": "fast", "provenance": "slow", "objects": "slow", "stability": "explain"}


def end(stage: str, answer: Outcome | Failure) -> None:
    claim = queue.claim(LANES[stage])
    assert claim is not None
    assert claim.stage == stage
    results.save(claim, [answer] * len(claim.runs), 1.0)


def answer(detection) -> tuple:
    detection.refresh_from_db()
    return detection.verdict, detection.basis, detection.confidence, detection.decision.get("key")


def test_a_verdict_alone_is_by_pixels_and_keeps_what_decided(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    assert answer(detection) == ("fake", "pixels", 0.95, "pixels_fake")
    assert detection.decision["error_rate"] == "0.01"
    assert detection.decision["thresholds"] == POINTS["0.01"]
    assert detection.model_name == "m"


@pytest.mark.parametrize("first", ["verdict", "provenance"])
def test_the_order_in_which_stages_end_makes_no_difference(submit, first):
    detection = submit()
    answers = {"verdict": verdict(0.02), "provenance": origin("declared_ai", CLAIM)}
    end(first, answers.pop(first))
    for stage, each in answers.items():
        end(stage, each)
    assert answer(detection) == ("fake", "declared", None, "declared_ai")
    assert detection.p_fake == 0.02


def test_provenance_that_decides_does_so_before_the_model_has_answered(submit, principal):
    detection = submit()
    end("provenance", origin("none"))
    assert answer(detection)[0] == ""
    other = submit("signed.png")
    end("provenance", origin("camera_signed"))
    assert answer(other) == ("real", "signed", None, "signed_camera")
    assert selectors.state(selectors.get(principal, other.pk))["status"] == "working"


def test_a_picture_that_changes_sides_becomes_unsure(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    end("stability", stability(0.7))
    assert answer(detection) == ("uncertain", "pixels", 0.95, "unstable")


def test_stability_of_another_model_says_nothing_about_this_answer(submit, principal):
    detection = submit()
    end("verdict", verdict(0.95))
    end("stability", stability(0.1, {**MODEL, "sha256": "cd"}))
    assert answer(detection)[0] == "fake"
    assert selectors.state(selectors.get(principal, detection.pk))["stability"] is None


def test_objects_leave_the_answer_alone(submit):
    detection = submit()
    end("verdict", verdict(0.95))
    before = answer(detection)
    end("provenance", origin())
    end("objects", Outcome({"objects": [], "model": MODEL}))
    assert answer(detection) == before


def test_a_model_that_failed_leaves_the_answer_to_the_file(submit, principal):
    detection = submit()
    end("verdict", Failure("stage_error", "It broke.", final=True))
    end("provenance", origin("declared_ai", CLAIM))
    assert answer(detection)[:2] == ("fake", "declared")
    state = selectors.state(selectors.get(principal, detection.pk))
    assert (state["status"], state["verdict_words"]) == ("working", "AI-generated, says the file itself")


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
    assert answer(detection)[0] == found
    assert detection.decision["error_rate"] == rate
    end("stability", stability(1.0))
    assert (answer(detection)[0], detection.decision["thresholds"]) == (found, POINTS[rate])


def test_the_state_says_how_often_such_an_answer_is_wrong(submit, principal):
    principal.organisation.error_rate = "0.02"
    detection = submit()
    end("verdict", verdict(0.95))
    state = selectors.state(selectors.get(principal, detection.pk))
    assert state["error_rate_text"] == "Of 100 images with this answer, about 2 are wrong."


# --- What people read ---------------------------------------------------------------------


def test_out_of_domain_shows_no_score_as_an_answer(submit, principal):
    detection = submit()
    end("verdict", verdict(0.973, OUTSIDE))
    state = selectors.state(selectors.get(principal, detection.pk))
    assert (state["verdict"], state["verdict_words"], state["basis"]) == ("uncertain", "Not sure", "none")
    assert state["basis_text"] == state["gate"]["reason"] == OUTSIDE["reason"]
    assert (state["confidence"], state["confidence_text"], state["error_rate_text"]) == (None, "", "")
    assert "0.973" in state["raw_score_text"]
    assert "means nothing" in state["raw_score_text"]
    del state["raw_score_text"], state["p_fake"]
    assert "97.3" not in str(state)
    assert "evidence for AI-generated" not in state["legend"].lower()
    assert [each["key"] for each in state["evidence"]] == ["gate"]


def test_evidence_is_listed_from_strong_to_weak_with_its_picture(submit, principal):
    detection = submit()
    end("verdict", verdict(0.95))
    encoding = {**CLAIM, "source": "encoding", "says": "info", "title": "Saved as JPEG", "facts": {}}
    end("provenance", origin("none", encoding, {**CLAIM, "says": "camera", "source": "metadata"}))
    end("stability", stability(0.9))
    state = selectors.state(selectors.get(principal, detection.pk))
    found = [(each["key"], each["strength"], each["says"]) for each in state["evidence"]]
    assert found == [
        ("model", "strong", "fake"),
        ("metadata", "weak", "real"),
        ("stability", "weak", "none"),
        ("encoding", "info", "none"),
    ]
    assert state["evidence"][0]["image"] == state["files"]["heatmap"]


def test_a_trusted_signature_comes_before_a_model_that_contradicts_it(submit, principal):
    detection = submit()
    signed = {**CLAIM, "source": "c2pa", "says": "camera", "signed": True, "trusted": True}
    end("verdict", verdict(0.99))
    end("provenance", origin("camera_signed", signed))
    state = selectors.state(selectors.get(principal, detection.pk))
    assert state["verdict_words"] == "A camera photo, says a trusted signature"
    assert [(each["key"], each["says"]) for each in state["evidence"]] == [
        ("c2pa", "real"),
        ("model", "fake"),
    ]
    assert state["legend"].startswith("Evidence for AI-generated")


def test_long_texts_out_of_a_file_stand_apart(submit, principal):
    detection = submit()
    end("provenance", origin("declared_ai", CLAIM))
    (found,) = selectors.state(selectors.get(principal, detection.pk))["provenance"]["findings"]
    assert found["long"].startswith("a cat")
    assert found["rows"] == [{"label": "steps", "text": "20"}]


def test_every_summary_can_be_told(submit, principal):
    for summary in ProvenanceSummary:
        detection = submit(f"{summary}.png")
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
    assert state["basis_text"]


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
    end("provenance", origin("declared_ai", CLAIM))
    answer(detection)
    assert detection.decision["reason"] == "What the file says."
