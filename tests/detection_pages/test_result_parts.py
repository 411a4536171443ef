"""The parts of a result's page: answer, evidence, and what is folded below them."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import get_args

import pytest
from django.urls import reverse

from detection import credentials, selectors
from mlcore import registry
from mlcore.provenance import manifests
from tests import hostile
from tests.detection_pages.examined import PROMPT, examined, refused
from tests.detection_pages.test_pages import shown, text

__all__ = ["shown"]
pytestmark = pytest.mark.django_db


def part(html: str, key: str) -> str:
    """One fold of the page; folds hold folds, so it ends where the next one begins."""
    [found] = re.findall(
        rf'<details class="details fold[^"]*" id="{key}".*?(?=<details class="details fold|</main>)',
        html,
        re.S,
    )
    return found


def answer(html: str) -> str:
    [found] = re.findall(r'<div class="report__verdict".*?(?=<figure)', html, re.S)
    return re.sub(r"<(p|div)[^>]* hidden>.*?</\1>", "", found, flags=re.S)


def test_the_answer_is_words_an_error_rate_and_a_reason(shown, principal):
    words = text(answer(shown("detection_detail", examined(principal).pk)))
    assert "Probably AI-generated" in words
    assert "Of 100 images with this answer, about 1 is wrong." in words
    assert "The model found patterns in the pixels" in words
    assert "%" not in words


def test_no_answer_has_a_reason_a_way_on_and_no_number(shown, principal):
    html = shown("detection_detail", refused(principal).pk)
    words = text(answer(html))
    assert "Not sure" in words
    assert "far larger than those that the model knows" in words
    assert "What you can do" in words
    before_details = html[: html.index('id="technical"')]
    assert not re.search(r"87\.3|12\.7|0\.873", text(before_details))
    assert "0.873" in text(part(html, "technical"))


def test_the_evidence_stands_in_the_order_of_the_state(shown, principal):
    detection = examined(principal)
    html = shown("detection_detail", detection.pk)
    [listed] = re.findall(r'<ol class="evidence".*?</ol>', html, re.S)
    state = selectors.state(selectors.get(principal, detection.pk))
    shown_titles = re.findall(r'<h3 data-slot="title">(.+?)</h3>', listed)
    assert [unescape(each) for each in shown_titles] == [each["title"] for each in state["evidence"]]
    assert len(shown_titles) >= 3
    assert re.search(r'data-key="model".*?class="evidence__heat"[^>]*src="/o/', listed, re.S)


def test_stability_is_a_table_for_those_who_do_not_see_dots(shown, principal):
    html = part(shown("detection_detail", examined(principal).pk), "stability")
    words = text(html)
    assert "1 of 2 changed copies" in words
    assert "saved as JPEG, quality 60 95.0 %" in words
    rows = re.findall(
        r'<tr class="holds__row".*?</tr>', re.sub(r"<template>.*?</template>", "", html, flags=re.S), re.S
    )
    assert ['data-same="true"' in row for row in rows] == [True, False]
    assert [float(each) for row in rows for each in re.findall(r'cx="([\d.]+)"', row)] == [0.95, 0.31]


def test_the_four_facts_about_a_signature_stay_apart(shown, principal):
    html = part(shown("detection_detail", examined(principal).pk), "provenance")
    found = re.findall(r'<li class="check" data-state="(\w+)"', html)
    assert found == ["yes", "yes", "unchecked", "no"]
    assert "Whoever sealed it is on a list of trusted signers Not checked" in text(html)


def test_text_out_of_a_file_is_folded_and_never_markup(shown, principal):
    html = shown("detection_detail", examined(principal).pk)
    assert "<script>alert" not in html
    [folded] = re.findall(
        r'<details class="details finding__long"[^>]*>(?:(?!</details>).)*masterpiece.*?</details>',
        html,
        re.S,
    )
    assert " open" not in folded.split(">")[0]
    assert PROMPT.strip() in unescape(folded)


def test_maps_say_whether_they_were_better_than_chance(shown, principal):
    html = part(shown("detection_detail", examined(principal).pk), "maps")
    good, bad, unasked = re.findall(r'<li class="map".*?</li>', html, re.S)
    assert 'data-better="true"' in good
    assert "No better than a random map" in text(bad)
    assert 'data-better="true"' not in bad
    assert 'name="stage" value="shap"' in unasked
    assert not re.search(r"<form[^>]*hidden", unasked)
    assert re.search(r"<form[^>]*hidden", good)


def test_auditors_cannot_ask_for_maps(client, principal, make_principal):
    client.force_login(make_principal("auditor", principal.organisation).user)
    url = reverse("detection_detail", args=[principal.organisation.slug, examined(principal).pk])
    assert "data-explain" not in client.get(url).content.decode()


def test_what_a_card_says_without_an_answer(shown, principal):
    refused(principal)
    html = shown("check")
    assert "far larger than those that the model knows" in text(html)
    assert 'data-basis="none"' in html
    assert "87.3" not in html.split('id="early-checks"')[0]


@pytest.mark.parametrize("value", sorted(credentials.STATES))
def test_every_value_of_a_fact_has_words(value):
    facts = dict.fromkeys(credentials.LABELS, value)
    rows = credentials.checks([{"source": "metadata", "facts": {}}, {"source": "c2pa", "facts": facts}])
    assert [row["state"] for row in rows] == [credentials.STATES[value][0]] * 4
    assert all(row["words"] for row in rows)


def test_what_a_hash_leaves_out_was_not_checked():
    facts = {**dict.fromkeys(credentials.LABELS, "matches"), "hash_covers_everything": False}
    first, *_ = credentials.checks([{"source": "c2pa", "facts": facts}])
    assert (first["key"], first["state"]) == ("content", credentials.UNCHECKED)


def test_every_value_that_c2pa_can_give_is_known():
    kinds = (manifests.Content, manifests.Signature, manifests.Signer, manifests.Certificate)
    assert {value for kind in kinds for value in get_args(kind)} == set(credentials.STATES)


# --- Models, and how sure an answer must be ------------------------------------------------

POINTS = {
    "0.005": {"fake": 0.95, "real": 0.05, "coverage": 0.957, "decided_error": 0.004},
    "0.01": {"fake": 0.9, "real": 0.1, "coverage": 0.98, "decided_error": 0.009},
    "0.02": {"fake": 0.8, "real": 0.2, "coverage": 1.0, "decided_error": 0.02},
}
ROW = {
    "degradation": "jpeg",
    "strength": 60,
    "label": "JPEG quality 60",
    "accuracy": 0.9712,
    "auroc": 0.99,
    "lost": 1.1,
}


@pytest.fixture
def two_models(monkeypatch, tmp_path, settings):
    """An old model without measurements of decisions, and the active one with all that there is."""
    base = {"version": "1.0", "sha256": "ab" * 32, "input_size": 32, "thresholds": {"fake": 0.9, "real": 0.1}}
    metrics = {"accuracy": 0.9823, "auroc": 0.9987, "coverage": 0.98, "decided_error": 0.0004}
    cards = {
        "old": {**base, "name": "old", "metrics": {"accuracy": 0.9643}},
        "new": {**base, "name": "new", "limits": ["It knows small pictures."], "metrics": metrics}
        | {"operating_points": POINTS, "robustness": [ROW]},
    }
    for name, card in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "card.json").write_text(json.dumps(card))
    (tmp_path / "new/reliability.png").write_bytes(hostile.png())
    monkeypatch.setattr(registry, "WEIGHTS_DIR", tmp_path)
    settings.DETECTION_MODEL = "new"
    return tmp_path


def test_models_stand_beside_one_another(member_client, two_models):
    (two_models / "broken").mkdir()
    (two_models / "broken/card.json").write_text("{")
    words = unescape(text(member_client.get(reverse("models")).content.decode()))
    assert "new 1.0 Active98.2 %98.0 %< 0.1 %97.1 %" in words
    assert "old 1.096.4 %––––" not in words, "no columns for which nobody has a figure"
    assert "old 1.096.4 %–––" in words


def test_a_model_page_shows_the_pictures_that_are_there(member_client, two_models):
    html = member_client.get(reverse("model_card", args=["new"])).content.decode()
    assert re.findall(r'<img class="model__curves" src="([^"]+)"', html) == ["/models/new/reliability.png"]
    assert member_client.get("/models/new/reliability.png")["Content-Type"] == "image/png"
    assert member_client.get("/models/new/robustness.png").status_code == 404
    assert member_client.get("/models/new/model.png").status_code == 404, "only pictures that are known"
    assert html.index("What it cannot do") < html.index("98.2") < html.index("Does it mean what it says?")
    assert "It does not answer at the moment" in member_client.get("/models/old/").content.decode()


def test_the_choice_of_error_rate_says_what_it_costs(member_client, principal, two_models):
    url = reverse("organisation_answers", args=[principal.organisation.slug])
    words = text(member_client.get(url).content.decode())
    assert "95 got an answer and 5 got “Not sure”" in words, "rounded down"
    assert "100 got an answer and 0 got “Not sure”" in words
    assert re.search(r'value="0.01" checked', member_client.get(url).content.decode())
    member_client.post(url, {"error_rate": "0.005"})
    assert re.search(r'value="0.005" checked', member_client.get(url).content.decode())
    answer = member_client.post(url, {"error_rate": "0.5"})
    assert answer.status_code == 422
    assert 'class="errorlist"' in answer.content.decode()


def test_only_owners_and_admins_choose(client, principal, make_principal):
    client.force_login(make_principal("member", principal.organisation).user)
    url = reverse("organisation_answers", args=[principal.organisation.slug])
    html = client.get(url).content.decode()
    assert "Your role lets you read this, not change it." in text(html)
    assert '<fieldset class="rates-choice" disabled' in html
    assert client.post(url, {"error_rate": "0.02"}).status_code == 403


def test_exif_is_shown_in_full_and_its_place_is_a_link_to_another_site(shown, principal):
    words = part(shown("detection_detail", examined(principal).pk), "file")
    assert "Exposure time1/250 s" in text(words)
    assert 'rel="noreferrer noopener"' in words
    assert "openstreetmap.org/?mlat=52.52&amp;mlon=13.41" in words
    assert "This opens OpenStreetMap, another site" in text(words)
