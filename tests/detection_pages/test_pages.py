"""The pages as the server makes them: complete without a script, and from the state alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import pytest
from django.conf import settings as site
from django.urls import reverse

from detection import model_figures, selectors, trash
from detection.early import early_checks
from detection.models import Detection, StageRun
from mlcore import imaging, overlay, registry
from mlcore.errors import ImageRefused
from tests import hostile
from tests.accounts.test_pages import assert_framed
from tests.detection_pages import factory
from tests.detection_pages.examined import examined

pytestmark = pytest.mark.django_db
MARKS = re.compile(r'data-(?:slot|time|if|unless|each)="([\w.]+)"')
ATTRIBUTES = re.compile(r'data-attr="([^"]+)"')


@pytest.fixture
def shown(member_client, principal):
    def get(name, *args):
        response = member_client.get(reverse(name, args=[principal.organisation.slug, *args]))
        assert response.status_code == 200
        assert_framed(response.content.decode().replace('application/json"', 'x" src=""'))
        return response.content.decode()

    return get


def text(html: str) -> str:
    shown = re.sub(r"<template.*?</template>|<(script|style).*?</\1>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shown))


# --- The check page -----------------------------------------------------------------------


def test_the_first_visit_explains_itself(shown):
    html = shown("check")
    assert "Nothing has been checked yet" in text(html)
    assert "It is a hint, never a proof." in text(html)
    assert 'http-equiv="refresh"' not in html


def test_results_stand_there_without_a_script(shown, principal):
    dogs = (factory.DOG, factory.DOG)
    factory.done(principal, "one.jpg", "fake", 0.973, data=hostile.jpeg(96, 64), objects=dogs)
    factory.done(principal, "two.jpg", "uncertain", 0.52)
    words = text(shown("check"))
    assert "one.jpg Probably AI-generated 97.3 %" in words
    assert "two.jpg Not sure" in words
    assert "52.0 %" not in words, "no number beside what is no answer"
    assert "dog × 2" in words
    assert "answered in 120 ms" in words  # whatever the objects took


@pytest.mark.parametrize("name", ["check", "history", "detection_detail"])
def test_pages_reload_by_themselves_only_without_a_script_and_while_waiting(shown, principal, name):
    args = [factory.waiting(principal).pk] if name == "detection_detail" else []
    factory.waiting(principal)
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in shown(name, *args)


def test_the_form_is_not_for_auditors(client, principal, make_principal):
    client.force_login(make_principal("auditor", principal.organisation).user)
    html = client.get(reverse("check", args=[principal.organisation.slug])).content.decode()
    assert 'id="upload"' not in html
    assert "Your role lets you read results" in html


def test_names_are_text_and_never_markup(shown, principal):
    detection = factory.done(principal, "<img src=x alt=y>.jpg")
    for html in (shown("check"), shown("history"), shown("detection_detail", detection.pk)):
        assert "<img src=x" not in html
        assert "&lt;img src=x alt=y&gt;.jpg" in html


# --- One result ---------------------------------------------------------------------------


def test_a_result_shows_the_whole_state(shown, principal):
    detection = examined(principal, data=hostile.jpeg(300, 200))
    state, words = (
        selectors.state(selectors.get(principal, detection.pk)),
        text(shown("detection_detail", detection.pk)),
    )
    wanted = [
        state[key]
        for key in (
            *("verdict_words", "error_rate_text", "basis_text", "explanation"),
            *("caution", "objects_text", "legend"),
        )
    ]
    wanted += [state["provenance"]["sentence"], state["stability"]["sentence"]]
    wanted += [each[key] for each in state["evidence"] for key in ("title", "text")]
    wanted += [state["facts"][key] for key in ("sha256", "size_text", "dimensions_text", "format")]
    wanted += [stage[key] for stage in state["stages"] for key in ("label", "queued_text", "time_text")]
    wanted += [state["took_text"], state["total_text"], state["model"]["sha256"], "dog"]
    assert [each for each in wanted if not each or text(each).strip() not in unescape(words)] == []


def test_frames_lie_where_the_objects_are(shown, principal):
    html = shown("detection_detail", factory.done(principal, data=hostile.jpeg(96, 64)).pk)
    assert 'viewBox="0 0 96 64"' in html
    assert '<rect x="4.0" y="5.0" width="16.0" height="25.0"/>' in html


def test_small_pictures_get_no_caution(shown, principal):
    html = shown("detection_detail", factory.done(principal, data=hostile.jpeg(32, 32)).pk)
    assert re.search(r'data-slot="caution"[^>]*hidden', html)
    assert 'data-small="yes"' in html


@pytest.mark.parametrize("of_100", [78, None])
def test_an_answer_by_pixels_says_below_it_what_a_small_picture_hides(shown, principal, monkeypatch, of_100):
    monkeypatch.setattr(model_figures, "called_real_once_small", lambda *model: of_100)
    html = shown("detection_detail", factory.done(principal, data=hostile.jpeg(32, 32)).pk)
    assert ("up to 78 were called real." in text(html)) == (of_100 is not None)
    assert bool(re.search(r'data-slot="made_small_text"[^>]*hidden', html)) == (of_100 is None)


def test_the_state_is_there_as_json(member_client, principal):
    detection = factory.done(principal)
    url = reverse("detection_detail", args=[principal.organisation.slug, detection.pk])
    response = member_client.get(url, headers={"accept": "application/json"})
    assert response.json() == selectors.state(selectors.get(principal, detection.pk))
    assert "no-store" in response["Cache-Control"]
    assert "Accept" in response["Vary"]


def test_the_newest_states_are_there_as_json(member_client, principal):
    made = [factory.done(principal, f"{number}.jpg") for number in range(3)]
    url = reverse("check", args=[principal.organisation.slug])
    answer = member_client.get(url, headers={"accept": "application/json"}).json()
    assert [state["id"] for state in answer["detections"]] == [str(each.pk) for each in reversed(made)]


def test_a_failure_gives_its_reason_and_can_be_tried_again(member_client, shown, principal):
    detection = factory.failed(principal)
    html = shown("detection_detail", detection.pk)
    assert "Could not be examined" in text(html)
    assert "The model process died." in text(html)
    retry = reverse("detection_retry", args=[principal.organisation.slug, detection.pk])
    assert f'action="{retry}"' in html
    assert member_client.get(retry).status_code == 405
    assert member_client.post(retry).url == reverse(
        "detection_detail", args=[principal.organisation.slug, detection.pk]
    )
    assert set(detection.stage_runs.values_list("state", flat=True)) == {StageRun.State.QUEUED}


@pytest.mark.parametrize("name", ["check", "history", "detection_detail"])
def test_the_browser_finds_every_mark_in_the_state(shown, principal, name):
    detection = examined(principal)
    state = selectors.state(selectors.get(principal, detection.pk))
    html = shown(name, *([detection.pk] if name == "detection_detail" else []))
    paths = set(MARKS.findall(html))
    for pairs in ATTRIBUTES.findall(html):
        paths |= {path for pair in pairs.split() for path in pair.split(":")[1].split("|")}
    inner = {key for rows in lists(state) for key in rows[0]} | {"file", "detail"}
    assert [path for path in paths if not found(state, path) and path not in inner] == []
    assert len(paths) > 6


def lists(value: object) -> Iterator[list[dict]]:
    """Every list of rows in the state, however deep."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from lists(inner)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield value
        for row in value:
            yield from lists(row)


def found(state: dict, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(state, dict) or key not in state:
            return False
        state = state[key]
    return True


# --- Deleting -----------------------------------------------------------------------------


def test_deleting_asks_first(shown, principal):
    html = shown("detection_delete", factory.done(principal).pk)
    assert "Move this result to the trash?" in html
    assert re.search(r"<a [^>]*autofocus[^>]*>Cancel<", html)  # Enter twice deletes nothing
    assert Detection.objects.count() == 1


def test_deleting_leads_to_the_history_which_offers_to_undo_it(member_client, principal):
    gone, kept = factory.done(principal, "gone.jpg"), factory.done(principal, "kept.jpg")
    slug = principal.organisation.slug
    url = reverse("detection_delete", args=[slug, gone.pk])
    response = member_client.post(url, follow=True)
    assert response.redirect_chain[0][0] == f"{reverse('history', args=[slug])}?trashed={gone.pk}"
    html = response.content.decode()
    undo = reverse("detection_restore", args=[slug, gone.pk])
    assert "gone.jpg" in html
    assert f'action="{undo}"' in html
    assert list(Detection.objects.all()) == [kept]
    assert member_client.post(undo).url == reverse("detection_detail", args=[slug, gone.pk])
    assert Detection.objects.count() == 2
    again = member_client.get(response.redirect_chain[0][0])  # where nothing is left to undo
    assert undo not in again.content.decode()


# --- Words and colours held together ------------------------------------------------------


def said(data: bytes, name: str) -> str:
    with pytest.raises(ImageRefused) as refused:
        imaging.examine(data, name, imaging.Limits(bytes=imaging.MIB))
    return str(refused.value)


def test_the_browser_says_beforehand_what_the_server_would_say():
    checks = early_checks(imaging.MIB)
    assert checks["empty"].replace("{name}", "a.jpg") == said(b"", "a.jpg")
    large = checks["too_large"].replace("{name}", "a.jpg")
    assert large == said(bytes(imaging.MIB + 1), "a.jpg")
    assert checks["types"]["application/pdf"].replace("{name}", "a.pdf") == said(b"%PDF-1.4", "a.pdf")
    assert checks["types"]["video/mp4"].startswith("{name} is a video")


def test_the_legend_has_the_colours_of_the_map():
    css = (site.BASE_DIR / "static/css/viewer.css").read_text()
    [gradient] = re.findall(r"linear-gradient\(\s*to right,(.*?)\)", css, re.S)
    assert re.findall(r"#\w+", gradient) == [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in overlay.ANCHORS]


# --- Model card ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.names())
def test_a_model_card_says_its_limits_first(member_client, name):
    html = member_client.get(reverse("model_card", args=[name])).content.decode()
    card = registry.card(name)
    assert_framed(html)
    assert html.index("What it cannot do") < html.index("How good it is")
    assert card["sha256"] in html
    assert card["command"] in text(html).replace("&#x27;", "'")
    assert f"{card['metrics']['accuracy']:.4f}" in html
    assert f"{card['metrics']['confusion']['FAKE']['real']:,}" in text(html)


def test_the_curves_are_kept_by_the_browser(member_client):
    url = reverse("model_picture", args=["cifake_resnet", "curves"])
    response = member_client.get(url)
    assert response["Content-Type"] == "image/png"
    assert member_client.get(url, headers={"if-none-match": response["ETag"]}).status_code == 304


def test_a_card_with_holes_is_still_a_page(member_client, monkeypatch, tmp_path):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/card.json").write_text(
        '{"name": "bare", "version": "1", "sha256": "00", "input_size": 32, "thresholds": {}}'
    )
    monkeypatch.setattr(registry, "WEIGHTS_DIR", tmp_path)
    html = member_client.get(reverse("model_card", args=["bare"])).content.decode()
    assert "Its card names no limits yet." in html
    assert "Its card holds no measurement yet." in html
    assert member_client.get(reverse("model_picture", args=["bare", "curves"])).status_code == 404


@pytest.mark.parametrize("name", ["no_such_model", "Upper", "-"])
def test_an_unknown_model_is_not_found(member_client, name):
    assert member_client.get(reverse("model_card", args=[name])).status_code == 404


def test_pages_cost_few_queries(member_client, principal, django_assert_max_num_queries):
    for number in range(12):
        factory.done(principal, f"{number}.jpg")
    url = reverse("check", args=[principal.organisation.slug])
    member_client.get(url)  # the first of a minute also writes down that this session was seen
    with django_assert_max_num_queries(8):
        page = member_client.get(url).content.decode()
    assert "11.jpg" in page


def test_the_service_is_asked_through_the_gate(principal, make_principal):
    with pytest.raises(Exception, match="No Detection matches"):
        trash.delete(principal=make_principal(), pk=factory.done(principal).pk)
