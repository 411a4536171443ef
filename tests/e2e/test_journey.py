"""The main job in a real browser against the running product with its real model."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests import hostile
from tests.e2e.acts import give, result, wait_done, wait_pictures
from tests.e2e.product import IMAGES

VERDICTS = re.compile("Probably AI-generated|Probably a real photo|Not sure")
BROKEN = ("broken.jpg", "image/jpeg", hostile.truncated_jpeg())
MODELS = ("/models/", "/models/efficientnet/")
REFUSED = "status of 422"  # the browser notes the answer to the broken file as an error


def test_from_sign_up_to_deletion(visit, address):
    page, witness = visit("journey@example.org")
    expect(page.get_by_text("Nothing has been checked yet")).to_be_visible()
    page.evaluate("window.sameDocument = true")

    give(page, [*IMAGES, BROKEN])
    wait_done(page, 3)
    assert page.evaluate("window.sameDocument"), "results must come without a reload"
    _look_at_cards(page)
    _look_at_a_result(page)
    _delete_from_the_history(page)
    _delete_from_the_result(page)

    assert witness.complaints(REFUSED) == []
    assert witness.hosts() == {address.removeprefix("http://")}


def _look_at_cards(page: Page) -> None:
    wait_pictures(page)
    names = page.locator(".result__name").all_inner_texts()
    assert names == [*(image.name for image in IMAGES), "broken.jpg"], "in the order they were chosen"
    for image in IMAGES:
        card = result(page, image.name)
        expect(card.locator(".verdict")).to_have_text(VERDICTS)
        number = re.compile(r"^$" if card.locator(".verdict").inner_text() == "Not sure" else r"\d %")
        expect(card.locator(".result__confidence")).to_have_text(number)
        expect(card.get_by_alt_text("Heat map")).to_be_visible()
    expect(page.locator(".result--refused")).to_contain_text("broken.jpg is damaged or incomplete")
    news = page.locator("#news").inner_text()
    said = r"(Not sure|.+ %)"
    assert all(re.search(rf"{re.escape(image.name)}: {said}", news) for image in IMAGES), news


def _look_at_a_result(page: Page) -> None:
    page.get_by_role("link", name=IMAGES[0].name).click()
    expect(page.locator("h1")).to_have_text(VERDICTS)
    expect(page.locator("#verdict")).to_contain_text(re.compile("patterns|leans|changes"))
    expect(page.get_by_role("heading", name="What was found")).to_be_visible()
    wait_pictures(page)
    slider = page.get_by_role("slider", name="Heat map")
    slider.focus()
    for key, words, opacity in (("ArrowRight", "45 %", "0.45"), ("End", "100 %", "1"), ("Home", "0 %", "0")):
        page.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") == words
        expect(page.locator("#opacity-text")).to_have_text(words)
        expect(page.locator(".viewer__heat")).to_have_css("opacity", opacity)
    picture = page.locator(".viewer__picture")
    expect(picture).to_have_css("image-rendering", "pixelated")
    page.get_by_label("Show single pixels").uncheck()
    expect(picture).to_have_css("image-rendering", "auto")
    expect(page.locator(".stages tbody tr")).to_have_count(3)
    expect(page.locator("#live")).to_have_attribute("data-live", "live")


def _delete_from_the_history(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="History").click()
    expect(page.locator(".record")).to_have_count(3)
    page.get_by_role("link", name=f"Delete {IMAGES[1].name}").click()
    expect(page.get_by_role("heading", name="Move this result to the trash?")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(VERDICTS)
    page.go_back()
    page.get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_text(f"{IMAGES[1].name} is in the trash")).to_be_visible()
    expect(page.locator(".record")).to_have_count(2)


def _delete_from_the_result(page: Page) -> None:
    page.get_by_role("link", name=IMAGES[2].name, exact=True).click()
    dialog = page.get_by_role("dialog", name="Move this result to the trash?")
    page.get_by_role("link", name="Delete this result…").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("link", name="Delete this result…").click()
    dialog.get_by_role("button", name="Move to the trash").click()
    expect(page.locator(".record")).to_have_count(1)


def test_a_form_that_comes_back_stands_at_what_is_wrong(chrome, address):
    page = chrome.new_page()
    page.goto(f"{address}/accounts/signup/")
    page.get_by_label("Email").fill("nobody@nowhere")
    for label in ("Password", "Password (again)"):
        page.get_by_label(label, exact=True).fill("correct horse 9")
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("Enter a valid email address.")).to_be_visible()
    expect(page.get_by_label("Email")).to_be_focused()
    page.close()


def test_with_the_keyboard_alone(visit):
    page, _ = visit("keys@example.org")
    page.on("filechooser", lambda chooser: None)  # so that none is missed while the browser is told to wait
    page.reload()
    page.locator(".upload__input").focus()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(IMAGES[0])
    wait_done(page, 1)
    tab_to(page, IMAGES[0].name)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(VERDICTS)
    tab_to(page, "Delete this result…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Enter")  # once too often: that is “Cancel”
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("link", name="Delete this result…")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Enter")
    tab_to(page, "Move to the trash")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{IMAGES[0].name} is in the trash")).to_be_visible()
    tab_to(page, "Undo")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Restored. It is as it was.")).to_be_visible()
    expect(page.locator("h1")).to_have_text(VERDICTS)


def tab_to(page: Page, words: str) -> None:
    """Presses Tab until the element of these words has the focus; each stop on the way must show it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        found, shown = page.evaluate(FOCUS)
        assert shown, f"no focus ring on “{found}”"
        if found == words:
            return
    raise AssertionError(f"Tab never comes to “{words}”")


# Card links hand their ring to the card, the file box (1 px) to the drop zone; BODY is the browser's own bar.
FOCUS = """
(() => {
  const node = document.activeElement;
  const ringed = [node, node.closest(".result, .dropzone, label")].some((each) =>
    each && getComputedStyle(each).outlineStyle !== "none");
  return [node.innerText?.trim() ?? "", ringed || node === document.body];
})()
"""


def test_on_paper_there_is_nothing_to_press(visit):
    page, _ = visit("paper@example.org")
    give(page, [IMAGES[0]])
    wait_done(page, 1)
    page.get_by_role("link", name=IMAGES[0].name).click()
    page.wait_for_selector("#live[data-live=live]")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name=VERDICTS)).to_be_visible()
    expect(page.locator(":is(button, .button, input, .live):visible")).to_have_count(0)


def test_every_way_in(visit):
    page, witness = visit("ways@example.org")
    give(page, [IMAGES[0]], kind="paste")
    page.set_input_files(".upload__input", [IMAGES[1]])
    page.set_input_files("input[capture]", [IMAGES[2]])
    wait_done(page, 3)
    assert witness.complaints() == []


def test_what_the_browser_knows_is_not_sent(visit):
    page, witness = visit("early@example.org")
    give(page, [("empty.jpg", "image/jpeg", b""), ("paper.pdf", "application/pdf", b"%PDF-1.7")])
    page.evaluate(
        """() => {
          const bag = new DataTransfer();
          bag.items.add(new File([new Uint8Array(26 * 1024 * 1024)], "big.jpg", { type: "image/jpeg" }));
          dispatchEvent(new DragEvent("drop", { dataTransfer: bag, cancelable: true }));
        }"""
    )
    refused = page.locator(".result--refused")
    expect(refused).to_have_count(3)
    expect(refused.filter(has_text="empty.jpg is empty.")).to_be_visible()
    expect(refused.filter(has_text="paper.pdf is a PDF document, which is not examined.")).to_be_visible()
    expect(refused.filter(has_text="big.jpg is larger than 25 MB.")).to_be_visible()
    assert not [url for url in witness.urls if url.endswith("/detections/") and url.startswith("http")]
    refused.first.get_by_role("button", name="Dismiss").click()
    expect(refused).to_have_count(2)
    assert witness.complaints() == []


def test_an_interrupted_upload_can_be_tried_again(visit):
    page, _ = visit("again@example.org")
    page.route("**/detections/", lambda route: route.abort())
    give(page, [IMAGES[0]])
    expect(page.locator(".result--refused")).to_contain_text(
        f"The upload of {IMAGES[0].name} was interrupted."
    )
    page.unroute("**/detections/")
    page.get_by_role("button", name="Try again").click()
    wait_done(page, 1)


# Whatever a sentence may name: a path, an address, a file.
LONG_WORDS = """
    const holders = "main p, main li, main dd, main h1, main h2, main h3, main summary";
    document.querySelectorAll(holders).forEach((each) => {
      const text = [...each.childNodes].find((node) => node.nodeType === 3 && node.data.trim());
      if (text) text.data += " /" + "x".repeat(150);
    });
"""


def too_wide(page):
    """In CSS pixels."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_no_page_is_wider_than_a_phone(visit):
    page, witness = visit("phone@example.org", viewport={"width": 360, "height": 740}, has_touch=True)
    expect(page.get_by_text("Take a photo")).to_be_visible()
    give(page, [IMAGES[0], ("x" * 180 + ".jpg", "image/jpeg", IMAGES[1].read_bytes())])
    wait_done(page, 2)
    check = page.url
    one = page.get_by_role("link", name=IMAGES[0].name).get_attribute("href")
    for path in (check, f"{check}history/", f"{check}settings/", one, f"{one}delete/", *MODELS):
        page.goto(path if path.startswith("http") else check.split("/o/")[0] + path)
        page.evaluate("document.querySelectorAll('main details').forEach((each) => { each.open = true; })")
        assert too_wide(page) <= 0, f"{path} is {too_wide(page)} px too wide"
        page.evaluate(LONG_WORDS)
        assert too_wide(page) <= 0, f"{path} is {too_wide(page)} px too wide where a text is one long word"
    assert witness.complaints() == []
