"""The page of a batch follows it by itself, in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Witness
from tests.e2e.product import product, sign_up
from tests.hostile import png
from tests.zips import zipped

TOY = "tests.detection.toy_stages"
IMAGES, OTHERS = 40, 2


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with product(tmp_path_factory.mktemp("working"), STAGES_MODULE=TOY) as found:
        yield found


@pytest.fixture(scope="module")
def resting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site that takes nothing in: a batch stays as it is until somebody cancels it."""
    with product(tmp_path_factory.mktemp("resting"), STAGES_MODULE=TOY, BATCH_THREADS="0") as found:
        yield found


@pytest.fixture
def send(chrome: Browser, tmp_path: Path) -> Iterator[Callable[..., tuple[Page, Witness]]]:
    """``send(address, email)``: the page of a batch that somebody new has just sent; and the witness."""
    contexts = []
    archive = tmp_path / "pictures.zip"
    files = {f"{number}.png": png(20 + number) for number in range(IMAGES)}
    archive.write_bytes(zipped({**files, **{f"{number}.txt": b"no" for number in range(OTHERS)}}))

    def start(address: str, email: str) -> tuple[Page, Witness]:
        contexts.append(chrome.new_context())
        witness = Witness(contexts[-1])
        page = contexts[-1].new_page()
        sign_up(page, address, email)
        page.goto(f"{page.url}batches/")
        page.set_input_files("[name=archive]", archive)
        page.fill("[name=reference]", "Story 7")
        page.get_by_role("button", name="Send the zip").click()
        expect(page.get_by_role("heading", name="Story 7")).to_be_visible()
        page.evaluate("window.neverLoadedAgain = true")
        return page, witness

    yield start
    for each in contexts:
        each.close()


def cancel(page: Page) -> None:
    """In another tab."""
    second = page.context.new_page()
    second.goto(f"{page.url}cancel/")
    second.get_by_role("button", name="Cancel the rest").click()
    expect(second.locator("#batch [role=status]")).to_have_text("Cancelled")


def test_from_the_first_image_to_the_last_without_loading_the_page_again(send, working):
    page, witness = send(working, "all@example.org")
    expect(page.locator("#batch [role=status]")).to_have_text("Done", timeout=120_000)
    expect(page.get_by_role("heading", name=f"{IMAGES + OTHERS} of {IMAGES + OTHERS} images")).to_be_visible()
    expect(page.get_by_role("cell", name="0.txt", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Cancel the rest")).to_have_count(0)
    expect(page.locator("progress")).to_have_count(0)
    assert page.evaluate("window.neverLoadedAgain")
    assert len([url for url in witness.urls if url == page.url]) >= 2
    assert witness.complaints() == []


def test_what_is_over_is_not_asked_for_again(send, resting):
    page, witness = send(resting, "over@example.org")
    cancel(page)
    expect(page.locator("#batch [role=status]")).to_have_text("Cancelled", timeout=30_000)
    asked = len(witness.urls)
    page.clock.install()
    page.clock.run_for(60_000)
    assert len(witness.urls) == asked


def test_who_has_taken_the_results_along_goes_on_seeing_and_keeps_their_place(send, resting):
    """A link that was followed has the focus still: it may neither stop the page nor be lost."""
    page, _ = send(resting, "focus@example.org")
    link = page.get_by_role("link", name="Results as a table")
    with page.expect_download():
        link.click()
    expect(link).to_be_focused()
    status = page.locator("#batch [role=status]").element_handle()
    cancel(page)
    expect(page.locator("#batch [role=status]")).to_have_text("Cancelled", timeout=30_000)
    expect(link).to_be_focused()
    assert status.evaluate("element => element.isConnected")  # screen readers hear of changes within it
    assert page.evaluate("window.neverLoadedAgain")


def test_who_is_signed_out_elsewhere_is_told_so(send, resting):
    page, _ = send(resting, "out@example.org")
    second = page.context.new_page()
    second.goto(f"{resting}/accounts/logout/")
    second.get_by_role("main").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=30_000)
