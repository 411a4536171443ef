"""The one shape that page, WebSocket and API show, and its sentences."""

from __future__ import annotations

import gc
import io
import weakref
from datetime import timedelta

import pytest
from django.http import Http404
from PIL import Image

from detection import model_figures, queue, results, selectors, services, watching, wording
from detection.api_state import api_state
from detection.models import StageRun
from detection.stages import Outcome
from detection.watching import Watch
from detection.work import Failure
from mlcore import registry
from mlcore.contracts import Skipped
from tests.detection.conftest import finish
from tests.hostile import ODD, jpeg, png

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy")]

KEYS = {
    "id", "version", "name", "organisation", "created_at", "submitted_by", "url", "status", "verdict",
    "verdict_words", "confidence", "confidence_text", "p_fake", "explanation", "caution", "facts", "notes",
    "legend", "patience", "model", "files", "objects", "stages", "took_ms", "took_text", "total_ms",
    "total_text",
}  # fmt: skip
OBJECTS = Outcome({"objects": [{"name": "cat", "score": 0.9, "box": [1.0, 2.0, 3.0, 4.0]}]})


def state_of(principal, detection) -> dict:
    return selectors.state(selectors.get(principal, detection.pk))


def answer(lane: str, what) -> None:
    claim = queue.claim(lane)
    results.save(claim, [what] * len(claim.runs), 5.0)


def test_the_life_of_a_detection_as_people_see_it(submit, principal):
    detection = submit()
    waiting = state_of(principal, detection)
    assert set(waiting) >= KEYS
    assert (waiting["status"], waiting["verdict"], waiting["verdict_words"]) == (
        "waiting", "", "Being examined…",
    )  # fmt: skip
    assert waiting["files"]["heatmap"] is None
    assert waiting["legend"] == ""
    assert "The model may still be loading" in waiting["patience"]
    assert waiting["model"] is None

    claim = queue.claim("fast")
    assert state_of(principal, detection)["status"] == "working"
    queue.give_back(claim)
    finish()
    judged = state_of(principal, detection)
    assert (judged["status"], judged["verdict_words"]) == ("working", "Probably AI-generated")
    assert judged["confidence_text"] == "87.5 %"
    assert "87.5\N{NO-BREAK SPACE}%" in judged["explanation"]
    assert judged["files"]["heatmap"].endswith(f"{detection.pk}/files/heatmap/")
    assert judged["model"]["name"] == "toy"
    assert judged["legend"].startswith("Evidence for AI-generated:")
    assert judged["patience"] == ""
    assert judged["took_ms"] > 0
    assert judged["total_ms"] is None

    answer("slow", OBJECTS)
    done = state_of(principal, detection)
    assert done["status"] == "done"
    assert done["objects"] == [
        {"name": "cat", "score": 0.9, "box": [1.0, 2.0, 3.0, 4.0], "sure": False, "score_text": "90.0 %"}
    ]
    assert [(stage["stage"], stage["state_words"]) for stage in done["stages"]] == [
        ("verdict", "Done"), ("objects", "Done"),
    ]  # fmt: skip
    assert done["total_ms"] > 0
    assert waiting["version"] < judged["version"] < done["version"]


def test_no_verdict_is_failed_and_says_so(submit, principal):
    detection = submit()
    answer("fast", Failure("stage_error", "It broke.", final=True))
    answer("slow", OBJECTS)
    failed = state_of(principal, detection)
    assert (failed["status"], failed["verdict_words"]) == ("failed", "Could not be examined")
    assert failed["stages"][0]["error"] == "It broke."
    assert (failed["legend"], failed["patience"]) == ("", "")
    assert failed["objects"]


def test_a_skipped_stage_gives_its_remedy_and_counts_as_done(submit, principal):
    detection = submit()
    finish()
    answer("slow", Skipped("No weights.", "Put them there."))
    state = state_of(principal, detection)
    assert state["status"] == "done"
    assert (state["stages"][1]["error"], state["stages"][1]["remedy"]) == ("No weights.", "Put them there.")


@pytest.mark.parametrize(
    ("stage", "took", "total"), [("verdict", "900 ms", "3.0 s"), ("objects", "40 ms", "900 ms")]
)
def test_days_before_a_stage_is_run_again_are_nobodys_waiting(submit, principal, stage, took, total):
    detection = submit()
    first = detection.created_at
    for name, wait in (("verdict", 40), ("objects", 3000)):
        again = first + timedelta(days=3) if name == stage else first
        end = again + timedelta(milliseconds=900 if name == stage else wait)
        detection.stage_runs.filter(stage=name).update(state="done", queued_at=again, finished_at=end)
    shown = state_of(principal, detection)
    assert (shown["took_text"], shown["total_text"]) == (took, total)


def test_caution_for_pictures_larger_than_the_model_knows(submit, principal):
    small = submit("small.png", png(64, 64))
    large = submit("large.png", png(65, 40))
    assert state_of(principal, large)["caution"] == ""  # it cautions of an answer, and there is none
    finish()
    assert state_of(principal, small)["caution"] == ""
    assert "65 × 40" in state_of(principal, large)["caution"]


@pytest.fixture
def measured(monkeypatch):
    """A card of the toy model on which large pictures were made small."""
    shares = {"n": 500, "passed": 0.9, "said_fake": 0.1}
    rows = [
        {"kind": kind, "filter": "box", "quality": quality, "said_real": said_real, **shares}
        for kind, quality, said_real in (("FAKE", None, 0.0), ("FAKE", 75, 0.633), ("REAL", 75, 0.9))
    ]
    monkeypatch.setattr(registry, "card", lambda name: {"reduced": rows} if name == "toy" else {})
    model_figures.called_real_once_small.cache_clear()
    yield
    model_figures.called_real_once_small.cache_clear()


@pytest.mark.usefixtures("measured")
def test_an_answer_by_pixels_says_what_nobody_can_see_of_a_small_picture(submit, principal):
    """With the card's worst figure of AI's, rounded up; to pages and to the API."""
    detection = submit()
    assert state_of(principal, detection)["made_small_text"] == ""
    finish()
    words = state_of(principal, detection)["made_small_text"]
    assert "of 100 large AI-generated pictures" in words
    assert words.endswith(" 64 were called real.")
    assert api_state(selectors.get(principal, detection.pk), str)["made_small_text"] == words


@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("verdict", "basis"),
    [("uncertain", "pixels"), ("uncertain", "none"), ("fake", "declared"), ("real", "signed")],
)
def test_but_no_other_answer_does(submit, principal, verdict, basis):
    detection = submit()
    finish()
    type(detection).objects.filter(pk=detection.pk).update(verdict=verdict, basis=basis)
    assert state_of(principal, detection)["made_small_text"] == ""


def test_nor_one_of_a_model_on_which_it_was_not_measured(submit, principal):
    detection = submit()
    finish()
    assert state_of(principal, detection)["made_small_text"] == ""


def test_notes_of_the_intake_are_told(submit, principal):
    detection = submit("moving.gif", ODD["animated.gif"]())
    state = state_of(principal, detection)
    assert state["notes"] == state["facts"]["notes"]
    assert "frames" in state["notes"][0]


def test_a_submitter_who_left_is_no_error(submit, principal):
    detection = submit()
    principal.user.delete()
    assert state_of(principal, detection)["submitted_by"] == ""


@pytest.mark.parametrize("count", [1, 6])
def test_lists_need_a_fixed_number_of_queries(submit, principal, django_assert_num_queries, count):
    for number in range(count):
        submit(f"{number}.png")
    finish()
    with django_assert_num_queries(3):
        states = [selectors.state(each) for each in selectors.history(principal)]
    assert len(states) == count


def test_a_stream_that_is_open_for_months_remembers_no_more_than_it_looks_at(submit, principal, monkeypatch):
    monkeypatch.setattr(watching, "NEWEST", 2)
    watch = Watch(principal)
    watch.start()
    made = [submit(f"{number}.png") for number in range(5)]
    assert len(watch.newer(each.pk for each in made)) == 5
    assert watch.reread() == []
    assert set(watch.sent) == {each.pk for each in made[-2:]}


def test_history_is_newest_first_and_filtered(submit, principal):
    judged, waiting = submit("Judged cat.png"), None
    finish()
    waiting = submit("waiting CAT.png")
    submit("dog.png")
    assert [each.name for each in selectors.history(principal, search="cat")] == [waiting.name, judged.name]
    assert list(selectors.history(principal, verdict="fake")) == [judged]
    assert not selectors.history(principal, verdict="real")
    assert len(selectors.recent(principal, 2)) == 2


def test_files_leave_with_their_type_and_a_safe_name(submit, principal):
    data = jpeg(700, 500)
    detection = submit("holiday.jpg", data)
    original = selectors.open_file(principal, detection.pk, "original")
    assert (original.read(), original.mime, original.name) == (data, "image/jpeg", "holiday.jpg")
    thumbnail = selectors.open_file(principal, detection.pk, "thumbnail")
    assert Image.open(io.BytesIO(thumbnail.read())).size == (256, 183)
    assert thumbnail.etag != original.etag


def test_the_overlay_is_drawn_at_the_originals_size(submit, principal):
    detection = submit("turned.jpg", ODD["turned.jpg"]())
    with pytest.raises(Http404):
        selectors.open_file(principal, detection.pk, "overlay")
    finish()
    overlay = selectors.open_file(principal, detection.pk, "overlay")
    image = Image.open(io.BytesIO(overlay.read()))
    assert (image.format, image.size) == ("PNG", (32, 48))


@pytest.mark.parametrize("kind", ["heatmap", "nonsense", "../original"])
def test_what_is_not_there_is_not_found(submit, principal, kind):
    with pytest.raises(Http404):
        selectors.open_file(principal, submit().pk, kind)


def test_a_stage_that_left_the_list_keeps_its_place_in_the_record(submit, principal):
    detection = submit()
    StageRun.objects.create(detection=detection, stage="retired", lane="slow", state="done")
    assert [each["label"] for each in state_of(principal, detection)["stages"]][-1] == "retired"


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.973, "97.3 %"),
        (0.9999, "> 99.9 %"),
        (1.0, "> 99.9 %"),
        (0.0, "< 0.1 %"),
        (0.5, "50.0 %"),
        (None, ""),
    ],
)
def test_percentages_never_claim_certainty(share, words):
    assert wording.percent(share) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(0.2, "1 ms"), (12.3, "12 ms"), (1234, "1.2 s"), (75_000, "1 min 15 s")]
)
def test_durations(milliseconds, words):
    assert wording.duration(milliseconds) == words


@pytest.mark.parametrize(
    ("verdict", "p_fake", "chance"),
    [
        ("fake", 0.9, "at 90.0 %"),
        ("fake", 0.9999, "at more than 99.9 %"),
        ("real", 0.2, "at 80.0 %"),
        ("uncertain", 0.55, "treat this as no answer"),
    ],
)
def test_the_sentence_gives_the_chance_of_what_was_announced(submit, verdict, p_fake, chance):
    detection = submit()
    detection.verdict, detection.p_fake = verdict, p_fake
    words = wording.explanation(detection, failed=False).replace("\N{NO-BREAK SPACE}", " ")
    assert chance in words
    assert ("%" in words) == (verdict != "uncertain")  # no number stands where there is no answer


def test_submitting_alone_never_says_done(principal):
    detection = services.submit(principal=principal, data=png(), name="cat.png")
    assert selectors.state(detection)["status"] == "waiting"


def test_a_row_of_a_list_goes_with_its_parts_without_the_garbage_collector(principal, submit):
    submit()
    row = selectors.history(principal).get()
    part = weakref.ref(row.stage_runs.all()[0])
    gc.disable()
    try:
        assert selectors.told(row, selectors.state)["stages"]
        assert part() is None
    finally:
        gc.enable()
