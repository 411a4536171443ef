"""What people do on the pages, and what they then see."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Locator, Page

DROP = """
([files, kind]) => {
  const bag = new DataTransfer();
  for (const { name, type, body } of files) {
    const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
    bag.items.add(new File([bytes], name, { type }));
  }
  if (kind === "paste") {
    const paste = new ClipboardEvent("paste", { clipboardData: bag, cancelable: true });
    document.dispatchEvent(paste);
    return;
  }
  for (const step of ["dragenter", "dragover", "drop"]) {
    document.querySelector("h1").dispatchEvent(
      new DragEvent(step, { dataTransfer: bag, bubbles: true, cancelable: true }),
    );
  }
}
"""


def give(page: Page, files: Iterable[Path | tuple[str, str, bytes]], kind: str = "drop") -> None:
    """Drops files on the page's heading, far from the drop zone, or pastes them."""
    page.evaluate(DROP, [[_packed(file) for file in files], kind])


def _packed(file: Path | tuple[str, str, bytes]) -> dict[str, str]:
    name, mime, data = (file.name, "image/jpeg", file.read_bytes()) if isinstance(file, Path) else file
    return {"name": name, "type": mime, "body": base64.b64encode(data).decode()}


def result(page: Page, name: str) -> Locator:
    return page.locator(".result", has=page.get_by_text(name, exact=True))


def wait_done(page: Page, count: int) -> None:
    page.wait_for_function(
        "n => document.querySelectorAll('.result[data-status=done]').length === n", arg=count, timeout=120_000
    )


def wait_pictures(page: Page) -> None:
    """Every picture that is shown has arrived and could be decoded.

    A function: Playwright would evaluate an expression again and again, which the pages' policy forbids.
    """
    page.wait_for_function(
        "() => [...document.images].filter((image) => image.checkVisibility() && image.loading !== 'lazy')"
        ".every((image) => image.complete && image.naturalWidth > 0)"
    )
