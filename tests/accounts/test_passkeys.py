"""Passkeys in a real browser, with a virtual device: added, used alone, used as a second step, removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ConsoleMessage, Page

from tests.conftest import PASSWORD
from tests.e2e.product import CHROMIUM, chromium

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),  # a dozen pages on a busy machine
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"No browser at {CHROMIUM}."),
]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def ada(make_user):
    from allauth.account.models import EmailAddress

    user = make_user("ada@herald.example")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def visitor(ada, live_server, monkeypatch) -> Iterator[tuple[Page, list[str]]]:
    """A browser on a machine with a fingerprint reader, and what it complains of."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # playwright's loop runs in this thread
    with chromium() as browser:
        page = browser.new_page(base_url=live_server.url)
        page.set_default_timeout(60_000)
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if is_complaint(said) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        yield page, complaints


def is_complaint(said: ConsoleMessage) -> bool:
    """The test's server has no WebSockets, which is not what is tested here."""
    return said.type == "error" and "WebSocket" not in said.text


def sign_in(page: Page) -> None:
    page.goto("/accounts/login/")
    page.fill("#id_login", "ada@herald.example")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def add_passkey(page: Page, alone: bool = True) -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    page.fill("#id_password", PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.fill("#id_name", "Work laptop")
    page.set_checked("#id_passwordless", alone)
    page.get_by_role("button", name="Add a passkey").click()
    page.wait_for_url("**/recovery-codes/")


def test_a_passkey_is_added_and_then_signs_in_alone(visitor):
    page, complaints = visitor
    sign_in(page)
    page.wait_for_url("**/o/**")
    add_passkey(page)
    page.goto("/accounts/2fa/webauthn/")
    assert page.locator("strong", has_text="Work laptop").is_visible()
    assert page.get_by_text("Signs in alone").is_visible()
    sign_out(page)
    page.goto("/accounts/login/?next=/accounts/profile/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("/accounts/profile/")  # not the page before, which names it in its query
    page.goto("/accounts/2fa/webauthn/")
    page.get_by_role("link", name="Remove Work laptop").click()
    page.fill("#id_password", PASSWORD)  # once more, as at every change of how one signs in
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Remove it").click()
    page.wait_for_url("**/2fa/webauthn/")
    assert page.get_by_text("There is none yet.").is_visible()
    assert complaints == []


def test_a_security_key_is_the_second_step_after_the_password(visitor):
    page, complaints = visitor
    sign_in(page)
    page.wait_for_url("**/o/**")
    add_passkey(page, alone=False)
    sign_out(page)
    sign_in(page)
    page.wait_for_url("**/2fa/authenticate/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/o/**")
    assert complaints == []


def test_whoever_has_no_passkey_here_is_told_so(visitor):
    page, _ = visitor
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    problem = page.locator("[data-passkey-problem]")
    problem.wait_for()
    assert "try again" in problem.inner_text().lower()
