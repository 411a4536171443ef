"""Pictures of the running product, with real images: ``python -m tests.e2e.screenshots [FOLDER]``.

Without a folder they go to docs/screenshots, where the README shows them.
``--all`` takes every page in both sizes and themes, for looking at, not for keeping.
"""

from __future__ import annotations

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.e2e import newsroom
from tests.e2e.acts import wait_done
from tests.e2e.organisation_pages import walks
from tests.e2e.product import ROOT, chromium, cifake, product, sign_up
from tests.receiver import receiving

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
LARGEST = 300_000  # bytes
# Found, not imported: the package writes settings into the home folder when it is.
PHOTO = Path(find_spec("ultralytics").origin).parent / "assets/bus.jpg"
# Folds are opened, to be looked at; the menu where its picture is taken.
OPEN = """
name => {
  const opened = name.endsWith("menu") ? ".menu" : ".fold, main .details";
  for (const each of document.querySelectorAll(opened)) each.open = true;
}
"""
KEPT = {
    ("check", "desktop", "light"),
    ("result", "desktop", "light"),
    ("result", "phone", "dark"),
    ("cifake", "desktop", "dark"),
    ("history", "desktop", "light"),
    ("members", "desktop", "light"),
    ("batch", "desktop", "light"),
    ("webhook", "phone", "dark"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs/screenshots")
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        images = cifake(data / "images", 6)
        with receiving(newsroom.answer) as receiver:
            allowed = {"REMOTE_ALLOW_PRIVATE": "true", "REMOTE_PORTS": str(receiver.port)}
            with product(data / "data", **allowed) as address, chromium() as browser:
                warm_up(browser, address, [images[0], PHOTO])
                kept = None if asked.all else KEPT
                take_all(browser, address, images, asked.folder, kept)
                for signed_in, pages in walks(browser, address, data / "data", images, receiver):
                    shots(browser, signed_in, pages, asked.folder, kept)


def warm_up(browser: Browser, address: str, images: list[Path]) -> None:
    """Somebody else's first pictures wait for the models to be loaded, so that ours do not."""
    page = browser.new_context().new_page()
    sign_up(page, address, "first@example.org")
    check_each(page, images)
    page.context.close()


def check_each(page: Page, images: list[Path]) -> None:
    """One after the other, as on an idle server: none waits for another."""
    for count, image in enumerate(images, 1):
        page.set_input_files(".upload__input", image)
        wait_done(page, count)


def take_all(browser: Browser, address: str, images: list[Path], folder: Path, kept: set | None) -> None:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    sign_up(page, address)
    pages = {"first-visit": page.url}
    shots(browser, context.storage_state(), pages, folder, kept)
    pages = fill(page, images)
    shots(browser, context.storage_state(), pages, folder, kept)
    context.close()


def fill(page: Page, images: list[Path]) -> dict[str, str]:
    """Checks images and a large photo; gives the addresses of what there is to see."""
    check = page.url
    check_each(page, [*images, PHOTO])
    links = {
        card.inner_text(): card.get_attribute("href") or "" for card in page.locator(".result__name a").all()
    }
    origin = check.split("/o/")[0]
    photo = origin + links[PHOTO.name]
    small = origin + links[images[0].name]
    return {
        "check": check,
        "cifake": small,
        "result": photo,
        "history": check + "history/",
        "delete": small + "delete/",
        "settings": check + "settings/",
        "models": origin + "/models/",
        "model": origin + "/models/efficientnet/",
    }


def shots(browser: Browser, signed_in, pages: dict[str, str], folder: Path, kept: set | None) -> None:
    for size, viewport in {"desktop": WIDE, "phone": NARROW}.items():
        for theme in ("light", "dark"):
            wanted = [name for name in pages if kept is None or (name, size, theme) in kept]
            if not wanted:
                continue
            context = browser.new_context(
                viewport=viewport,
                color_scheme=theme,
                storage_state=signed_in,
                locale="en-GB",
                has_touch=size == "phone",
                is_mobile=size == "phone",
                reduced_motion="reduce",
            )
            page = context.new_page()
            for name in wanted:
                page.goto(pages[name], wait_until="networkidle")
                if kept is None:
                    page.evaluate(OPEN, name)
                save(page, folder / f"{name}-{size}-{theme}.png", whole=kept is None)
            context.close()


def save(page: Page, path: Path, whole: bool) -> None:
    """As small as it goes without loss; what is still too large for a repository, in 256 colours."""
    page.screenshot(path=path, full_page=whole)
    with Image.open(path) as image:
        plain = image.convert("RGB")
    plain.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        plain.quantize(256, kmeans=2).save(path, optimize=True)


if __name__ == "__main__":
    main()
