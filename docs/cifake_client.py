"""A client of the CIFAKE API in one file that needs nothing but Python 3.11: copy it and use it.

    client = Client("https://cifake.example.org", key="cfk_…")
    detection = client.check("photo.jpg", reference="story-4711")
    print(detection["verdict"], detection["explanation"])

Or as a program: ``CIFAKE_URL=… CIFAKE_KEY=… python cifake_client.py check photo.jpg``.

Requests that fail on the way are sent again, after a pause that grows, with the same
Idempotency-Key: however often an image is sent, it is checked once.
"""

from __future__ import annotations

import argparse
import base64
import email.utils
import hashlib
import hmac
import json
import os
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypedDict

AGAIN = frozenset({409, 429, 502, 503, 504})  # 409: the first sending of this request is still at work
LONGEST_PAUSE = 60.0  # seconds; who is told to wait longer (the month is used up) is told so
TOLERANCE = 300  # seconds between the clocks of a webhook's sender and receiver
SERVER_WAIT = 20  # seconds that the server holds a request open for the answer; it allows 30


class Detection(TypedDict, total=False):
    """What is most wanted of a detection; /api/docs/ describes all of it."""

    id: str
    name: str
    status: str  # waiting, working, done, failed
    verdict: str  # fake, real, uncertain; "" while there is none: it is announced once, and stays
    basis: str  # what it rests on: pixels, declared (the file says so itself), signed, none
    answer: (
        str | None
    )  # both in one: measured_ai, declared_ai, signed_ai, measured_real, signed_camera, not_sure
    verdict_words: str  # the same for people
    confidence: float | None  # of an answer by pixels alone
    explanation: str
    reference: str
    metadata: dict[str, Any]


class Problem(Exception):
    """The API refused: RFC 9457. ``type`` is stable, ``detail`` says what to do, ``errors`` name fields."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status, self.body = status, dict(body)
        self.type, self.title = str(body.get("type", "")), str(body.get("title", ""))
        self.detail = str(body.get("detail", ""))
        self.errors: list[dict[str, Any]] = list(body.get("errors") or [])
        super().__init__(f"{status} {self.title}: {self.detail}".rstrip(": "))


class Unreachable(Exception):
    """No answer came, however often it was tried."""


class NotVerified(Exception):
    """A webhook that did not come from the server, or an old one sent again."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass
class Upload:
    """A multipart form of one file and some fields, read from the disk as it is sent."""

    path: Path
    fields: Mapping[str, str]
    boundary: str

    def head(self) -> bytes:
        parts = [self._part(f'name="{name}"') + f"\r\n{value}\r\n" for name, value in self.fields.items()]
        safe = self.path.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        file = self._part(f'name="file"; filename="{safe}"')
        return ("".join(parts) + file + "Content-Type: application/octet-stream\r\n\r\n").encode()

    def _part(self, disposition: str) -> str:
        return f"--{self.boundary}\r\nContent-Disposition: form-data; {disposition}\r\n"

    def tail(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode()

    def headers(self) -> dict[str, str]:
        length = len(self.head()) + self.path.stat().st_size + len(self.tail())
        kind = f"multipart/form-data; boundary={self.boundary}"
        return {"Content-Type": kind, "Content-Length": str(length)}

    def chunks(self) -> Iterator[bytes]:
        yield self.head()
        with self.path.open("rb") as file:
            while chunk := file.read(1 << 16):
                yield chunk
        yield self.tail()


Body = Upload | Mapping[str, Any] | None


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The API never redirects; urllib would carry the key to wherever it was sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class Client:
    """One organisation's way in. ``attempts`` counts all tries of a request; times are in seconds."""

    url: str
    key: str = field(repr=False)
    timeout: float = 60.0
    attempts: int = 6
    pause: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(_NoRedirects)

    def check(self, file: str | Path, *, patience: float = 300, **options: Any) -> Detection:
        """Sends an image and waits for its result.

        Raises:
            Problem: the image was refused, or a limit is reached.
            Unreachable: the server did not answer.
            TimeoutError: no result within ``patience``; the detection goes on and can be fetched later.
        """
        return self.wait_for(self.submit(file, **options), patience)

    def submit(
        self,
        file: str | Path,
        *,
        reference: str = "",
        metadata: Mapping[str, Any] | None = None,
        wait: int = SERVER_WAIT,
        idempotency_key: str = "",
    ) -> Detection:
        """Sends an image; gives the detection as it is after at most ``wait`` seconds."""
        fields = _given(reference=reference, metadata=json.dumps(metadata) if metadata else "")
        key = idempotency_key or str(uuid.uuid4())
        # The same boundary at every try: the same key must come with the same body.
        upload = Upload(Path(file), fields, boundary=hashlib.sha256(key.encode()).hexdigest())
        return self._submit(upload, wait, key)

    def submit_url(self, url: str, *, wait: int = SERVER_WAIT, **fields: Any) -> Detection:
        """Has the server fetch the image; ``fields``: reference, metadata."""
        return self._submit({"url": url, **fields}, wait, str(uuid.uuid4()))

    def _submit(self, body: Body, wait: int, key: str) -> Detection:
        query = {"wait": wait, "until": "done"}
        return self.request("POST", "detections/", query, body, {"Idempotency-Key": key}).json()

    def wait_for(self, detection: Detection, patience: float = 300) -> Detection:
        """Asks for a detection until it is done or failed; an unchanged one costs no more than a 304."""
        end, pause, etag = time.monotonic() + patience, 0.5, ""
        while detection["status"] not in ("done", "failed"):
            if time.monotonic() > end:
                raise TimeoutError(f"{detection['id']} is still {detection['status']} after {patience:g} s.")
            self.pause(pause)
            pause = min(pause * 1.5, 5.0)
            known = _given(**{"If-None-Match": etag})
            answer = self.request("GET", f"detections/{detection['id']}/", headers=known)
            etag = answer.headers.get("ETag", etag)
            detection = answer.json() if answer.status == 200 else detection
        return detection

    def get(self, detection_id: str) -> Detection:
        return self.request("GET", f"detections/{detection_id}/").json()

    def delete(self, detection_id: str) -> None:
        self.request("DELETE", f"detections/{detection_id}/")

    def detections(self, **filters: str) -> Iterator[Detection]:
        """All that match, the newest first, page by page; filters as in /api/docs/ (``verdict="fake"``)."""
        return self.pages("detections/", **filters)

    def pages(self, path: str, **filters: str) -> Iterator[Any]:
        """The rows of any list."""
        query: Mapping[str, Any] = filters
        while True:
            page = self.request("GET", path, query).json()
            yield from page["results"]
            if not page.get("next"):
                return
            # The query alone: the key is sent nowhere but to our own server.
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page["next"]).query))

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call of the API, ``path`` below /api/v1/, tried again where that is safe."""
        url = f"{self.url.rstrip('/')}/api/v1/{path}"
        url += f"?{urllib.parse.urlencode(query)}" if query else ""
        safe = method != "POST" or "Idempotency-Key" in (headers or {})
        for attempt in range(1, self.attempts + 1):
            last = attempt == self.attempts
            try:
                answer = self._send(method, url, body, headers or {})
            except (OSError, HTTPException) as error:  # refused, dropped, timed out, cut short
                if last or not safe:
                    raise Unreachable(f"{method} {url}: {error}") from error
                self.pause(_backoff(attempt))
                continue
            if method == "DELETE" and answer.status == 404 and attempt > 1:
                return answer  # an earlier try did it, though its answer was lost
            if answer.status < 300 or answer.status == 304:
                return answer
            told = _retry_after(answer.headers)
            if last or not _again(answer.status, safe) or (told or 0) > LONGEST_PAUSE:
                raise Problem(answer.status, _problem(answer))
            self.pause(_backoff(attempt) if told is None else told)
        raise AssertionError("unreachable")

    def _send(self, method: str, url: str, body: Body, headers: Mapping[str, str]) -> Answer:
        own = {"Authorization": f"Bearer {self.key}", "Accept": "application/json", **headers}
        data: Any = None
        if isinstance(body, Upload):
            data, own = body.chunks(), {**own, **body.headers()}
        elif body is not None:
            data, own["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(url, data, own, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout) as got:
                return Answer(got.status, got.headers, got.read())
        except urllib.error.HTTPError as got:
            with got:
                return Answer(got.code, got.headers, got.read())


def verify_webhook(body: bytes, headers: Mapping[str, str], secret: str, now: float | None = None) -> Any:
    """The event that a webhook carries, once it is certain who sent it (standardwebhooks.com).

    ``body`` as it came, byte for byte. Keep the ``webhook-id`` header: the same event may come twice.

    Raises:
        NotVerified: a signature is missing or wrong, or the message is older than five minutes.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        sent, message_id = int(found["webhook-timestamp"]), found["webhook-id"]
        given = [each.partition(",") for each in found["webhook-signature"].split()]
    except (KeyError, ValueError):
        raise NotVerified("A webhook- header is missing or unreadable.") from None
    if abs((time.time() if now is None else now) - sent) > TOLERANCE:
        raise NotVerified("The message is too old, or a clock is wrong.")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{sent}.".encode() + body, hashlib.sha256).digest()
    wanted = base64.b64encode(signed)
    if not any(kind == "v1" and hmac.compare_digest(wanted, value.encode()) for kind, _, value in given):
        raise NotVerified("The signature is not ours: the secret is another one, or the body was changed.")
    return json.loads(body)


def _again(status: int, safe: bool) -> bool:
    return status in AGAIN and (safe or status == 429)  # what was over a limit was not carried out


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, whether the server says seconds or a date."""
    told = headers.get("Retry-After", "")
    if told.isdigit():
        return float(told)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return None


def _backoff(attempt: int) -> float:
    """Half a second, doubling, at most 30; spread, so that not all clients come back at once."""
    return min(30.0, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)


def _problem(answer: Answer) -> Mapping[str, Any]:
    if answer.status < 400:  # the API never redirects; a proxy before it does, as from http:// to https://
        return {"title": "Moved", "detail": f"Give the address that it has: {answer.headers.get('Location')}"}
    try:
        body = answer.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"detail": answer.body.decode(errors="replace")[:500]}


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def main(arguments: list[str] | None = None) -> int:
    """The program. 0: all were checked; 1: some could not be; the reasons are on standard error."""
    options = _parser().parse_args(arguments)
    if not options.key:
        print("Set CIFAKE_KEY to an API key of your organisation.", file=sys.stderr)
        return 2
    client = Client(options.url, options.key)
    return max([_check(client, path, options) for path in options.files], default=0)


def _check(client: Client, path: str, options: argparse.Namespace) -> int:
    try:
        detection = client.check(path, reference=options.reference, patience=options.patience)
    except (Problem, Unreachable, TimeoutError, OSError) as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    sure = detection.get("confidence")
    words = detection.get("verdict_words") or detection["verdict"] or detection["status"]
    line = f"{path}: {words}" + (f" ({sure:.0%})" if sure is not None else "")
    print(json.dumps(detection) if options.json else line, flush=True)
    return 0 if detection["status"] == "done" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Checks whether images were made by AI.")
    check = parser.add_subparsers(required=True, metavar="check").add_parser("check", help="check images")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.add_argument("--url", default=os.environ.get("CIFAKE_URL", "http://127.0.0.1:8000"))
    check.add_argument("--key", default=os.environ.get("CIFAKE_KEY", ""), help="better in CIFAKE_KEY")
    check.add_argument("--reference", default="", help="your own name for the images")
    check.add_argument("--patience", type=float, default=300, metavar="SECONDS")
    check.add_argument("--json", action="store_true", help="print each detection as one line of JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
