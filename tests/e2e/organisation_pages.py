"""The pages of an organisation, as each of its people sees them; newsroom.py makes what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page

from tests.e2e import newsroom
from tests.e2e.people import link
from tests.e2e.product import sign_up
from tests.receiver import Receiver

Pages = dict[str, str]  # addresses by the names of their pictures
ACCOUNT = {
    "profile": "profile",
    "emails": "email",
    "password": "password/change",
    "two-step": "2fa",
    "app": "2fa/totp/activate",
    "passkey": "2fa/webauthn/add",
    "sessions": "sessions",
    "sign-out": "logout",
}
ENTRANCE = {"sign-up": "signup", "sign-in": "login", "forgotten": "password/reset"}
KEY = {"change": "Change", "rotate": "New value", "revoke": "Revoke"}
READ = ("members", "activity", "keys", "usage", "webhooks", "settings", "batches", "history")


def walks(
    browser: Browser, address: str, data: Path, images: list[Path], receiver: Receiver
) -> Iterator[tuple[Any, Pages]]:
    """Makes all of it; yields again and again who is signed in, and what that person looks at now."""
    owner = browser.new_context().new_page()
    sign_up(owner, address, newsroom.OWNER)
    yield _seen(owner, {f"empty-{name}": f"{owner.url}{name}/" for name in READ})
    herald = newsroom.found(owner)
    admin, member, auditor = newsroom.people(browser, owner, herald, data)
    newsroom.settings(owner, herald)
    value = newsroom.keys(admin, herald)
    newsroom.webhooks(admin, herald, receiver)
    newsroom.by_program(address, value, images)
    batch = newsroom.batches(member, herald, images)
    newsroom.past_usage(data)
    yield _seen(owner, _of_owner(owner, herald, address))
    yield _seen(admin, _of_admin(admin, herald, address))
    yield _seen(
        member, {"batch": batch, "batches": f"{herald}batches/", "member-members": f"{herald}members/"}
    )
    yield _seen(auditor, _read(auditor, herald, batch))
    yield None, _of_strangers(address, data)
    newsroom.second_step(owner, herald, data)
    yield _seen(
        owner, {"two-step-on": f"{address}/accounts/2fa/", "security-on": f"{herald}settings/security/"}
    )
    yield _seen(member, {"second-step-needed": herald})


def _seen(page: Page, pages: Pages) -> tuple[Any, Pages]:
    return page.context.storage_state(), pages


def _of_owner(owner: Page, herald: str, address: str) -> Pages:
    owner.goto(f"{herald}members/")
    bea = owner.locator(".person", has_text=newsroom.BEA)
    role = _where(bea, "Change role")
    return {
        "menu": f"{herald}members/#menu",
        "members": f"{herald}members/",
        "role": role,
        "give": role.replace("/role/", "/ownership/"),
        "remove": _where(bea, "Remove"),
        "leave": f"{herald}members/leave/",
        "withdraw": _where(owner.locator(".person", has_text=newsroom.INVITED), "Withdraw"),
        "general": f"{herald}settings/",
        "answers": f"{herald}settings/answers/",
        "security": f"{herald}settings/security/",
        "activity": f"{herald}activity/",
        "found": f"{address}/organisations/new/",
        "api-docs": f"{address}/api/docs/",
        "not-found": f"{address}/o/nobody/",
        **{name: f"{address}/accounts/{path}/" for name, path in ACCOUNT.items()},
    }


def _of_admin(admin: Page, herald: str, address: str) -> Pages:
    admin.goto(f"{herald}keys/")
    card = admin.locator(".key", has_text="Content system")
    admin_pages = {f"key-{name}": _where(card, words) for name, words in KEY.items()}
    return {
        "keys": f"{herald}keys/",
        "key-make": f"{herald}keys/new/",
        **admin_pages,
        "usage": f"{herald}usage/",
        "usage-90": f"{herald}usage/?days=90",
        "webhooks": f"{herald}webhooks/",
        "webhook-make": f"{herald}webhooks/new/",
        **_of_webhook(admin, herald, "Content system", "webhook"),
        **_of_webhook(admin, herald, "/broken", "failing"),
    }


def _of_webhook(admin: Page, herald: str, words: str, name: str) -> Pages:
    admin.goto(f"{herald}webhooks/")
    one = _where(admin.locator(".hook", has_text=words), words)
    admin.goto(one)
    asking = {f"{name}-{act}": f"{one}{act}/" for act in ("edit", "rotate", "switch", "delete")}
    return {name: one, f"{name}-delivery": _where(admin.locator("tbody")), **asking}


def _read(auditor: Page, herald: str, batch: str) -> Pages:
    """Everything that auditors may read, where nothing may be offered that they may not do."""
    auditor.goto(f"{herald}webhooks/")
    one = _where(auditor.locator(".hook", has_text="Content system"), "Content system")
    auditor.goto(one)
    pages = {f"auditor-{name}": f"{herald}{name}/" for name in READ}
    return {
        **pages,
        "auditor-check": herald,
        "auditor-security": f"{herald}settings/security/",
        "auditor-answers": f"{herald}settings/answers/",
        "auditor-webhook": one,
        "auditor-delivery": _where(auditor.locator("tbody")),
        "auditor-batch": batch,
    }


def _of_strangers(address: str, data: Path) -> Pages:
    return {
        "invitation": link(data, newsroom.INVITED, "/invitations/"),
        "invitation-used": link(data, newsroom.CYD, "/invitations/"),
        "landing": address,
        **{name: f"{address}/accounts/{path}/" for name, path in ENTRANCE.items()},
    }


def _where(part: Locator, words: str = "") -> str:
    """The whole address that the first link with these words leads to."""
    return part.get_by_role("link", name=words).first.evaluate("link => link.href")
