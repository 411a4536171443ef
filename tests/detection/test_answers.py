"""Every row of the decision table, wherever an answer is shown: nothing is said that is not so there."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.http import Http404
from django.test import override_settings
from django.urls import reverse

from detection import api_state, batch_results, events, selectors, wording
from detection.answers import ROWS, Answer, answer_of, counted, pixels_may_speak
from detection.filtering import filtered
from detection.models import BatchEntry, Webhook
from detection.stages import Outcome
from mlcore.contracts import Basis, Verdict
from tests.detection.test_joining import CLAIM, MODEL, OUTSIDE, copies, end, origin, verdict
from tests.mlcore.test_decision import rows

pytestmark = pytest.mark.django_db

SIGNED = {**CLAIM, "source": "c2pa", "signed": True, "trusted": True, "facts": {}}
STEADY, SHAKY = copies(*[0.97] * 10), copies(*[0.97] * 6, *[0.2] * 4)
# By the key of the table: what the model said, what the file says, and the answer.
CASES = {
    "signed_ai": (verdict(0.987, stability=STEADY), origin("declared_ai_signed", SIGNED), Answer.SIGNED_AI),
    "signed_camera": (
        verdict(0.987, stability=STEADY),
        origin("camera_signed", {**SIGNED, "says": "camera"}),
        Answer.SIGNED_CAMERA,
    ),
    "declared_ai": (verdict(0.987, stability=STEADY), origin("declared_ai", CLAIM), Answer.DECLARED_AI),
    "no_model": (None, origin(), None),
    "out_of_domain": (verdict(0.987, OUTSIDE), origin(), Answer.NOT_SURE),
    "undecided": (verdict(0.787), origin(), Answer.NOT_SURE),
    "unstable": (verdict(0.987, stability=SHAKY), origin(), Answer.NOT_SURE),
    "pixels_fake": (verdict(0.987, stability=STEADY), origin(), Answer.MEASURED_AI),
    "pixels_real": (verdict(0.013, stability=copies(*[0.02] * 10)), origin(), Answer.MEASURED_REAL),
}
MEASURED, BY_PIXELS = {"pixels_fake", "pixels_real"}, {"pixels_fake", "pixels_real", "unstable", "undecided"}
# What may be said in which rows alone.
ONLY = {
    "neither side": {"undecided"},
    "changed copies of the picture got": {*MEASURED, "unstable"},
    "The answer holds": MEASURED,
    "The answer changes": {"unstable"},
    "not reliabl": {"unstable"},
    "The pixels look": MEASURED,
    "Probably AI-generated": {"pixels_fake"},
    "Probably a real photo": {"pixels_real"},
    "images with this answer": MEASURED,
    "The model puts the chance": MEASURED,
    "Declared AI-generated": {"declared_ai"},
    "trusted signature": {"signed_ai", "signed_camera"},
    "Not sure": {"out_of_domain", "undecided", "unstable"},
    "Could not be examined": {"no_model"},
    "Evidence for": BY_PIXELS,
    "98.7": {"pixels_fake", "pixels_real"},
    "0.987": {*BY_PIXELS, "pixels_real"},
    "78.7": set(),
}


@pytest.fixture(params=CASES)
def case(request, submit):
    """The key of a row, and a detection on which all has ended."""
    found, says, _ = CASES[request.param]
    detection = submit()
    end("verdict", found or _failed())
    end("provenance", says)
    end("objects", Outcome({"objects": [], "model": MODEL}))
    detection.refresh_from_db()
    return request.param, detection


def _failed():
    from detection.stages import Failure

    return Failure("stage_error", "It broke.", final=True)


def test_every_row_of_the_table_is_here():
    assert set(CASES) == {row[0] for row in rows()}


def forms(principal, detection, client) -> dict[str, str]:
    """The same answer everywhere it is shown, less what is for experts and says so."""
    state = selectors.state(selectors.get(principal, detection.pk))
    program = api_state.api_state(selectors.get(principal, detection.pk), lambda path: path)
    pages = {}
    for name, args in (("detection_detail", [detection.pk]), ("check", []), ("history", [])):
        html = client.get(reverse(name, args=[principal.organisation.slug, *args])).content.decode()
        html = re.sub(r"<template.*?</template>|<nav class=\"tabs\".*?</nav>", "", html, flags=re.S)
        html = re.sub(r'<section class="stack number".*?</section>', "", html, flags=re.S)
        html = re.sub(r"<(p|span|div|ul|table)\b[^>]*\bhidden>.*?</\1>", "", html, flags=re.S)
        pages[name] = unescape(html)
    row = batch_results.row(BatchEntry(number=1, name="a", detection=detection))
    for each in (state, program):
        each.pop("expert")
    told = {"state": json.dumps(state, ensure_ascii=False), "api": json.dumps(program, ensure_ascii=False)}
    return {**told, "csv": json.dumps(row), **pages}


def test_nothing_is_said_that_is_not_so(case, principal, member_client):
    key, detection = case
    for place, text in forms(principal, detection, member_client).items():
        said = {words for words in ONLY if words in text}
        wrong = {words for words in said if key not in ONLY[words]}
        assert not wrong, f"{place} of {key} says {wrong}"
    words = wording.verdict_words(detection, failed=True)
    assert key in ONLY.get(words, {key})


def test_numbers_maps_and_files_are_there_where_the_pixels_speak(case, principal):
    key, detection = case
    state = selectors.state(selectors.get(principal, detection.pk))
    assert state["answer"] == CASES[key][2]
    assert (state["p_fake"] is not None) == (key in BY_PIXELS)
    assert (state["thresholds"] is not None) == (key in BY_PIXELS)
    assert (state["confidence"] is not None) == (key in MEASURED)
    assert (state["stability"] is not None) == (key in {*MEASURED, "unstable"})
    for kind in ("heatmap", "overlay"):
        assert (state["files"][kind] is not None) == (key in BY_PIXELS)
    if key in BY_PIXELS:
        assert selectors.open_file(principal, detection.pk, "heatmap").read() == b"png"
        assert state["expert"]["note"] == ""
        return
    for kind in ("heatmap", "overlay"):
        with pytest.raises(Http404, match="There is no map"):
            selectors.open_file(principal, detection.pk, kind)
    assert not any(each["may_ask"] for each in state["explanations"].values()) or key == "no_model"
    if key == "no_model":
        assert state["expert"] is None
    else:
        assert state["expert"]["p_fake"] == 0.987
        assert state["expert"]["note"].startswith("This is no answer: ")


def test_the_raw_number_stands_in_one_folded_place(case, principal, member_client):
    key, detection = case
    url = reverse("detection_detail", args=[principal.organisation.slug, detection.pk])
    html = member_client.get(url).content.decode()
    [fold] = re.findall(r'<section class="stack number".*?</section>', html, re.S)
    assert ("The model’s raw number is" in fold) == (key != "no_model")
    assert html.count("The model’s raw number is") == (key != "no_model")
    assert ("This is no answer: " in fold) == (key not in {*BY_PIXELS, "no_model"})


def test_a_table_of_results_says_the_same(case):
    key, detection = case
    row = batch_results.row(BatchEntry(number=1, name="a", detection=detection))
    assert row["answer"] == CASES[key][2]
    assert (row["confidence"] is not None) == (key in MEASURED)
    assert (row["p_fake"] is not None) == (key in BY_PIXELS)


def test_a_webhook_says_the_same(submit, principal):
    webhook = Webhook.objects.create(
        organisation=principal.organisation, url="https://example.org/", events=[events.DETECTION_COMPLETED]
    )
    submit()
    end("verdict", verdict(0.987))
    end("objects", Outcome({"objects": [], "model": MODEL}))
    assert not webhook.deliveries.exists()  # the file has not said yet what it is
    end("provenance", origin("declared_ai", CLAIM))
    data = json.loads(webhook.deliveries.get().body)["data"]
    assert (data["verdict"], data["basis"], data["answer"]) == ("fake", "declared", "declared_ai")


# --- One name for each answer ---------------------------------------------------------------


def test_every_pair_of_verdict_and_basis_that_the_table_has_is_one_answer():
    for row in rows():
        if row[0] != "no_model":
            assert answer_of(row[5], row[6]) == CASES[row[0]][2]
            assert pixels_may_speak(row[5], row[6]) == (row[0] in BY_PIXELS)
    assert answer_of("", "") is None
    assert set(ROWS) == set(Answer) == set(wording.ANSWER_WORDS)
    assert len({*wording.ANSWER_WORDS.values()}) == len({*wording.ANSWER_LABELS.values()}) == len(Answer)


def test_filters_and_counts_tell_a_claim_from_a_measurement(submit, principal, member_client, make_key):
    found = {}
    pairs = [(v, b) for v, bases in ROWS.values() for b in bases if b]
    for v, b in [*pairs, ("", "")]:
        detection = submit(f"{v}-{b}.png")
        type(detection).objects.filter(pk=detection.pk).update(verdict=v, basis=b)
        found.setdefault(answer_of(v, b), set()).add(detection.name)
    for answer in Answer:
        assert {each.name for each in filtered(principal, answer=str(answer))} == found[answer]
        url = reverse("history", args=[principal.organisation.slug])
        html = member_client.get(url, {"answer": answer}).content.decode()
        assert set(re.findall(r'record__name"><a[^>]*><bdi>([^<]*)', html)) == found[answer]
    html = member_client.get(url, {"verdict": "fake"}).content.decode()  # as older links have it
    assert len(re.findall(r"record__name", html)) == 3
    assert counted([(str(Verdict.FAKE), str(Basis.DECLARED), 2), ("fake", "pixels", 3), ("", "", 1)]) == {
        **dict.fromkeys(map(str, Answer), 0),
        "declared_ai": 2,
        "measured_ai": 3,
        "": 1,
    }


@override_settings(STAGES_MODULE="tests.detection.toy_stages")
def test_times_are_of_the_answer(submit, principal):
    """However early the model had ended, and however late the objects."""
    detection = submit()
    assert selectors.state(selectors.get(principal, detection.pk))["took_text"] == ""
