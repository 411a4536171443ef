"""No page has a serious fault by axe-core, on a phone and on a desk, in the light and in the dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.e2e.acts import give, result, wait_done
from tests.e2e.product import IMAGES

PARTS = "history trash members settings batches webhooks keys activity"
OPEN = "document.querySelectorAll('main details').forEach((each) => { each.open = true; })"


def faults(page: Page) -> list[str]:
    """Rule and first place of each fault that axe-core calls serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['failureSummary'][:300]} {each['nodes'][0]['html'][:200]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.fixture
def addresses(visit) -> Callable[..., tuple[Page, list[str]]]:
    """``addresses(email, **options)``: a page of somebody who has checked an image, and pages to look at."""

    def start(email: str, **options) -> tuple[Page, list[str]]:
        page, _ = visit(email, **options)
        give(page, [IMAGES[0]])
        wait_done(page, 1)
        check, origin = page.url, page.url.split("/o/")[0]
        one = result(page, IMAGES[0].name).locator(".result__name a").first.get_attribute("href")
        within = ["", *(f"{each}/" for each in PARTS.split())]
        return page, [*(check + each for each in within), origin + str(one), origin + "/models/efficientnet/"]

    return start


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.timeout(400)
def test_pages_have_no_serious_fault(addresses, width, theme):
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": theme}
    page, pages = addresses(f"axe{width}{theme}@example.org", **options)
    found = {}
    for address in pages:
        assert page.goto(address).ok, address
        page.evaluate(OPEN)
        if faulty := faults(page):
            found[address] = faulty
    assert found == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_api_s_documentation_has_none_either(visit, theme):
    page, _ = visit(f"docs{theme}@example.org", viewport={"width": 390, "height": 900}, color_scheme=theme)
    page.goto(page.url.split("/o/")[0] + "/api/docs/")
    page.locator(".opblock-summary-control").first.click()
    page.locator(".opblock-body").first.wait_for()
    assert faults(page) == []
