"""Pages stay true through dropped sockets, late joins, reloads, and without JavaScript at all."""

from __future__ import annotations

import json
import re
from urllib.parse import urljoin

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.acts import give, result, wait_done
from tests.e2e.product import IMAGES

VERDICTS = re.compile("Probably AI-generated|Probably a real photo|Not sure")


class Cable:
    """Every WebSocket of a page goes through here, and can be cut."""

    def __init__(self, page: Page) -> None:
        self.cut = False
        self.open: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/ws/"), self._plug)

    def _plug(self, socket: WebSocketRoute) -> None:
        if self.cut:
            socket.close()
            return
        socket.connect_to_server()
        self.open.append(socket)

    def pull(self) -> None:
        self.cut = True
        for socket in self.open:
            socket.close()
        self.open.clear()


def test_a_dropped_socket_comes_back_and_catches_up(visit):
    page, witness = visit("drop@example.org")
    cable = Cable(page)
    page.reload()
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    other = page.context.new_page()
    other.goto(page.url)

    cable.pull()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    give(other, [IMAGES[0]])
    wait_done(page, 1)  # by reading, while no socket can be had
    expect(page.get_by_text("Reconnecting…")).to_be_visible()

    page.context.route("**/o/drop/", lambda route: route.abort())  # now it cannot read either
    wait_done(other, 1)
    give(other, [IMAGES[1]])
    wait_done(other, 2)
    gone = result(other, IMAGES[0].name).locator(".result__name a").get_attribute("href")
    other.goto(f"{page.url.split('/o/')[0]}{gone}delete/")
    other.get_by_role("button", name="Move to the trash").click()
    expect(result(page, IMAGES[0].name)).to_be_visible()
    page.context.unroute("**/o/drop/")

    cable.cut = False
    expect(page.locator("#live")).to_have_attribute("data-live", "live", timeout=30_000)
    expect(result(page, IMAGES[1].name)).to_be_visible()  # what came meanwhile is here
    expect(result(page, IMAGES[0].name)).to_have_count(0)  # and what went is gone
    assert witness.complaints("WebSocket|ERR_FAILED") == []


def test_what_is_older_than_what_is_shown_is_ignored(visit):
    page, _ = visit("older@example.org")
    cable = Cable(page)
    page.reload()
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    give(page, IMAGES[:2])
    wait_done(page, 2)
    found = page.evaluate("fetch('', { headers: { Accept: 'application/json' } }).then((r) => r.json())")
    first, second = found["detections"]

    def say(version: int, words: str) -> None:
        state = {**first, "version": version, "verdict_words": words}
        cable.open[-1].send(json.dumps({"type": "detection", "version": version, "detection": state}))

    say(99, "Newer")
    say(98, "Older")
    cable.open[-1].send(json.dumps({"type": "deleted", "id": second["id"]}))
    expect(page.locator(".result")).to_have_count(1)  # so the page has heard all three
    expect(page.locator(".verdict")).to_have_text("Newer")


def test_without_a_network_and_back(visit):
    page, _ = visit("offline@example.org")
    expect(page.locator("#live")).to_have_attribute("data-live", "live")
    page.context.set_offline(True)
    give(page, [IMAGES[0]])
    expect(page.locator(".result--refused")).to_contain_text("was interrupted")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    wait_done(page, 1)
    expect(page.locator("#live")).to_have_attribute("data-live", "live")


def test_a_colleague_sees_it_arrive_and_a_late_joiner_too(visit):
    page, witness = visit("late@example.org")
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.locator("#live")).to_have_attribute("data-live", "live")
    give(page, IMAGES)
    expect(result(page, IMAGES[0].name)).to_have_attribute("data-id", re.compile("."))
    late = page.context.new_page()
    late.goto(page.url)
    page.reload()
    for each in (page, second, late):
        wait_done(each, 3)
    assert witness.complaints() == []


def test_a_result_page_fills_by_push_and_sees_its_end(visit):
    page, witness = visit("push@example.org")
    give(page, [IMAGES[0]])
    card = result(page, IMAGES[0].name)
    expect(card.locator(".result__name a")).to_have_attribute("href", re.compile("/detections/"))
    second = page.context.new_page()
    second.goto(page.url.split("/o/")[0] + (card.locator(".result__name a").get_attribute("href") or ""))
    expect(second.locator("#result")).to_have_attribute("data-status", "done", timeout=60_000)
    expect(second.locator("h1")).to_have_text(VERDICTS)
    expect(second.locator(".viewer__heat")).to_be_visible()

    wait_done(page, 1)
    third = page.context.new_page()
    third.goto(second.url + "delete/")
    third.get_by_role("button", name="Move to the trash").click()
    expect(second.get_by_text("This result has been deleted.")).to_be_visible()
    expect(page.locator(".result")).to_have_count(0)
    assert witness.complaints() == []


def test_what_a_colleague_finishes_before_the_script_listens_is_seen(visit):
    colleague, _ = visit("early-bird@example.org")
    page = colleague.context.new_page()
    held: list[Route] = []
    page.route("**/js/check.js", lambda route: held.append(route))
    page.goto(colleague.url, wait_until="commit")
    expect(page.get_by_text("Nothing has been checked yet")).to_be_visible()
    give(colleague, [IMAGES[0]])
    wait_done(colleague, 1)
    held[0].continue_()
    wait_done(page, 1)


def test_pages_whose_session_ended_lead_to_the_sign_in(visit):
    page, _ = visit("ended@example.org")
    give(page, [IMAGES[0]])
    wait_done(page, 1)
    paths = ["history/", result(page, IMAGES[0].name).locator(".result__name a").get_attribute("href") or ""]
    pages = [page, *(page.context.new_page() for _ in paths)]
    cables = [Cable(each) for each in pages]
    for each, path in zip(pages, ["", *paths], strict=True):
        each.goto(urljoin(page.url, path))
        expect(each.locator("#live")).to_have_attribute("data-live", "live")
    for cable in cables:
        cable.pull()
    sign_out(page.context.new_page(), page.url)
    for each, cable in zip(pages, cables, strict=True):
        cable.cut = False  # a socket that is refused does not say why
        expect(each.get_by_role("heading", name="Sign in")).to_be_visible(timeout=30_000)


def sign_out(page: Page, somewhere: str) -> None:
    page.goto(urljoin(somewhere, "/accounts/logout/"))
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Create an account")).to_be_visible()


def test_a_result_deleted_while_its_page_was_cut_off_says_so(visit):
    page, _ = visit("cutoff@example.org")
    give(page, [IMAGES[0]])
    wait_done(page, 1)
    second = page.context.new_page()
    cable = Cable(second)
    second.goto(
        urljoin(page.url, result(page, IMAGES[0].name).locator(".result__name a").get_attribute("href") or "")
    )
    expect(second.locator("#live")).to_have_attribute("data-live", "live")
    cable.pull()
    page.goto(second.url + "delete/")
    page.get_by_role("button", name="Move to the trash").click()
    expect(second.get_by_text("This result has been deleted.")).to_be_visible(timeout=30_000)
    expect(second.get_by_text("Reconnecting…")).to_be_hidden()


def test_without_javascript(visit, chrome):
    page, _ = visit("plain@example.org")
    context = chrome.new_context(storage_state=page.context.storage_state(), java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.url)
    plain.set_input_files(".upload__input", IMAGES[:2])
    plain.get_by_role("button", name="Check these images").click()
    expect(plain.get_by_text("2 images are in.")).to_be_visible()
    expect(plain.locator(".result[data-status=done]")).to_have_count(2, timeout=60_000)
    expect(plain.locator(".verdict").first).to_have_text(VERDICTS)
    plain.get_by_role("link", name=IMAGES[0].name).click()
    expect(plain.locator("h1")).to_have_text(VERDICTS)
    expect(plain.locator(".viewer__heat")).to_be_visible()
    context.close()


def test_what_is_deleted_and_restored_goes_and_comes_back_on_other_pages(visit):
    page, witness = visit("trash@example.org")
    give(page, [IMAGES[0], IMAGES[1]])
    wait_done(page, 2)
    other = page.context.new_page()
    other.goto(
        result(page, IMAGES[0].name).locator(".result__name a").first.evaluate("(link) => link.href")
        + "delete/"
    )
    for _ in range(2):
        other.get_by_role("button", name="Move to the trash").click()
        expect(result(page, IMAGES[0].name)).to_have_count(0)
        other.get_by_role("button", name="Undo").click()
        expect(result(page, IMAGES[0].name)).to_be_visible()
        other.goto(other.url + "delete/")
    other.get_by_role("button", name="Move to the trash").click()
    other.get_by_role("link", name="trash", exact=True).click()
    other.get_by_role("button", name=f"Restore {IMAGES[0].name}").click()
    expect(result(page, IMAGES[0].name)).to_be_visible()
    expect(page.locator(".result")).to_have_count(2)
    assert witness.complaints() == []
