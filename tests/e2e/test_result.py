"""The parts of a result's page in a browser: filled by push, asked for, folded, printed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.acts import give, result, wait_pictures
from tests.e2e.product import IMAGES
from tests.e2e.test_live import Cable

Json = dict[str, Any]
PROMPT = "a lorry, <img src=x onerror=alert(1)> " * 60
CHECKS = [
    {
        "key": "content",
        "label": "The picture is the very one that was sealed",
        "state": "yes",
        "words": "Yes",
    },
    {
        "key": "signer",
        "label": "Whoever sealed it is on a list",
        "state": "unchecked",
        "words": "Not checked",
    },
    {"key": "certificate", "label": "Their certificate was valid", "state": "no", "words": "No"},
]
FINDING = {
    "source": "generator",
    "source_text": "Text that image generators write",
    "says": "ai",
    "title": "A prompt in the file",
    "detail": "The file holds the text that it was made from.",
    "rows": [{"label": "program", "text": "ComfyUI"}],
    "long": PROMPT,
}
PROVENANCE = {
    "summary": "declared_ai",
    "sentence": "It says so itself.",
    "checks": CHECKS,
    "findings": [FINDING],
}
VARIANTS = [
    {"words": "mirrored", "p_fake": 0.9, "text": "90.0 %", "same": True},
    {"words": "saved as JPEG, quality 60", "p_fake": 0.2, "text": "20.0 %", "same": False},
]
STABILITY = {"agree": 0.5, "spread": 0.7, "stable": False, "sentence": "1 of 2 copies.", "variants": VARIANTS}


def item(key: str, title: str, strength: str, says: str = "none", image: str | None = None) -> Json:
    return {"key": key, "title": title, "text": "Why.", "strength": strength, "says": says, "image": image}


@pytest.fixture
def opened(visit) -> Callable[[str], tuple[Page, Callable[..., None], Json]]:
    """``opened(email)``: the page of a verdict by pixels, ``say(**changes)`` for a push, and its state.

    The pushes carry high versions, so what slower stages still find cannot come between.
    """

    def start(email: str) -> tuple[Page, Callable[..., None], Json]:
        page, _ = visit(email)
        give(page, [IMAGES[0]])
        card = result(page, IMAGES[0].name)
        expect(card.get_by_alt_text("Heat map")).to_be_visible(timeout=120_000)
        address = urljoin(page.url, card.locator(".result__name a").get_attribute("href") or "")
        cable = Cable(page)
        page.goto(address)
        expect(page.locator("#live")).to_have_attribute("data-live", "live")
        state = page.evaluate("fetch('', { headers: { Accept: 'application/json' } }).then((r) => r.json())")

        def say(**changes: Any) -> None:
            state.update(changes, version=state["version"] + 100)
            message = {"type": "detection", "version": state["version"], "detection": state}
            cable.open[-1].send(json.dumps(message))

        return page, say, state

    return start


def unfold(page: Page, title: str) -> Locator:
    page.locator(".fold > summary", has_text=title).click()
    return page.locator(".fold", has=page.get_by_role("heading", name=title))


def test_what_is_found_later_fills_the_page(opened):
    page, say, state = opened("parts@example.org")
    heat = state["files"]["heatmap"]
    found = [item("c2pa", "Signed", "strong", "fake"), item("model", "Pixels", "medium", "fake", heat)]
    found += [item("stability", "It changes", "weak")]
    say(evidence=found, provenance=PROVENANCE, stability=STABILITY)
    expect(page.locator(".evidence h3")).to_have_text(["Signed", "Pixels", "It changes"])
    items = page.locator(".evidence__item")
    expect(items.nth(0)).to_have_text(re.compile("Strong.*speaks for AI", re.S), use_inner_text=True)
    expect(items.nth(2)).not_to_have_text(re.compile("speaks for"), use_inner_text=True)
    expect(items.nth(1).locator(".evidence__heat")).to_be_visible()
    expect(items.nth(2).locator("circle")).to_have_count(2)
    expect(items.nth(2).locator("circle").nth(0)).to_have_attribute("cx", "0.9")
    wait_pictures(page)

    rows = unfold(page, "Does the answer hold?").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).not_to_have_text(re.compile("changed sides"), use_inner_text=True)
    expect(rows.nth(1)).to_have_text(
        re.compile("quality 60.*20.0 %.*changed sides", re.S), use_inner_text=True
    )
    origin = unfold(page, "What the file says about its origin")
    expect(origin.locator(".check")).to_have_text(
        [re.compile("Yes"), re.compile("Not checked"), re.compile("No$")]
    )
    expect(origin.locator("dd")).to_have_text("ComfyUI")
    expect(origin.locator("pre")).to_be_hidden()
    origin.get_by_text("The text in the file").click()
    expect(origin.locator("pre")).to_contain_text("<img src=x onerror=alert(1)>")

    say(stability={**STABILITY, "variants": VARIANTS[:1]})
    expect(items.nth(2).locator("circle")).to_have_count(1)  # though the evidence's words are the same


def test_no_answer_shows_no_number_and_no_map(opened):
    page, say, state = opened("unsure@example.org")
    reason = "It is far larger than the pictures that the model knows."
    say(
        verdict="uncertain",
        answer="not_sure",
        verdict_words="Not sure",
        basis="none",
        basis_text=reason,
        confidence=None,
        confidence_text="",
        error_rate_text="",
        explanation=reason,
        expert={"p_fake": 0.873, "text": "The raw number is 0.873.", "note": "This is no answer."},
        files={**state["files"], "heatmap": None, "overlay": None},
        evidence=[item("gate", "Unknown", "strong")],
    )
    expect(page.locator("h1")).to_have_text("Not sure")
    expect(page.get_by_role("heading", name="What you can do")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text(reason)
    expect(page.locator(".viewer__heat")).to_be_hidden()
    expect(page.get_by_role("slider", name="Heat map")).to_be_hidden()
    assert not re.search(r"\d %|0\.873", page.locator("main").inner_text())
    unfold(page, "Technical details")
    expect(page.get_by_text("The raw number is 0.873.")).to_be_visible()


def test_a_map_that_the_answer_does_not_rest_on_is_taken_away(opened):
    page, say, state = opened("signed@example.org")
    expect(page.locator(".viewer__heat")).to_have_css("opacity", "0.4")
    hidden = {"files": {**state["files"], "heatmap": None}, "maps_text": "Nothing to explain.", "legend": ""}
    say(basis="signed", verdict="fake", answer="signed_ai", basis_text="A signature says so.", **hidden)
    expect(page.locator("#verdict")).to_contain_text("A signature says so.")
    expect(page.locator(".viewer__heat")).to_be_hidden()
    expect(page.get_by_role("slider", name="Heat map")).to_be_hidden()
    unfold(page, "Where the model looked")
    expect(page.get_by_text("Nothing to explain.")).to_be_visible()
    expect(page.locator(".map").first).to_be_hidden()


def test_a_map_is_asked_for_waited_for_and_marked(opened):
    page, say, state = opened("maps@example.org")
    asked: list[str] = []
    maps = state["explanations"]
    waiting = {**maps["shap"], "state": "queued", "state_words": "Waiting", "waiting": True, "may_ask": False}

    def answer(route: Route) -> None:
        asked.append(route.request.post_data or "")
        state["version"] += 1
        state["explanations"] = {**maps, "shap": waiting}
        route.fulfill(status=202, content_type="application/json", body=json.dumps(state))

    page.route("**/explain/", answer)
    row = unfold(page, "Where the model looked").locator(".map", has=page.get_by_role("heading", name="SHAP"))
    row.get_by_role("button", name="Make the SHAP map").focus()
    page.keyboard.press("Enter")
    expect(row.get_by_role("status")).to_have_text("Waiting")
    expect(row.get_by_role("status")).to_be_focused()
    expect(row.get_by_role("button")).to_be_hidden()
    expect(row.locator(".map__spinner")).to_be_visible()
    assert len(asked) == 1
    assert "shap" in asked[0]

    done = {**waiting, "state": "done", "state_words": "Done", "waiting": False, "better": False}
    done |= {"image": state["files"]["heatmap"], "mark": "No better than a random map."}
    say(explanations={**maps, "shap": done})
    expect(row.get_by_alt_text("SHAP: bright areas carry the evidence")).to_be_visible()
    expect(row.get_by_text("No better than a random map.")).to_be_visible()
    expect(row.locator(".map__spinner")).to_be_hidden()
    expect(row.get_by_role("status")).to_be_focused()  # and still where it was


def test_paper_shows_what_is_folded(opened):
    page, say, _ = opened("folds@example.org")
    say(provenance=PROVENANCE)
    expect(page.locator(".checks li")).to_have_count(3)
    page.emulate_media(media="print")
    expect(page.get_by_text("Their certificate was valid")).to_be_visible()
    expect(page.locator("#technical").get_by_role("heading", name="Model", exact=True)).to_be_visible()
    expect(page.locator(":is(button, .button, input, .live):visible")).to_have_count(0)


def test_the_error_rate_is_chosen_with_the_keyboard(visit):
    page, witness = visit("rate@example.org")
    page.locator("details.menu:not(.menu--person) > summary").click()
    page.get_by_role("link", name=re.compile("^Settings of")).click()
    page.get_by_role("link", name="Answers", exact=True).click()
    expect(page.get_by_role("radio", name=re.compile("^Usual"))).to_be_checked()
    page.get_by_role("radio", name=re.compile("^Usual")).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_role("radio", name=re.compile("^Strict"))).to_be_checked()
    assert witness.complaints() == []


# --- The viewer: down to single pixels, by keyboard, mouse and touch -----------------------


def zoomed(page: Page) -> float:
    """CSS pixels for one pixel of the picture."""
    return page.evaluate(
        "() => { const picture = document.querySelector('.viewer__picture');"
        "return picture.getBoundingClientRect().width / Number(picture.getAttribute('width')); }"
    )


def scrolled(page: Page) -> list[float]:
    return page.locator(".viewer__stage").evaluate("(stage) => [stage.scrollLeft, stage.scrollTop]")


def test_keys_zoom_to_single_pixels_and_back(opened):
    page, _, _ = opened("zoom@example.org")
    stage, fitted = page.locator(".viewer__stage"), zoomed(page)
    stage.focus()
    for _ in range(20):
        page.keyboard.press("+")
    assert zoomed(page) == pytest.approx(48)
    expect(page.locator("#zoom output")).to_have_text("48×")
    expect(page.locator(".viewer__stack")).to_have_css("width", "1536px")
    heat, boxes = page.locator(".viewer__heat").bounding_box(), page.locator(".viewer__boxes").bounding_box()
    assert heat == boxes == page.locator(".viewer__picture").bounding_box(), "what lies over it grows along"
    before = scrolled(page)
    page.keyboard.press("ArrowDown")
    page.wait_for_function("(top) => document.querySelector('.viewer__stage').scrollTop > top", arg=before[1])
    page.keyboard.press("0")
    assert zoomed(page) == pytest.approx(fitted)
    assert not page.locator(".viewer__stage").get_attribute("style")


def test_the_point_under_the_mouse_stays_and_a_mouse_drags(opened):
    page, _, _ = opened("mouse@example.org")
    box = page.locator(".viewer__picture").bounding_box()
    point = (box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.dblclick(*point)
    after = page.locator(".viewer__picture").bounding_box()
    assert (point[0] - after["x"]) / after["width"] == pytest.approx(0.25, abs=0.02)
    assert (point[1] - after["y"]) / after["height"] == pytest.approx(0.5, abs=0.02)
    before = scrolled(page)
    page.mouse.move(*point)
    page.mouse.down()
    page.mouse.move(point[0] - 60, point[1] - 30, steps=3)
    page.mouse.up()
    assert scrolled(page) == pytest.approx([before[0] + 60, before[1] + 30], abs=2)


def test_a_map_that_was_made_opens_in_the_viewer(opened):
    page, say, state = opened("map@example.org")
    address = state["files"]["thumbnail"]  # any picture that is there
    maps = {**state["explanations"], "lime": {**state["explanations"]["lime"], "image": address}}
    say(explanations=maps)
    page.locator("#maps summary").click()
    page.get_by_role("button", name="Show LIME over the picture").click()
    expect(page.locator(".viewer__heat")).to_have_attribute("src", address)
    expect(page.get_by_label("LIME", exact=True)).to_be_checked()
    say(objects=[])  # a push leaves the choice alone
    expect(page.locator(".viewer__heat")).to_have_attribute("src", address)
    page.get_by_label("Default map").check()
    expect(page.locator(".viewer__heat")).to_have_attribute("src", state["files"]["heatmap"])
