"""The real product in a process of its own, real images, and a real browser to use them with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
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
    if (SHARED / "weights/yolov8n.pt").is_file():
        environment.setdefault("YOLO_WEIGHTS", str(SHARED / "weights/yolov8n.pt"))
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
    """A first visitor makes an account and stands on the check page."""
    page.goto(f"{address}/accounts/signup/")
    page.locator("input[type=email]").fill(email)
    for field in page.locator("input[type=password]").all():
        field.fill(PASSWORD)
    page.locator("main form button[type=submit], main form button:not([type])").first.click()
    page.wait_for_selector("#live[data-live=live]")  # the script listens now


def cifake(folder: Path, count: int, *, classes: tuple[str, ...] = ("FAKE", "REAL")) -> list[Path]:
    """Real CIFAKE images, the classes in turn: from the shared training zip, else the few in images/."""
    source = SHARED / "data/cifake_train.zip"
    if not source.is_file():
        return IMAGES[:count]
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        pools = [[name for name in names if f"/{kind}/" in f"/{name}"] for kind in classes]
        chosen = [pool[37 * turn] for turn in range(count) for pool in pools][:count]
        return [_unpack(archive, name, folder) for name in chosen]


def _unpack(archive: zipfile.ZipFile, name: str, folder: Path) -> Path:
    kind, number = name.split("/")[-2:]
    target = folder / f"{kind.lower()}-{number.replace(' ', '').replace('(', '-').replace(')', '')}"
    target.write_bytes(archive.read(name))
    return target
