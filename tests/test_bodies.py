"""Request bodies at the door: what is too large is cut short, whoever sends it and however."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from django.urls import reverse

from cifake_site.asgi import build
from detection.models import Detection
from tests import hostile
from tests.accounts.test_pages import assert_framed

pytestmark = pytest.mark.django_db(transaction=True)
application = build(consumer=False)
CHUNK = bytes(64 * 1024)
LOGIN = "/accounts/login/"
JSON = {"accept": "application/json"}


@pytest.fixture(autouse=True)
def _small(settings):
    settings.MAX_FORM_BYTES = 1024 * 1024
    settings.MAX_UPLOAD_REQUEST_BYTES = 3 * 1024 * 1024


@pytest.fixture
def submit(principal) -> str:
    return reverse("detection_submit", args=[principal.organisation.slug])


@pytest.fixture
def signed_in(member_client) -> dict[str, str]:
    return {"cookie": f"sessionid={member_client.cookies['sessionid'].value}"}


class Answer:
    def __init__(self, sent: list[dict], taken: int) -> None:
        self.status = sent[0]["status"]
        self.body = b"".join(message.get("body", b"") for message in sent[1:])
        self.taken = taken  # bytes of the request's body

    @property
    def detail(self) -> str:
        return json.loads(self.body)["detail"]


async def post(path: str, body: list[bytes], **headers: str) -> Answer:
    """Sends a body piece by piece, as an ASGI server does; without its length unless a header tells it."""
    pieces, sent = iter(body), []
    taken = 0

    async def receive() -> dict:
        nonlocal taken
        piece = next(pieces, None)
        if piece is None and body[-1] == b"":
            await asyncio.Event().wait()
        if piece is None:
            return {"type": "http.disconnect"}
        taken += len(piece)
        return {"type": "http.request", "body": piece, "more_body": piece != b""}

    async def send(message: dict) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "query_string": b"",
             "client": ("127.0.0.1", 4000), "headers": [(b"host", b"localhost"), *named]}  # fmt: skip
    await application(scope, receive, send)
    return Answer(sent, taken)


def endless(count: int = 100) -> list[bytes]:
    return [CHUNK] * count


@pytest.mark.parametrize("length", [str(300 * 1024 * 1024), "9" * 20, "9" * 5000])
async def test_a_length_above_the_limit_is_refused_at_once(length):
    answer = await post(LOGIN, endless(), content_length=length, **JSON)
    assert (answer.status, answer.taken) == (413, 0)
    assert answer.detail.startswith("At most 1 MB can be sent by somebody who is signed out.")


async def test_a_body_without_length_is_cut_at_the_limit():
    answer = await post(LOGIN, endless(), transfer_encoding="chunked")
    assert answer.status == 413
    assert answer.taken <= 1024 * 1024 + len(CHUNK)
    assert_framed(answer.body.decode())


@pytest.mark.parametrize("path", [LOGIN, "/nothing/here/", "/o/x/detections/", "/admin/login/"])
@pytest.mark.parametrize("cookie", ["", "sessionid=madeup"])
async def test_strangers_send_little_anywhere(path, cookie):
    answer = await post(path, endless(), cookie=cookie, **JSON)
    assert answer.status == 413
    assert answer.taken <= 1024 * 1024 + len(CHUNK)


async def test_members_send_images_up_to_their_own_limit(submit, signed_in):
    answer = await post(submit, endless(), **signed_in, **JSON)
    assert answer.status == 413
    assert 3 * 1024 * 1024 < answer.taken <= 3 * 1024 * 1024 + len(CHUNK)
    assert answer.detail == "At most 3 MB can be sent at once. Send fewer files at a time."
    page = await post(submit, endless(), content_length="4000000", **signed_in)
    assert (page.status, page.taken) == (413, 0)
    assert "Send fewer files at a time." in page.body.decode()
    assert_framed(page.body.decode())


async def test_members_send_little_elsewhere(signed_in):
    answer = await post(LOGIN, endless(), **signed_in, **JSON)
    assert answer.status == 413
    assert answer.detail == "At most 1 MB can be sent to this address. Send less."


async def test_what_is_within_the_limit_comes_in_whole(submit, signed_in):
    data = hostile.jpeg() + bytes(2_000_000)
    head = b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    body = head + data + b"\r\n--B--\r\n"
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)] + [b""]
    headers = {"cookie": f"{signed_in['cookie']}; csrftoken={'c' * 32}", "x_csrftoken": "c" * 32,
               "content_type": "multipart/form-data; boundary=B", "content_length": str(len(body)),
               **JSON}  # fmt: skip
    answer = await post(submit, pieces, **headers)
    assert answer.status == 201, answer.body
    [detection] = [each async for each in Detection.objects.all()]
    assert Path(detection.original.path).read_bytes() == data
