"""The real product in a process of its own, real images, and a real browser to use them with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, sync_playwright

from tests.cifake import YOLO, held_out

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
IMAGES = sorted((Path(__file__).parent / "images").glob("*.jpg"))
PASSWORD = "correct horse 9"
READY = re.compile(r"open (http://\S+?)/ in your browser")


@contextmanager
def product(data_dir: Path, **variables: str) -> Iterator[str]:
    """``manage.py serve`` on a free port over an empty data folder; gives its address."""
    environment = {**os.environ, "DATA_DIR": str(data_dir), "TF_CPP_MIN_LOG_LEVEL": "2", **variables}
    for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"):
        environment.pop(name, None)
    if YOLO.is_file():
        environment.setdefault("YOLO_WEIGHTS", str(YOLO))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", "0"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    """Waits for the line that says where it is; then keeps reading, so that the pipe never fills."""
    said: list[str] = []
    for line in process.stdout or []:
        said.append(line)
        if found := READY.search(line):
            Thread(target=lambda: list(process.stdout or []), daemon=True).start()
            return found.group(1)
    raise AssertionError("The server did not start:\n" + "".join(said[-30:]))


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def sign_up(page: Page, address: str, email: str = "ada@example.org") -> None:
    """A first visitor makes an account and stands on the check page.

    The site takes 20 sign-ups a minute from one client: the one after them comes again.
    """
    while not _signs_up(page, address, email):
        page.wait_for_timeout(5_000)
    page.wait_for_selector("#live[data-live=live]")  # the script listens now


def _signs_up(page: Page, address: str, email: str) -> bool:
    page.goto(f"{address}/accounts/signup/")
    page.locator("input[type=email]").fill(email)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    with page.expect_navigation() as answer:
        page.locator("main form button[type=submit], main form button:not([type])").first.click()
    return answer.value.status != 429


def cifake(folder: Path, count: int) -> list[Path]:
    """Real CIFAKE images as files, the classes in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(held_out(2 * count + 20)))
    pools = [[(number, file) for number, (label, file) in numbered if label == side] for side in (1, 0)]
    pairs = zip(*pools, strict=False)
    return [
        _written(folder / f"{('fake', 'real')[side]}-{number:04}.jpg", file)
        for turn in pairs
        for side, (number, file) in enumerate(turn)
    ][:count]


def _written(path: Path, file: bytes) -> Path:
    path.write_bytes(file)
    return path
