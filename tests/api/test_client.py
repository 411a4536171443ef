"""docs/cifake_client.py against a server that refuses, stumbles and drops connections."""

from __future__ import annotations

import base64
import email.utils
import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from tests.api.scripted import DROP, load_client, scripted

cifake = load_client()

DONE = {"id": "d1", "status": "done", "verdict": "fake", "confidence": 0.875, "explanation": "So."}
WAITING = {**DONE, "status": "waiting", "verdict": "", "confidence": None}
BUSY = {"type": "about:blank", "title": "Too many requests", "status": 429, "detail": "Wait."}


class Pauses(list):
    """Takes the place of time.sleep, and keeps what it was asked for."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / 'a "b".png'
    path.write_bytes(b"\x89PNG" + bytes(range(256)) * 600)  # more than one chunk
    return path


def client(script, **options):
    return cifake.Client(script.url, "cfk_secret", pause=Pauses(), **options)


@pytest.mark.parametrize(
    "failure", [DROP, (503, None, {}), (502, None, {}), (429, BUSY, {"Retry-After": "0"})]
)
def test_a_request_that_fails_on_the_way_comes_again_with_the_same_key_and_body(picture, failure):
    with scripted(failure, failure, (201, DONE)) as script:
        found = client(script).check(picture, reference="story 4711", metadata={"desk": "foreign"})
    assert found == DONE
    first, *others = script.seen
    assert first.headers["Idempotency-Key"]
    assert all((each.body, each.headers) == (first.body, first.headers) for each in others)
    assert picture.read_bytes() in first.body
    assert b'name="reference"\r\n\r\nstory 4711\r\n' in first.body
    assert b'name="metadata"\r\n\r\n{"desk": "foreign"}\r\n' in first.body
    assert first.headers["Authorization"] == "Bearer cfk_secret"


def test_two_images_have_two_keys(picture):
    with scripted((201, DONE), (201, DONE)) as script:
        for _ in range(2):
            client(script).check(picture)
    assert script.seen[0].headers["Idempotency-Key"] != script.seen[1].headers["Idempotency-Key"]


def test_the_server_says_how_long_to_wait(picture):
    soon = email.utils.format_datetime(datetime.fromtimestamp(time.time() + 40, UTC), usegmt=True)
    with scripted(
        (429, BUSY, {"Retry-After": "7"}), (503, None, {"Retry-After": soon}), (201, DONE)
    ) as script:
        asker = client(script)
        asker.check(picture)
    assert asker.pause[0] == 7
    assert 30 < asker.pause[1] <= 40


def test_pauses_grow_and_have_an_end(picture):
    with scripted(*[(503, None)] * 6) as script:
        asker = client(script)
        with pytest.raises(cifake.Problem, match="503"):
            asker.check(picture)
    assert len(asker.pause) == 5
    assert all(0.5 * 2**n * 0.5 <= pause <= 0.5 * 2**n for n, pause in enumerate(asker.pause))


def test_a_month_is_not_waited_for(picture):
    with scripted((429, BUSY, {"Retry-After": "86400"})) as script:
        asker = client(script)
        with pytest.raises(cifake.Problem, match="Wait"):
            asker.check(picture)
    assert asker.pause == []


def test_no_server_at_all(picture):
    with scripted() as script:
        asker = client(script, attempts=2)
    with pytest.raises(cifake.Unreachable):
        asker.check(picture)


def test_a_problem_says_what_and_where(picture):
    body = {**BUSY, "status": 400, "title": "Not valid", "errors": [{"field": "file", "detail": "Empty."}]}
    with scripted((400, body)) as script, pytest.raises(cifake.Problem) as caught:
        client(script).check(picture)
    assert (caught.value.status, caught.value.errors[0]["field"]) == (400, "file")


def test_waits_by_wait_then_polls_with_the_etag(picture):
    etag = {"ETag": '"d1-1"'}
    answers = (
        (202, WAITING, {"Location": "/api/v1/detections/d1/"}),
        (200, WAITING, etag),
        (304, None, etag),
        (200, DONE),
    )
    with scripted(*answers) as script:
        assert client(script).check(picture) == DONE
    assert script.seen[0].path.endswith("/api/v1/detections/?wait=20&until=done")
    assert [each.headers.get("If-None-Match") for each in script.seen[1:]] == [None, '"d1-1"', '"d1-1"']
    assert {each.path for each in script.seen[1:]} == {"/api/v1/detections/d1/"}


def test_patience_has_an_end(picture):
    with scripted((202, WAITING)) as script, pytest.raises(TimeoutError, match="d1 is still waiting"):
        client(script).check(picture, patience=-1)


def test_pages_are_followed_on_our_own_server_only():
    first = {
        "results": [1, 2],
        "next": "http://elsewhere.example/api/v1/detections/?cursor=a%3D&verdict=fake",
    }
    with scripted((200, first), (200, {"results": [3], "next": None})) as script:
        assert list(client(script).detections(verdict="fake")) == [1, 2, 3]
    assert [each.path for each in script.seen] == [
        "/api/v1/detections/?verdict=fake",
        "/api/v1/detections/?cursor=a%3D&verdict=fake",
    ]


def test_the_key_does_not_follow_a_redirect():
    with (
        scripted() as other,
        scripted((302, None, {"Location": other.url})) as script,
        pytest.raises(cifake.Problem, match=re.escape(other.url)),
    ):
        client(script).request("GET", "models/")
    assert other.seen == []


def test_who_forgot_the_s_of_https_is_told_the_address(picture):
    """A proxy moves all of http:// to https://: no body, and no JSON in it."""
    where = "https://cifake.example.org/"
    moved = (301, None, {"Location": where})
    with scripted(moved) as script, pytest.raises(cifake.Problem, match=re.escape(where)):
        client(script).check(picture)
    assert len(script.seen) == 1


def test_a_lost_answer_to_a_deletion_is_no_failure():
    gone = (404, {"title": "Not found"})
    with scripted(DROP, gone) as script:
        client(script).delete("d1")
    with scripted(gone) as script, pytest.raises(cifake.Problem, match="404"):
        client(script).delete("d1")


def test_what_may_have_been_done_is_not_done_twice():
    """A POST without an Idempotency-Key, such as the making of a key."""
    with scripted(DROP) as script, pytest.raises(cifake.Unreachable):
        client(script).request("POST", "keys/", body={"name": "n"})
    with scripted((429, BUSY, {"Retry-After": "0"}), (201, {})) as script:
        assert client(script).request("POST", "keys/", body={"name": "n"}).status == 201


def test_the_key_is_not_printed():
    assert "cfk_secret" not in repr(cifake.Client("http://h", "cfk_secret"))


SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


def _signed(body: bytes, at: int, secret: str = SECRET) -> dict[str, str]:
    """By the standard's own library, not by ours."""
    signature = Webhook(secret).sign("msg_1", datetime.fromtimestamp(at, UTC), body.decode())
    return {"Webhook-Id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


def test_a_webhook_is_verified():
    body = json.dumps({"type": "detection.completed"}).encode()
    headers = _signed(body, 1_000)
    old = {
        **headers,
        "webhook-signature": f"v1,{base64.b64encode(b'x' * 32).decode()} {headers['webhook-signature']}",
    }
    assert cifake.verify_webhook(body, headers, SECRET, now=1_200) == {"type": "detection.completed"}
    assert cifake.verify_webhook(body, old, SECRET, now=1_200)  # while a secret is changed


@pytest.mark.parametrize(
    ("body", "headers", "now"),
    [
        (b"{} ", _signed(b"{}", 1_000), 1_000),
        (b"{}", _signed(b"{}", 1_000), 1_301),
        (b"{}", _signed(b"{}", 1_000), 699),
        (b"{}", _signed(b"{}", 1_000, "whsec_" + base64.b64encode(b"other" * 8).decode()), 1_000),
        (b"{}", {**_signed(b"{}", 1_000), "Webhook-Id": "msg_2"}, 1_000),
        (b"{}", {**_signed(b"{}", 1_000), "webhook-timestamp": "x"}, 1_000),
        (b"{}", {**_signed(b"{}", 1_000), "webhook-signature": "v1,ü v2"}, 1_000),
        (b"{}", {}, 1_000),
    ],
)
def test_what_is_not_ours_is_not_believed(body, headers, now):
    with pytest.raises(cifake.NotVerified):
        cifake.verify_webhook(body, headers, SECRET, now=now)


def test_as_a_program(picture, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CIFAKE_KEY", raising=False)
    assert cifake.main(["check", str(picture)]) == 2
    with scripted((201, DONE)) as script:
        status = cifake.main(
            ["check", str(picture), str(tmp_path / "none.png"), "--url", script.url, "--key", "cfk_x"]
        )
    told = capsys.readouterr()
    assert status == 1
    assert told.out == f"{picture}: fake (88%)\n"
    assert "none.png" in told.err
