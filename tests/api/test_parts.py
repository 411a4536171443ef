"""Forms that other servers read as they like: the right sentence and status for each, in problem+json."""

from __future__ import annotations

import json

import pytest

from detection.models import Batch, Detection
from tests import hostile
from tests.api.test_bodies import authorization
from tests.test_bodies import post
from tests.zips import zipped

pytestmark = pytest.mark.django_db(transaction=True)
PATHS = {"file": "/api/v1/detections/", "archive": "/api/v1/batches/"}


def part(name: str, filename: bytes | None, content: bytes) -> bytes:
    named = b"" if filename is None else b'; filename="' + filename + b'"'
    head = b'--B\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + named + b"\r\n\r\n"
    return head + content + b"\r\n"


def content_of(field: str) -> bytes:
    return hostile.png() if field == "file" else zipped({"a.png": hostile.png()})


async def sent(secret: str, path: str, *parts: bytes, **headers: str):
    body = b"".join(parts) + b"--B--\r\n"
    given = {"content_type": "multipart/form-data; boundary=B", "content_length": str(len(body)), **headers}
    return await post(path, [body, b""], **given, **authorization(secret))


def assert_problem(answer, status: int, kind: str, *words: str) -> None:
    found = json.loads(answer.body)
    assert (answer.status, found["status"]) == (status, status), found
    assert found["type"] == f"/api/problems/{kind}/"
    assert all(word in found["detail"] for word in words), found["detail"]
    assert found["remedy"]


@pytest.mark.parametrize("field", PATHS)
async def test_two_files_are_refused_not_one_of_them_taken(secret, field):
    content = content_of(field)
    answer = await sent(secret, PATHS[field], part(field, b"a", content), part(field, b"b", content))
    assert_problem(answer, 422, "invalid", f"/{field}", "Give it once.")
    assert not [each async for each in Detection.objects.all()] + [each async for each in Batch.objects.all()]


@pytest.mark.parametrize("field", PATHS)
async def test_a_text_that_comes_twice_is_refused(secret, field):
    twice = [part("reference", None, value) for value in (b"a", b"b")]
    answer = await sent(secret, PATHS[field], part(field, b"a", content_of(field)), *twice)
    assert_problem(answer, 422, "invalid", "/reference", "Give it once.")


@pytest.mark.parametrize("field", PATHS)
async def test_a_part_without_a_filename_is_said_to_be_no_file(secret, field):
    answer = await sent(secret, PATHS[field], part(field, None, b"anything"))
    assert_problem(answer, 400, "bad-request", "no filename", f"-F {field}=@")


@pytest.mark.parametrize("field", PATHS)
@pytest.mark.parametrize(
    "name", ["Straße.jpg".encode("latin-1"), "写真.jpg".encode("shift-jis"), b"\xff.png"]
)
async def test_a_name_in_another_encoding_is_said_to_be_one(secret, field, name):
    answer = await sent(secret, PATHS[field], part(field, name, content_of(field)))
    assert_problem(answer, 400, "bad-request", "UTF-8")


NAMES = {
    "家族👨\u200d👩\u200d👧 نمی\u200cخواهم.jpg": "家族👨\u200d👩\u200d👧 نمی\u200cخواهم.jpg",
    "\U0001f6d8.jpg": "\U0001f6d8.jpg",
    "I &lt;3 you.jpg": "I &lt;3 you.jpg",
    "../../passwd.jpg": "passwd.jpg",
    "..": "image",
    "\u202egpj.exe": "gpj.exe",
}


@pytest.mark.parametrize("name", NAMES)
async def test_names_in_utf_8_are_taken_as_they_display(secret, name):
    """Django's own cleaning takes out joiners, and what Python's Unicode does not know yet."""
    answer = await sent(secret, PATHS["file"], part("file", name.encode(), hostile.jpeg()))
    assert json.loads(answer.body)["name"] == NAMES[name]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip", "GZIP"])
@pytest.mark.parametrize("path", [*PATHS.values(), "/api/v1/keys/"])
async def test_a_compressed_body_is_said_to_be_one(secret, path, coding):
    answer = await sent(secret, path, part("file", b"a", b"x"), content_encoding=coding)
    assert_problem(answer, 415, "unsupported-media-type", "compressed")


async def test_identity_is_no_compression(secret):
    parts = part("file", b"a.png", hostile.png())
    assert (await sent(secret, PATHS["file"], parts, content_encoding="identity")).status == 202
