"""Bodies at the API's door: a valid key sends a whole image, everybody else next to nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from accounts.access import READ
from detection.models import Detection
from tests import hostile
from tests.test_bodies import CHUNK, endless, post

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
PATH = "/api/v1/detections/"


@pytest.fixture(autouse=True)
def _small(settings):
    settings.MAX_FORM_BYTES = MIB
    settings.MAX_UPLOAD_BYTES = 2 * MIB


def authorization(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def assert_refused(answer, limit: int) -> None:
    assert answer.status == 413
    assert answer.taken <= limit + len(CHUNK)
    found = json.loads(answer.body)
    assert (found["type"], found["status"]) == ("/api/problems/too-large/", 413)


@pytest.mark.parametrize("made_up", ["", "Bearer cfk_" + "0" * 64, "Basic eA==", "Bearer"])
async def test_without_a_valid_key_little_is_let_in(made_up):
    headers = {"authorization": made_up} if made_up else {}
    assert_refused(await post(PATH, endless(), **headers), MIB)


async def test_nor_with_a_key_that_may_only_read(api_key):
    _, reader = await sync_to_async(api_key)([READ])
    assert_refused(await post(PATH, endless(), **authorization(reader)), MIB)


async def test_nor_elsewhere(secret):
    for path in ("/api/v1/keys/", "/api/v1/nothing/", "/api/v1/detections/x/"):
        assert_refused(await post(path, endless(), **authorization(secret)), MIB)


async def test_a_key_sends_one_file_with_its_form(secret):
    answer = await post(PATH, endless(), **authorization(secret))
    assert_refused(answer, 3 * MIB)
    assert answer.taken > 3 * MIB


async def test_a_file_within_the_limit_comes_in_whole(secret):
    data = hostile.jpeg() + bytes(2 * MIB - 10_000)
    head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    body = head + data + b"\r\n--B--\r\n"
    pieces = [body[start : start + 65536] for start in range(0, len(body), 65536)] + [b""]
    headers = {"content_type": "multipart/form-data; boundary=B", "content_length": str(len(body))}
    answer = await post(PATH, pieces, **headers, **authorization(secret))
    assert answer.status == 202, answer.body
    [detection] = [each async for each in Detection.objects.all()]
    assert Path(detection.original.path).read_bytes() == data
