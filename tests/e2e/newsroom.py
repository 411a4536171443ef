"""A newsroom as it is after some weeks: people, keys, webhooks and batches, made through its pages."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import sqlite3
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, FilePayload, Page

from tests.e2e.people import invite, join, link, send
from tests.e2e.product import PASSWORD
from tests.receiver import Received, Receiver

OWNER, BEA = "owner@herald.example", "bea@herald.example"
CYD, DAN = "cyd@herald.example", "dan@herald.example"
INVITED = "somebody-with-a-rather-long-address@newsroom.herald.example"


def answer(request: Received) -> tuple[int, dict[str, str], bytes]:
    """One receiver works, the other is out of order."""
    if request.path == "/broken":
        return 503, {}, b"The content system is being repaired."
    return 200, {}, b"thanks"


def found(owner: Page) -> str:
    """The Herald; gives the beginning of its addresses."""
    owner.goto(owner.url.split("/o/")[0] + "/organisations/new/")
    owner.fill("[name=name]", "The Herald")
    send(owner)
    return owner.url.removesuffix("members/")


def people(browser: Browser, owner: Page, herald: str, data: Path) -> list[Page]:
    invite(owner, herald, "admin", BEA)
    invite(owner, herald, "member", CYD, INVITED)
    invite(owner, herald, "auditor", DAN)
    people = {BEA: "Bea Ortiz", CYD: "Cyd Okafor", DAN: "Dan Weiss"}
    return [join(browser, data, email, name) for email, name in people.items()]


def settings(owner: Page, herald: str) -> None:
    owner.goto(f"{herald}settings/")
    owner.select_option("[name=time_zone]", "Europe/Berlin")
    owner.fill("[name=keep_files_days]", "90")
    send(owner)
    owner.set_input_files("[name=logo]", {"name": "logo.png", "mimeType": "image/png", "buffer": _logo()})
    owner.click("main form[enctype] button >> nth=0")
    owner.wait_for_selector(".messages")


def _logo() -> bytes:
    picture = Image.new("RGB", (128, 128), "#7a1f1f")
    ImageDraw.Draw(picture).text((30, 8), "H", fill="white", font_size=96)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def keys(admin: Page, herald: str) -> str:
    """A key that works, one whose month is small, one revoked; gives the first one's value."""
    value = _key(admin, herald, "Content system", "")
    _key(admin, herald, "Archive import, for the picture desk", "3")
    _key(admin, herald, "Old scanner", "")
    admin.goto(f"{herald}keys/")
    admin.locator(".key", has_text="Old scanner").get_by_text("Revoke").click()
    send(admin)
    return value


def _key(admin: Page, herald: str, name: str, per_month: str) -> str:
    admin.goto(f"{herald}keys/new/")
    admin.fill("[name=name]", name)
    admin.fill("[name=per_month]", per_month)
    send(admin)
    return admin.inner_text("#value")


def webhooks(admin: Page, herald: str, receiver: Receiver) -> None:
    for path, words in (("/hook", "Content system"), ("/broken", "")):
        admin.goto(f"{herald}webhooks/new/")
        admin.fill("[name=url]", receiver.url(path))
        admin.fill("[name=description]", words)
        admin.check("[value='batch.completed']")
        admin.check("[value='member.*']")
        send(admin)
        admin.click("text=Send a test")
        admin.wait_for_selector(".try")


def by_program(address: str, value: str, images: list[Path]) -> None:
    """A program checks pictures, and once asks for something that is not there."""
    for image in images[:3]:
        _post(f"{address}/api/v1/detections/", value, image)


def _post(url: str, value: str, image: Path) -> None:
    body = b"--x\r\nContent-Disposition: form-data; name=file; filename=%s\r\n\r\n%s\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {value}", "Content-Type": "multipart/form-data; boundary=x"}
    data = body % (image.name.encode(), image.read_bytes())
    with urlopen(Request(url, data, headers), timeout=60) as answer:
        json.load(answer)


def batches(member: Page, herald: str, images: list[Path]) -> str:
    """One is done, with something refused in it, one is cancelled; gives the first one's address."""
    done = _batch(member, herald, "Archive of November", images, broken=True)
    member.wait_for_selector("#batch:not([data-open])", timeout=300_000)
    _batch(member, herald, "", images * 12)
    member.click("text=Cancel the rest")
    send(member)
    return done


def _batch(member: Page, herald: str, name: str, images: list[Path], *, broken: bool = False) -> str:
    member.goto(f"{herald}batches/")
    data = zipped(images, broken=broken)
    packed: FilePayload = {"name": "pictures.zip", "mimeType": "application/zip", "buffer": data}
    member.set_input_files("[name=archive]", packed)
    member.fill("[name=reference]", name)
    send(member)
    return member.url


def zipped(images: list[Path], *, broken: bool = False) -> bytes:
    """A zip of pictures as people make them, some of them twice under another name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number, image in enumerate(images):
            archive.write(image, f"november/{number:03}-{image.name}")
        if broken:
            archive.writestr("november/broken.jpg", images[0].read_bytes()[:200])
    return out.getvalue()


def past_usage(data: Path) -> None:
    """Days before today cannot be made through pages: rows as those days would have left them."""
    database = sqlite3.connect(data / "cifake.sqlite3", timeout=20)
    organisation, key = database.execute(
        "SELECT organisation_id, id FROM accounts_apikey WHERE name = 'Content system'"
    ).fetchone()
    today = datetime.now(UTC).date()
    for ago in range(1, 90):
        day, busy = today - timedelta(days=ago), (ago * 37) % 23
        for who, images, requests in ((None, busy // 2, 0), (key, 4 * busy, 9 * busy)):
            row = (organisation, who, day.isoformat(), requests, images, busy // 5 if who else 0)
            database.execute(
                "INSERT INTO accounts_usage (organisation_id, key_id, day, requests, images, refused)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
    database.commit()
    database.close()


def second_step(owner: Page, herald: str, data: Path) -> None:
    """The owner confirms their address, sets an app up, and asks everybody for the same."""
    address = herald.split("/o/")[0]
    owner.goto(link(data, OWNER, "/confirm-email/"))
    send(owner)
    owner.goto(f"{address}/accounts/2fa/totp/activate/")
    if owner.locator("input[type=password]").count():
        owner.fill("input[type=password]", PASSWORD)
        send(owner)
    secret = owner.input_value("#authenticator_secret")
    owner.fill("[name=code]", code(secret))
    send(owner)
    owner.goto(f"{herald}settings/security/")
    owner.click("text=Ask every member for it")
    owner.wait_for_selector(".messages")


def code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    moment = (int(time.time()) // 30).to_bytes(8, "big")
    digest = hmac.digest(base64.b32decode(secret), moment, hashlib.sha1)
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"
