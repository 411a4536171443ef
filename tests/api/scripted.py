"""A server that answers what a test told it to, one answer a request, and keeps what it was sent."""

from __future__ import annotations

import importlib.util
import json
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from tests.servers import ROOT

DROP = "drop"  # the connection ends without an answer, though the request has been read


def load_client() -> ModuleType:
    """docs/cifake_client.py as a module: it is no part of any package, for people copy it."""
    name = "cifake_client"
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """``answers``: DROP, or (status, body[, headers])."""

    answers: list[Any]
    url: str = ""
    seen: list[Seen] = field(default_factory=list)


@contextmanager
def scripted(*answers: Any) -> Iterator[Script]:
    script = Script(list(answers))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert not script.answers, f"{len(script.answers)} answers were not asked for"


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.seen.append(Seen(self.command, self.path, dict(self.headers), body))
            answer = script.answers.pop(0)
            if answer == DROP:
                # Closing with a reset: what a killed server or a proxy that gives up looks like.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                raise ConnectionAbortedError
            status, content, *headers = answer
            self._send(status, content, headers[0] if headers else {})

        do_GET = do_POST = do_DELETE = do_PATCH = answer

        def _send(self, status: int, content: Any, headers: dict[str, str]) -> None:
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # what DROP leaves behind
                super().handle()

    return Handler
