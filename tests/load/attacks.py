"""Ways to harm the server, each a function of a :class:`Target` that goes on until it is killed.

All traffic stays on loopback, and each way is bounded: in bytes, connections or pictures.
"""

from __future__ import annotations

import asyncio
import io
import json
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests import hostile

PIECE = b"a" * 65536
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
MOST_BYTES = 800 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """``key`` and ``session`` are of one and the same stranger, who has an organisation of their own."""

    port: int
    key: str
    session: str
    organisation: str

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/"

    def open(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)


def endless_header(target: Target) -> None:
    _pour(target, HEAD + b"X: ", PIECE)


def endless_url(target: Target) -> None:
    _pour(target, b"GET /", PIECE)


def endless_chunks(target: Target) -> None:
    """Of one byte each."""
    _pour(
        target,
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\na\r\n" * 9000,
    )


def half_requests(target: Target, count: int = 1_100) -> None:
    _hold(target, [HEAD], count)


def half_bodies(target: Target, count: int = 1_000) -> None:
    """Each says that it has 4 MB, and sends 2."""
    head = b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n"
    _hold(target, [head, *[PIECE] * 32], count)


def slow_readers(target: Target, count: int = 300) -> None:
    """Ask for the largest file that strangers get, and take in nothing of it."""
    path = b"/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    _hold(target, [b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], count)


def hostile_pictures(target: Target, count: int = 4) -> None:
    data = hostile.png_of_chunks()
    for _ in range(count):
        threading.Thread(
            target=_again, args=(lambda: upload(target.api, target.key, data, 0),), daemon=True
        ).start()
    _wait()


def sockets(target: Target, count: int = 400) -> None:
    """All of one person, who comes again wherever one is closed."""
    asyncio.run(_sockets(target, count))


def overlays(target: Target, count: int = 4) -> None:
    """Of a large picture, by several at once, again and again."""
    noise = np.random.default_rng(3).integers(0, 256, (500, 750, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((6000, 4000)).save(out, "JPEG", quality=90)
    made = upload(target.api, target.key, out.getvalue(), 30)
    address = f"{target.api}detections/{made['id']}/files/overlay/"
    for _ in range(count):
        threading.Thread(target=_again, args=(lambda: ask(address, target.key),), daemon=True).start()
    _wait()


ATTACKS: dict[str, Callable[[Target], None]] = {
    each.__name__: each
    for each in (
        *(endless_header, endless_url, endless_chunks, half_requests, half_bodies, slow_readers),
        *(hostile_pictures, sockets, overlays),
    )
}


def upload(api: str, key: str, data: bytes, wait: int) -> Any:
    """Sends an image; gives what the API says of it after ``wait`` seconds at most."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
    address = f"{api}detections/" + (f"?wait={wait}" if wait else "")
    return json.loads(ask(address, key, body, f"multipart/form-data; boundary={boundary}"))


def ask(address: str, key: str, body: bytes | None = None, kind: str = "") -> bytes:
    request = urllib.request.Request(address, body, {"Authorization": f"Bearer {key}"})
    if kind:
        request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def _pour(target: Target, begin: bytes, piece: bytes) -> None:
    """On one connection for as long as it takes it, then on the next."""
    sent = 0
    while sent < MOST_BYTES:
        with suppress(OSError), target.open() as connection:
            connection.sendall(begin)
            while sent < MOST_BYTES:
                sent += len(piece)
                connection.sendall(piece)
    _wait()


def _hold(target: Target, pieces: list[bytes], count: int) -> None:
    """Opens so many connections, says its piece on each, and waits; a closed one is opened again."""
    held: list[socket.socket] = []
    while True:
        for connection in [each for each in held if _is_closed(each)]:
            held.remove(connection)
            connection.close()
        with suppress(OSError):
            while len(held) < count:
                held.append(target.open())
                for piece in pieces:
                    held[-1].sendall(piece)
        time.sleep(0.1)


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


async def _sockets(target: Target, count: int) -> None:
    address = f"ws://127.0.0.1:{target.port}/ws/o/{target.organisation}/detections/"
    headers = {"Cookie": f"sessionid={target.session}", "Origin": f"http://127.0.0.1:{target.port}"}

    async def one() -> None:
        while True:
            with suppress(OSError, WebSocketException):
                async with connect(address, additional_headers=headers, open_timeout=60) as browser:
                    async for _ in browser:
                        pass
            await asyncio.sleep(1)

    await asyncio.gather(*(one() for _ in range(count)))


def _again(call: Callable[[], object]) -> None:
    while True:
        try:
            call()
        except (OSError, urllib.error.HTTPError) as error:
            time.sleep(float(getattr(error, "headers", {}).get("Retry-After", 0) or 0.1))


def _wait() -> None:
    threading.Event().wait()


if __name__ == "__main__":
    ATTACKS[sys.argv[1]](Target(**json.loads(sys.argv[2])))
