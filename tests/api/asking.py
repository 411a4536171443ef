"""A program's side of the whole ASGI application: bodies in pieces, answers and streams as they come."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from cifake_site.asgi import build
from tests.api.conftest import bearer
from tests.detection.conftest import PATIENCE

application = build(consumer=False)


class Asking:
    """``async with Asking("GET", "events/", secret) as asked``; leaving hangs up.

    Bodies go without their length, as those do that are sent in chunks.
    """

    def __init__(self, method: str, path: str, secret: str, body: Any = None, **headers: str) -> None:
        path, _, query = path.partition("?")
        named = {"host": "localhost", **bearer(secret), **headers}
        if body is not None:
            named["content-type"] = "application/json"
        self.body = b"" if body is None else json.dumps(body).encode()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": f"/api/v1/{path}",
            "query_string": query.encode(),
            "client": ("127.0.0.1", 4000),
            "headers": [
                (key.lower().replace("_", "-").encode(), value.encode()) for key, value in named.items()
            ],
        }
        self.connection = ApplicationCommunicator(application, scope)
        self.pending = ""

    async def __aenter__(self) -> Asking:
        await self.connection.send_input({"type": "http.request", "body": self.body})
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.connection.send_input({"type": "http.disconnect"})
        await self.connection.wait(PATIENCE)

    async def answered(self) -> None:
        """Waits for the start of the answer."""
        start = await self.connection.receive_output(PATIENCE)
        assert start["type"] == "http.response.start"
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}

    async def whole(self) -> Any:
        """The JSON of the answer; None for nothing."""
        await self.answered()
        data, more = b"", True
        while more:
            message = await self.connection.receive_output(PATIENCE)
            data, more = data + message.get("body", b""), message.get("more_body", False)
        if data:
            assert int(self.headers["content-length"]) == len(data)
        return json.loads(data) if data else None

    async def event(self) -> dict[str, Any] | None:
        """The next event as {"event", "id", "data"}, comments left out; None at the end of the stream."""
        while "\n\n" not in self.pending:
            message = await self.connection.receive_output(PATIENCE)
            self.pending += message.get("body", b"").decode()
            if not message.get("more_body", False):
                return None
        text, _, self.pending = self.pending.partition("\n\n")
        if text.startswith(":"):
            return {"comment": text}
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        return {**fields, "data": json.loads(fields["data"])}


async def ask(method: str, path: str, secret: str, body: Any = None, **headers: str) -> Any:
    """(status, headers, body)."""
    async with Asking(method, path, secret, body, **headers) as asked:
        found = await asked.whole()
    return asked.status, asked.headers, found


async def together(*calls: Any) -> list[Any]:
    return list(await asyncio.gather(*calls))
