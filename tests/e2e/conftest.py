"""One running product and one browser for the package; both are gone before other tests run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.e2e.product import CHROMIUM, chromium, product, sign_up


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with product(tmp_path_factory.mktemp("product")) as found:
        yield found


@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"No browser at {CHROMIUM}: install chromium, or name another in CHROMIUM.")
    with chromium() as browser:
        yield browser


class Witness:
    """All that a browser complains of, and every host that it asks."""

    def __init__(self, context: BrowserContext) -> None:
        self.errors: list[str] = []
        self.urls: list[str] = []
        context.on("console", self._heard)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))
        context.on("request", lambda request: self.urls.append(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def complaints(self, expected: str = "") -> list[str]:
        return [each for each in self.errors if not (expected and re.search(expected, each))]

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.urls if not url.startswith(("data:", "blob:"))}


@pytest.fixture
def visit(chrome: Browser, address: str) -> Iterator[Callable[..., tuple[Page, Witness]]]:
    """``visit(email, **options)``: a new visitor signed up, on the check page; and the witness."""
    contexts: list[BrowserContext] = []

    def start(email: str, **options) -> tuple[Page, Witness]:
        context = chrome.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(60_000)  # the first result waits for the models to be loaded
        contexts.append(context)
        witness = Witness(context)
        page = context.new_page()
        sign_up(page, address, email)
        return page, witness

    yield start
    for context in contexts:
        context.close()
