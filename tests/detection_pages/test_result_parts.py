"""The parts of a result's page: answer, evidence, and what is folded below them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.urls import reverse

from detection import credentials, selectors
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


def test_every_value_that_c2pa_can_give_is_known():
    from typing import get_args

    from mlcore.provenance import manifests

    kinds = (manifests.Content, manifests.Signature, manifests.Signer, manifests.Certificate)
    assert {value for kind in kinds for value in get_args(kind)} == set(credentials.STATES)
