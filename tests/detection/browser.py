"""A browser's side of a WebSocket. (Channels' own test client needs a whole second server, daphne.)"""

from __future__ import annotations

import json

from asgiref.testing import ApplicationCommunicator
from django.conf import settings as django_settings

from cifake_site.asgi import build
from tests.detection.conftest import PATIENCE

ORIGIN = "http://localhost:8000"
application = build(consumer=False)


def session_of(client) -> str:
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


def stream(principal) -> str:
    return f"/ws/o/{principal.organisation.slug}/detections/"


def one(principal, pk) -> str:
    return f"{stream(principal)}{pk}/"


class Browser:
    def __init__(self, path: str, cookie: str = "", origin: str | None = ORIGIN) -> None:
        headers = [(b"host", b"localhost:8000")]
        if origin:
            headers.append((b"origin", origin.encode()))
        if cookie:
            headers.append((b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie}".encode()))
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
        }
        self.socket = ApplicationCommunicator(application, scope)

    async def __aenter__(self) -> Browser:
        await self.socket.send_input({"type": "websocket.connect"})
        answer = await self.socket.receive_output(PATIENCE)
        self.connected = answer["type"] == "websocket.accept"
        return self

    async def __aexit__(self, *args) -> None:
        await self.socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.socket.wait(PATIENCE)

    async def say(self, text: str) -> None:
        await self.socket.send_input({"type": "websocket.receive", "text": text})

    async def hear(self) -> dict:
        message = await self.socket.receive_output(PATIENCE)
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def closed(self) -> int:
        while (message := await self.socket.receive_output(PATIENCE))["type"] != "websocket.close":
            pass
        return message["code"]
