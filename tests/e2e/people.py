"""Several people in one organisation: each comes in by the letter that the product wrote to them."""

from __future__ import annotations

import re
from email import message_from_string, policy
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.e2e.product import PASSWORD

BETWEEN = f"\n{'-' * 79}\n"  # Django's, in the files that stand for mail
LINK = re.compile(r"https?://\S+")


def letters(data: Path, to: str) -> list[str]:
    """What was written to an address, the oldest first."""
    files = sorted((data / "mail").glob("*.log"), key=lambda each: each.stat().st_mtime_ns)
    parts = [part for each in files for part in each.read_text().split(BETWEEN) if part.strip()]
    found = [message_from_string(part, policy=policy.default) for part in parts]
    return [each.get_content() for each in found if to in str(each["To"])]


def link(data: Path, to: str, part: str) -> str:
    """The address with ``part`` in it that was sent last."""
    return next(each for text in reversed(letters(data, to)) for each in LINK.findall(text) if part in each)


def send(page: Page) -> None:
    """Presses the first button of the page's form, and waits for what comes."""
    with page.expect_navigation():
        page.locator("main form button:is([type=submit], :not([type]))").first.click()


def invite(page: Page, organisation: str, role: str, *emails: str) -> None:
    page.goto(f"{organisation}members/")
    page.fill("[name=emails]", ", ".join(emails))
    page.select_option("[name=role]", role)
    send(page)


def join(browser: Browser, data: Path, email: str, name: str) -> Page:
    """Somebody new opens their invitation and makes an account; gives the page they then stand on."""
    page = browser.new_context().new_page()
    page.goto(link(data, email, "/invitations/"))
    page.click("text=Create an account")
    page.fill("[name=name]", name)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    send(page)
    return page
