"""Connections of the server: how many there are, what each may send, and how long it may take.

uvicorn's parser keeps whatever it is sent, and waits for ever for what is announced. Its two protocols
are narrowed here: what comes without making a request complete is counted, and one sweep over all
connections ends those that keep us waiting. Where there is no room for another connection the one that
has kept us waiting longest makes it: who sends a whole request is served, whatever others do.

Bodies of requests are measured where they are read: :mod:`cifake_site.bodies`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import resource
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from ipaddress import ip_address
from typing import Any, Protocol

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

logger = logging.getLogger(__name__)

HEADERS = 100  # fields of one request, trailers included
URL_BYTES = 8 * 1024
PIPELINED = 8  # requests that wait behind the one at work
CHUNKS, CHUNK_BYTES = 1024, 64  # of a body: so many small chunks, and then one for as many bytes
WRITE_BYTES = 4 * 1024  # a second, that who is answered has to take in
UNSENT_BYTES = 96 * 1024 * 1024  # that wait in this process for slow readers, all together
LARGE = 256 * 1024  # of one reader: smaller amounts are not added up
LINGER_BYTES = 1024 * 1024  # that a client may still send once it is refused
FRAGMENTS = 64  # of one WebSocket message
SOCKET_BURST, SOCKET_RATE = 128 * 1024, 8 * 1024  # bytes from a browser: at once, and then a second
TOO_MUCH = 1008  # close code of RFC 6455: policy violation
TOO_LARGE = 1009
REASONS = {
    400: "The request is not HTTP as this server understands it.",
    408: "The request took too long to arrive.",
    414: "The address is too long.",
    431: "The headers are too large.",
    503: "There are too many connections. Try again in a moment.",
}


class RequestRefused(Exception):
    """Raised out of the parser's callbacks."""


@dataclass(frozen=True)
class Limits:
    """``connections`` in all and ``each`` of one address (0: not counted); seconds."""

    connections: int
    each: int
    header_bytes: int
    header_seconds: float
    write_seconds: float

    @classmethod
    def from_settings(cls) -> Limits:
        # Behind a proxy all come from one address, the proxy's.
        each = 0 if settings.ALLAUTH_TRUSTED_PROXY_COUNT else settings.MAX_CONNECTIONS_PER_ADDRESS
        return cls(
            settings.MAX_CONNECTIONS,
            each,
            settings.MAX_HEADER_BYTES,
            settings.HEADER_SECONDS,
            settings.WRITE_SECONDS,
        )

    @property
    def sweep_seconds(self) -> float:
        return min(self.header_seconds, self.write_seconds, 15.0) / 3


class Connection(Protocol):
    """What :class:`Room` knows of one."""

    address: str
    transport: Any

    @property
    def idle_since(self) -> float | None:
        """When it began to keep us waiting for a request; None while one is under way."""

    def is_overdue(self, now: float) -> bool: ...

    def give_up(self) -> None: ...


class Room:
    """All connections of the server. Sweeps only while there are any."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.all: set[Connection] = set()
        self.by_address: dict[str, set[Connection]] = defaultdict(set)
        self._sweeping: asyncio.TimerHandle | None = None

    def enter(self, connection: Connection) -> bool:
        """False where there is no room, and none could be made."""
        self.all.add(connection)
        self.by_address[connection.address].add(connection)
        if self._sweeping is None:
            self._later()
        return all(self._has_room(connection, *each) for each in self._crowds(connection))

    def leave(self, connection: Connection) -> None:
        self.all.discard(connection)
        same = self.by_address[connection.address]
        same.discard(connection)
        if not same:
            del self.by_address[connection.address]

    def unsent(self, connection: Connection) -> None:
        """To be called when one has more to be written than it takes in."""
        if _unsent(connection) > LARGE and sum(_unsent(each) for each in self.all) > UNSENT_BYTES:
            logger.warning("Slow readers hold too much: the one with the most is cut off.")
            max(self.all, key=_unsent).transport.abort()

    def _crowds(self, connection: Connection) -> Iterable[tuple[set[Connection], int]]:
        yield self.all, self.limits.connections
        if self.limits.each and not _is_here(connection.address):
            yield self.by_address[connection.address], self.limits.each

    def _has_room(self, newest: Connection, connections: set[Connection], most: int) -> bool:
        if len(connections) <= most:
            return True
        since = {each: each.idle_since for each in connections if each is not newest}
        waiting = {each: moment for each, moment in since.items() if moment is not None}
        if waiting:
            min(waiting, key=waiting.__getitem__).give_up()
        return bool(waiting)

    def _later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweeping = loop.call_later(self.limits.sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = time.monotonic()
        for each in [each for each in self.all if each.is_overdue(now)]:
            each.give_up()
        if self.all:
            self._later()


class Slowness:
    """Tells a client that does not take in what it is sent. Looked at with every sweep.

    ``since`` is the last moment at which there was nothing to complain of.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.since: float | None = None
        self.size = 0

    def is_too_slow(self, transport: Any, now: float) -> bool:
        size = _size(transport)
        if size == 0 and not transport.is_closing():
            self.since = None
        elif self.since is None or size < self.size - WRITE_BYTES * (now - self.since):
            self.since, self.size = now, size
        return self.since is not None and now - self.since > self.seconds


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol with limits: 431, 414, 400, 408 or 503, and the end of the connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room: Room = self.server_state.room  # type: ignore[attr-defined]
        self.limits = self.room.limits
        self.slowness = Slowness(self.limits.write_seconds)
        self.address = ""
        self.waiting_since: float | None = time.monotonic()
        self.refusal = 400
        self._fruitless = 0  # bytes since anything was complete
        self._begun = False  # a request's first byte is in
        self._is_refused = False
        self._fields, self._chunks, self._body, self._in_body = 0, 0, 0, False
        self._running: RequestResponseCycle | None = None  # the one that is being answered

    # --- What the room asks -----------------------------------------------------------

    @property
    def idle_since(self) -> float | None:
        return None if self.transport.is_closing() else self.waiting_since

    def is_overdue(self, now: float) -> bool:
        late = self.waiting_since is not None and now - self.waiting_since > self.limits.header_seconds
        return self.slowness.is_too_slow(self.transport, now) or (late and not self.transport.is_closing())

    def give_up(self) -> None:
        """Says why only to who has begun to ask: others would take it for their next answer."""
        if self._is_refused or self.transport.is_closing() or _size(self.transport):
            self.transport.abort()
        else:
            if self._begun and self._is_free:
                self.transport.write(_refusal(408))
            self.transport.close()

    # --- asyncio's side ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self.room.enter(self):
            self.refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.leave(self)
        self._hang_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._fruitless += len(data)
        if self._is_refused:
            if self._fruitless > LINGER_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self._fruitless > self.limits.header_bytes and not self._is_refused:
            self.refuse(400 if self._in_body else 414 if not self._fields else 431)

    def handle_websocket_upgrade(self) -> None:
        self.room.leave(self)
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.room.unsent(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.slowness.since = None

    # --- The parser's side ------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun, self._in_body = True, False
        self.waiting_since = time.monotonic()
        self._fields = self._chunks = self._body = 0
        if len(self.pipeline) > PIPELINED:
            self._stop(400)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > URL_BYTES:
            self._stop(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > HEADERS:
            self._stop(431)
        if not self._in_body:  # of trailers nothing is kept
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._fruitless, self._begun, self._in_body, self.waiting_since = 0, False, True, None
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Each costs more than it brings, where it brings a byte."""
        self._chunks += 1
        if self._chunks > CHUNKS + self._body / CHUNK_BYTES:
            self._stop(400)

    def on_body(self, body: bytes) -> None:
        self._fruitless = 0
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fruitless, self._in_body = 0, False
        super().on_message_complete()
        self._rest()

    def on_response_complete(self) -> None:
        """A body of which more is to come is thrown away from here on, for as long as headers may take."""
        super().on_response_complete()
        self._rest()

    def _rest(self) -> None:
        if self._is_free and self.waiting_since is None:
            self.waiting_since = time.monotonic()

    @property
    def _is_free(self) -> bool:
        return (self.cycle is None or self.cycle.response_complete) and not self.pipeline

    def _stop(self, status: int) -> None:
        """Within a callback: the parser then gives up, and uvicorn calls ``send_400_response``."""
        self.refusal = status
        raise RequestRefused

    def send_400_response(self, msg: str) -> None:
        self.refuse(self.refusal)

    def refuse(self, status: int) -> None:
        """Into the middle of another answer nothing is said.

        The connection stays until the client hangs up, or the next sweep: closed at once, while the client
        still sends, it would be reset, and the answer lost.
        """
        if self._is_free or not (self._running and self._running.response_started):
            self.transport.write(_refusal(status))
            self.transport.write_eof()
            self.flow.resume_reading()  # else nobody would see the client hang up
        else:
            self.transport.close()
        self._is_refused, self._fruitless, self.waiting_since = True, 0, -math.inf
        self._hang_up()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _hang_up(self) -> None:
        """uvicorn tells the last request only, which is another one where some were sent ahead."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol with a rate for what a browser sends, and an end to fragments and pings."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.room: Room = server_state.room
        self.slowness = Slowness(self.room.limits.write_seconds)
        self.address = ""
        self._allowance, self._counted = float(SOCKET_BURST), time.monotonic()

    @property
    def idle_since(self) -> float | None:
        return None

    def is_overdue(self, now: float) -> bool:
        return self.slowness.is_too_slow(self.transport, now)

    def give_up(self) -> None:
        self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.room.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._allowance += (now - self._counted) * SOCKET_RATE
        self._allowance = min(SOCKET_BURST, self._allowance) - len(data)
        self._counted = now
        if self._allowance < 0:
            self._fail(TOO_MUCH, "Too many messages.")
        elif not self.transport.is_closing():
            super().data_received(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.slowness.since = None

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= FRAGMENTS:
            self._fail(TOO_LARGE, "Too many fragments.")
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:  # who does not take in what we send gets no more of it
            self.conn.data_to_send()

    def _fail(self, code: int, reason: str) -> None:
        if self.transport.is_closing():
            return
        self.frames = []
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.close()


class State(ServerState):
    """Shared by the protocols. The date is made when it is asked for: uvicorn makes it ten times a second."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self._second, self._headers = 0, list[tuple[bytes, bytes]]()
        super().__init__()

    @property  # type: ignore[override]
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        second = int(time.time())
        if second != self._second:
            self._second, self._headers = second, [(b"date", formatdate(second, usegmt=True).encode())]
        return self._headers

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        """uvicorn sets them as it starts."""


def raise_file_limit(most: int = 65536) -> int:
    """As many open files as the system lets us have, ``most`` at most; gives the number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _refusal(status: int) -> bytes:
    text = REASONS[status].encode()
    lines = [b"content-type: text/plain; charset=utf-8", b"content-length: %d" % len(text)]
    if status in (408, 503):
        lines.append(b"retry-after: 5")
    return STATUS_LINE[status] + b"\r\n".join([*lines, b"connection: close", b"", text])


def _size(transport: Any) -> int:
    return transport.get_write_buffer_size()


def _unsent(connection: Connection) -> int:
    return _size(connection.transport)


def _is_here(address: str) -> bool:
    """This machine: a proxy that nobody has told us of, or who runs the site."""
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:  # a socket in the file system
        return True
