"""The server at its connections: what never ends is ended, and who sends a whole request is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cifake_site import connections, requests_under_way
from cifake_site.connections import BoundedHttp, BoundedWebSocket
from cifake_site.requests_under_way import PerAddress, SlowBodies, Turns
from detection.management.commands.serve import Server

PATIENCE = 30.0
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
WHOLE = HEAD + b"\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
FORM = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(autouse=True)
def _times(settings):
    """Long enough that none is up in a test that does not wait for it."""
    settings.HEADER_SECONDS = settings.BODY_SECONDS = settings.WRITE_SECONDS = 10 * PATIENCE


async def body_of(receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def answer(send, body: bytes = b"ok") -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope, receive, send) -> None:
    """Reads all of a request, and sends back what came; a WebSocket hears nothing."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await answer(send, await body_of(receive) or b"ok")


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes, times: int = 1) -> None:
        """Until the server hangs up."""
        with suppress(ConnectionError):
            for _ in range(times):
                if self.writer.is_closing():
                    return
                self.writer.write(data)
                await self.writer.drain()

    async def read(self) -> bytes:
        """All that the server says until it hangs up."""
        said = b""
        with suppress(ConnectionError):
            while more := await asyncio.wait_for(self.reader.read(65536), PATIENCE):
                said += more
        return said

    async def status(self) -> int:
        line = await asyncio.wait_for(self.reader.readline(), PATIENCE)
        return int(line.split()[1])


class Running:
    def __init__(self, server: Server, port: int) -> None:
        self.room, self.port = server.server_state.room, port
        self.socket = f"ws://127.0.0.1:{port}/"
        self.clients: list[Client] = []

    async def client(self, data: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        await client.send(data)
        return client

    async def asks(self, data: bytes, more: bytes = b"", times: int = 0) -> bytes:
        """Sends, and gives all that is answered until the end of the connection."""
        client = await self.client(data)
        said, _ = await asyncio.gather(client.read(), client.send(more, times))
        client.writer.close()
        return said

    async def has(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while len(self.room.all) != count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(application: Callable[..., Awaitable[None]] = echo) -> AsyncIterator[Running]:
    config = uvicorn.Config(
        application, http=BoundedHttp, ws=BoundedWebSocket, lifespan="off", log_config=None,
        access_log=False, ws_max_size=64 * 1024, timeout_graceful_shutdown=1,
    )  # fmt: skip
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(config, "")
    task = asyncio.create_task(server._serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    running = Running(server, listener.getsockname()[1])
    try:
        yield running
    finally:
        for client in running.clients:
            client.writer.close()
        server.handle_exit(2, None)
        await asyncio.wait_for(task, PATIENCE)


ENDLESS = {
    "address": (b"GET /", b"a" * 16_384, 414),
    "method": (b"", b"A" * 16_384, 400),
    "header": (HEAD + b"X: ", b"a" * 16_384, 431),
    "header's name": (HEAD, b"a" * 16_384, 431),
    "headers": (HEAD, b"a: b\r\n" * 2_000, 431),
    "chunk's extension": (CHUNKED + b"5;", b"a" * 16_384, 400),
    "chunks of one byte": (CHUNKED, b"1\r\na\r\n" * 2_000, 400),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 2_000, 431),
    "requests sent ahead": (b"", WHOLE * 400, 400),
}


class TestWhatNeverEnds:
    @pytest.mark.parametrize("what", ENDLESS)
    async def test_is_refused_and_the_connection_ends(self, what):
        begin, more, status = ENDLESS[what]
        async with serving() as server:
            said = await server.asks(begin, more, times=1000)
            assert b"HTTP/1.1 %d " % status in said
            await server.has(0)

    async def test_an_address_over_the_limit_is_told(self):
        async with serving() as server:
            said = await server.asks(b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n")
            assert said.startswith(b"HTTP/1.1 414 ")
            assert said.endswith(b"The address is too long.")

    async def test_what_is_within_the_limits_is_answered(self):
        fields = b"".join(b"X-%d: %s\r\n" % (number, b"v" * 200) for number in range(90))
        async with serving() as server:
            client = await server.client(b"GET /" + b"a" * 8_000 + HEAD[5:] + fields + b"\r\n")
            assert await client.status() == 200

    async def test_large_bodies_come_in_whole(self):
        """Over the limit of headers, in pieces of any size, with and without chunks."""
        body = bytes(range(256)) * 1024
        chunks = b"".join(b"800\r\n" + body[at : at + 2048] + b"\r\n" for at in range(0, len(body), 2048))
        for request in (FORM.replace(b"1000", b"%d" % len(body)) + body, CHUNKED + chunks + b"0\r\n\r\n"):
            async with serving() as server:
                client = await server.client(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                assert (await client.read()).endswith(body)

    async def test_trailers_change_no_header(self):
        seen = []

        async def application(scope, receive, send):
            await body_of(receive)
            seen.append([name for name, value in scope["headers"]])
            await answer(send)

        async with serving(application) as server:
            client = await server.client(CHUNKED + b"1\r\na\r\n0\r\nCookie: sessionid=x\r\n\r\n")
            assert await client.status() == 200
        assert seen == [[b"host", b"transfer-encoding"]]


class TestWhoKeepsUsWaiting:
    @pytest.fixture(autouse=True)
    def _soon(self, settings):
        settings.HEADER_SECONDS = 0.2

    @pytest.mark.parametrize("begun", [b"G", HEAD, HEAD + b"X"])
    async def test_half_a_request_is_answered_408(self, begun):
        async with serving() as server:
            said = await server.asks(begun)
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"retry-after" in said
            await server.has(0)

    async def test_to_who_says_nothing_nothing_is_said(self):
        """A browser opens connections ahead, and would take it for the answer to its next request."""
        async with serving() as server:
            assert await server.asks(b"") == b""

    async def test_half_a_request_behind_a_whole_one(self):
        async with serving() as server:
            said = await server.asks(WHOLE + HEAD)
            assert said.startswith(b"HTTP/1.1 200 ")
            assert b"HTTP/1.1 408 " in said

    async def test_a_request_under_way_is_waited_for(self):
        done = asyncio.Event()

        async def application(scope, receive, send):
            await done.wait()
            await answer(send)

        async with serving(application) as server:
            client = await server.client(WHOLE)
            await server.asks(HEAD)  # of which the time is up meanwhile
            done.set()
            assert await client.status() == 200

    async def test_a_body_that_nobody_wants_any_more_comes_to_an_end(self):
        async def application(scope, receive, send):
            await answer(send)

        async with serving(application) as server:
            said = await server.asks(FORM + b"a")
            assert said.startswith(b"HTTP/1.1 200 ")
            await server.has(0)


class TestWhoDoesNotRead:
    @pytest.fixture(autouse=True)
    def _soon(self, settings):
        settings.WRITE_SECONDS = 0.2

    async def test_is_cut_off(self):
        async def application(scope, receive, send):
            await answer(send, bytes(32 * 1024 * 1024))

        async with serving(application) as server:
            client = await server.client(WHOLE)
            client.writer.transport.pause_reading()
            await server.has(1)
            await server.has(0)

    async def test_also_where_answers_are_small_and_the_connection_is_over(self):
        async def application(scope, receive, send):
            await answer(send, bytes(32 * 1024 * 1024))

        async with serving(application) as server:
            client = await server.client(WHOLE.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            client.writer.transport.pause_reading()
            await server.has(1)
            await server.has(0)

    async def test_too_much_for_slow_readers_is_not_kept(self, settings, monkeypatch):
        settings.WRITE_SECONDS = 10 * PATIENCE
        monkeypatch.setattr(connections, "UNSENT_BYTES", 16 * 1024 * 1024)

        async def application(scope, receive, send):
            await answer(send, bytes(12 * 1024 * 1024))

        async with serving(application) as server:
            for _ in range(5):
                client = await server.client(WHOLE)
                client.writer.transport.pause_reading()
            async with asyncio.timeout(PATIENCE):
                while len(server.room.all) > 2:
                    await asyncio.sleep(0.01)

    async def test_who_reads_slowly_but_steadily_gets_it_all(self):
        size = 8 * 1024 * 1024

        async def application(scope, receive, send):
            await answer(send, bytes(size))

        async with serving(application) as server:
            client = await server.client(WHOLE)
            await client.reader.readuntil(b"\r\n\r\n")
            for _ in range(8):
                await client.reader.readexactly(size // 8)
                await asyncio.sleep(0.05)


class TestRoom:
    async def test_who_has_waited_longest_makes_room_for_a_whole_request(self, settings):
        settings.MAX_CONNECTIONS = 3
        async with serving() as server:
            first = await server.client(HEAD)
            await server.has(1)
            others = [await server.client(HEAD) for _ in range(2)]
            await server.has(3)
            asking = await server.client(WHOLE)
            assert await asking.status() == 200
            assert (await first.read()).startswith(b"HTTP/1.1 408 ")
            await others[0].send(b"\r\n")
            assert await others[0].status() == 200

    async def test_1_100_half_requests_hinder_nobody(self, settings):
        settings.MAX_CONNECTIONS = 50
        async with serving() as server:
            for _ in range(1_100):
                await server.client(HEAD)
            assert await (await server.client(WHOLE)).status() == 200
            assert len(server.room.all) <= 51

    async def test_where_all_are_at_work_a_new_one_is_told_so(self, settings):
        settings.MAX_CONNECTIONS = 2
        done = asyncio.Event()

        async def application(scope, receive, send):
            await done.wait()
            await answer(send)

        async with serving(application) as server:
            busy = [await server.client(WHOLE) for _ in range(2)]
            await server.has(2)
            while any(each.idle_since is not None for each in server.room.all):
                await asyncio.sleep(0.01)
            said = await (await server.client()).read()
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after" in said
            done.set()
            assert [await each.status() for each in busy] == [200, 200]

    @pytest.mark.parametrize(("proxies", "left"), [(0, 2), (1, 3)])
    async def test_each_address_has_its_share_unless_all_come_from_a_proxy(
        self, settings, monkeypatch, proxies, left
    ):
        settings.MAX_CONNECTIONS_PER_ADDRESS = 2
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
        monkeypatch.setattr(connections, "_is_here", lambda address: False)
        async with serving() as server:
            for count in (1, 2):
                await server.client(HEAD)
                await server.has(count)
            asking = await server.client(WHOLE)
            assert await asking.status() == 200
            await server.has(left)

    async def test_of_this_machine_itself_no_share_is_kept(self, settings):
        """A proxy that the settings do not name must not lock everybody out."""
        settings.MAX_CONNECTIONS_PER_ADDRESS = 1
        async with serving() as server:
            for _ in range(3):
                await server.client(HEAD)
            await server.has(3)


class TestWebSockets:
    async def test_leaves_no_place_taken(self):
        async with serving() as server, connect(server.socket) as browser:
            await server.has(1)
            await browser.close()
            await server.has(0)

    @pytest.mark.parametrize("what", ["messages", "pings"])
    async def test_a_flood_ends(self, what):
        async def flood(browser) -> None:
            for _ in range(50_000):
                await (browser.send("x" * 20) if what == "messages" else browser.ping())
            await browser.recv()

        async with serving() as server, connect(server.socket, ping_interval=None) as browser:
            with pytest.raises(ConnectionClosed):
                await flood(browser)
            await server.has(0)

    async def test_endless_fragments_end(self):
        async with serving() as server, connect(server.socket) as browser:
            await browser.send(["x"] * 1_000)
            with pytest.raises(ConnectionClosed):
                await browser.recv()
            assert browser.close_code == connections.TOO_LARGE

    async def test_a_message_over_the_limit_ends(self):
        async with serving() as server, connect(server.socket) as browser:
            await browser.send("x" * 65 * 1024)
            with pytest.raises(ConnectionClosed):
                await browser.recv()
            assert browser.close_code == connections.TOO_LARGE


class TestSlowBodies:
    async def test_half_a_body_is_answered_408(self, settings):
        settings.BODY_SECONDS = 0.1
        async with serving(SlowBodies(echo)) as server:
            said = await server.asks(FORM + b"a")
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"retry-after" in said
            assert said.endswith(requests_under_way.TOO_SLOW.encode())

    async def test_the_api_says_it_as_a_problem(self, settings):
        settings.BODY_SECONDS = 0.1
        async with serving(SlowBodies(echo)) as server:
            said = await server.asks(FORM.replace(b"POST /", b"POST /api/v1/detections/"))
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b"/api/problems/too-slow/" in said

    async def test_drops_do_not_keep_it_alive(self, settings):
        settings.BODY_SECONDS = 0.5
        settings.BODY_BYTES_PER_SECOND = 1000
        async with serving(SlowBodies(echo)) as server:
            client = await server.client(FORM)
            reading = asyncio.create_task(client.read())
            while not reading.done():
                await client.send(b"a")
                await asyncio.sleep(0.05)
            assert reading.result().startswith(b"HTTP/1.1 408 ")

    async def test_the_time_that_we_take_ourselves_does_not_count(self, settings):
        settings.BODY_SECONDS, read = 0.3, asyncio.Event()

        async def application(scope, receive, send):
            assert (await receive())["more_body"]
            read.set()
            await asyncio.sleep(0.5)
            await answer(send, await body_of(receive))

        async with serving(SlowBodies(application)) as server:
            client = await server.client(FORM + b"a" * 500)
            await read.wait()
            await client.send(b"b" * 500)
            assert await client.status() == 200

    async def test_where_there_are_too_many_the_one_that_stands_still_goes(self, monkeypatch):
        monkeypatch.setattr(requests_under_way, "BODIES", 2)
        bodies = SlowBodies(echo)
        async with serving(bodies) as server:
            clients = []
            for count in (1, 2):
                clients.append(await server.client(FORM + b"a"))
                while len(bodies.coming) < count:
                    await asyncio.sleep(0.01)
            sending = await server.client(FORM + b"a")
            assert (await clients[0].read()).startswith(b"HTTP/1.1 503 ")
            await sending.send(b"b" * 999)
            assert await sending.status() == 200

    async def test_where_they_take_too_much_of_the_disk_the_largest_goes(self, settings):
        settings.MAX_BATCH_BYTES = 300
        bodies = SlowBodies(echo)
        async with serving(bodies) as server:
            large = await server.client(FORM + b"a" * 500)
            while not bodies.coming:
                await asyncio.sleep(0.01)
            small = await server.client(FORM + b"a" * 200)
            assert (await large.read()).startswith(b"HTTP/1.1 503 ")
            await small.send(b"b" * 800)
            assert await small.status() == 200


class TestTurns:
    async def test_so_many_at_a_time_and_half_bodies_hold_none(self):
        entered, done = [], asyncio.Event()

        async def application(scope, receive, send):
            await body_of(receive)
            entered.append(scope["path"])
            await done.wait()
            await answer(send)

        async with serving(Turns(application, at_work=2)) as server:
            for _ in range(3):
                await server.client(FORM + b"a")
            whole = [await server.client(WHOLE) for _ in range(3)]
            while len(entered) < 2:
                await asyncio.sleep(0.01)
            await server.has(6)
            assert len(entered) == 2
            done.set()
            assert [await each.status() for each in whole] == [200] * 3

    async def test_a_slow_reader_holds_none(self):
        sent = asyncio.Event()

        async def application(scope, receive, send):
            await body_of(receive)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if scope["path"] == "/slow":
                sent.set()
                await asyncio.Event().wait()
            await send({"type": "http.response.body", "body": b"ok"})

        async with serving(Turns(application, at_work=1)) as server:
            await server.client(WHOLE.replace(b"/", b"/slow", 1))
            await sent.wait()
            assert await (await server.client(WHOLE)).status() == 200


class TestBehindAProxy:
    @pytest.fixture(autouse=True)
    def _proxy(self, settings):
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
        settings.MAX_CONNECTIONS_PER_ADDRESS = 2

    @staticmethod
    def by(*addresses: str) -> bytes:
        return HEAD + b"X-Forwarded-For: %s\r\n\r\n" % ", ".join(addresses).encode()

    async def test_an_address_has_its_share_of_requests(self):
        entered, done = [], asyncio.Event()

        async def application(scope, receive, send):
            entered.append(scope)
            if len(entered) <= 2:
                await done.wait()
            await answer(send)

        each = PerAddress(application)
        async with serving(each) as server:
            held = [await server.client(self.by("192.0.2.1")) for _ in range(2)]
            while len(entered) < 2:
                await asyncio.sleep(0.01)
            assert await (await server.client(self.by("192.0.2.1"))).status() == 503
            # What a client says of itself stands before what the proxy says of it.
            assert await (await server.client(self.by("192.0.2.9", "192.0.2.1"))).status() == 503
            assert await (await server.client(self.by("192.0.2.1", "192.0.2.2"))).status() == 200
            done.set()
            assert [await client.status() for client in held] == [200, 200]
        assert not each.under_way
