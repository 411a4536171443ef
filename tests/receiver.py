"""A receiver of webhooks on loopback: keeps every request, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from tests.servers import PATIENCE


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def verify(self, secret: str) -> Any:
        """Raises WebhookVerificationError; gives the event."""
        return Webhook(secret).verify(self.body, self.headers)


Answer = tuple[int, dict[str, str], bytes]


@dataclass
class Receiver:
    """``answer(request)`` gives status, headers and body; it may wait for ``over`` instead."""

    answer: Callable[[Received], Answer]
    requests: list[Received] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        return [each.path for each in list(self.requests)]

    def hang(self, request: Received) -> Answer:
        """Never answers while the test runs."""
        self.over.wait(PATIENCE)
        raise ConnectionError


def ok(request: Received) -> Answer:
    return 200, {}, b"thanks"


@contextmanager
def receiving(answer: Callable[[Received], Answer] = ok) -> Iterator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            receiver.requests.append(request)
            with suppress(OSError):
                status, headers, content = receiver.answer(request)
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

        do_GET = do_POST

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size, daemon_threads = 100, True

    server = Server(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.over.set()
        server.shutdown()
        server.server_close()
