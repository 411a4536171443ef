"""Servers that mean harm, or break off: what they may cost."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import suppress

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection import remote
from detection.remote import Limits, RemoteError, RemoteFailed, RemoteRefused, Rules
from tests.detection.remote_servers import QUICK, answer, code_of, loopback, refused, serving

PLENTY = Limits(bytes=100_000, seconds=20)


@pytest.fixture
def small(settings):
    settings.MAX_UPLOAD_BYTES, settings.REMOTE_SECONDS = 100_000, 20


def status_of(server) -> int | None:
    """None where what came is refused."""
    try:
        return remote.open_url("GET", server.url(), limits=PLENTY, by=loopback(server)).status
    except RemoteError:
        return None


@pytest.mark.usefixtures("small")
class TestHostile:
    def test_a_length_that_is_too_large_is_not_read(self):
        assert refused(answer(content_length="100001")) == (RemoteRefused, "too_large")

    def test_no_length_and_too_many_bytes(self):
        def endless(connection, head):
            connection.sendall(answer(content_length=""))
            while True:
                connection.sendall(b"x" * 65536)

        assert refused(endless) == (RemoteRefused, "too_large")

    def test_more_bytes_than_announced_are_not_read(self):
        with serving(answer(b"picture and more", content_length="7")) as server:
            assert remote.fetch_image(server.url(), by=loopback(server))[0] == b"picture"

    def test_fewer_bytes_than_announced(self):
        assert refused(answer(b"pict", content_length="7")) == (RemoteFailed, "cut_short")

    @pytest.mark.parametrize("length", ["-5", "many", "9" * 5000])
    def test_a_length_that_is_none(self, length):
        with serving(answer(b"picture", content_length=length)) as server, suppress(RemoteError):
            assert remote.fetch_image(server.url(), by=loopback(server))[0] == b"picture"

    def test_chunks(self):
        head = answer(content_length="", transfer_encoding="chunked")
        with serving(head + b"4\r\npict\r\n3\r\nure\r\n0\r\n\r\n") as server:
            assert remote.fetch_image(server.url(), by=loopback(server))[0] == b"picture"
        assert refused(head + b"4\r\npi") == (RemoteFailed, "cut_short")
        assert refused(head + b"many\r\npi")[0] is RemoteFailed

    @pytest.mark.parametrize(
        "piece",
        [
            b"10000\r\n" + b"x" * 65536 + b"\r\n",
            b"1;" + b"e" * 60_000 + b"\r\nx\r\n",
            b"ffffffffffff\r\n" + b"x" * 65536,
        ],
        ids=["many", "with long lines", "one of any length"],
    )
    def test_chunks_without_end(self, piece):
        def endless(connection, head):
            connection.sendall(answer(content_length="", transfer_encoding="chunked"))
            while True:
                connection.sendall(piece)

        assert refused(endless) == (RemoteRefused, "too_large")

    def test_trailers_without_end(self):
        def endless(connection, head):
            connection.sendall(answer(content_length="", transfer_encoding="chunked") + b"0\r\n")
            while True:
                connection.sendall(b"X: y\r\n" * 1000)

        assert refused(endless) == (RemoteRefused, "too_large")

    def test_a_bomb_is_not_unpacked(self):
        bomb = gzip.compress(bytes(10_000_000))
        assert len(bomb) < 100_000
        assert refused(answer(bomb, content_encoding="gzip")) == (RemoteRefused, "compressed")

    def test_ten_megabytes_of_headers(self):
        def many(connection, head):
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: abcdefgh\r\n" * 500_000)

        def long(connection, head):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000_000)

        def interim(connection, head):
            while True:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

        assert refused(many)[1] in ("too_large_headers", "bad_answer")
        assert refused(long)[1] in ("too_large_headers", "bad_answer")
        assert refused(interim) == (RemoteRefused, "too_large_headers")

    @pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\xff" * 500, b"<html>hello</html>"])
    def test_what_is_not_http(self, data):
        assert refused(data) == (RemoteFailed, "bad_answer")

    def test_no_answer_at_all(self):
        assert refused(b"") == (RemoteFailed, "cut_short")

    def test_what_is_no_image(self):
        assert refused(answer(b"<html>", content_type="text/html; charset=utf-8")) == (
            RemoteRefused,
            "wrong_type",
        )

    def test_a_store_that_names_no_type_is_believed_until_the_bytes_are_looked_at(self):
        for kind in ("", "application/octet-stream"):
            with serving(answer(b"picture", content_type=kind)) as server:
                assert remote.fetch_image(server.url(), by=loopback(server))[0] == b"picture"

    @pytest.mark.parametrize(
        "start",
        [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", answer(content_length="90000")],
        ids=["all", "head", "body"],
    )
    def test_a_drip_ends_with_the_time_as_a_whole(self, start, settings):
        settings.REMOTE_SECONDS = QUICK
        over = threading.Event()

        def drip(connection, head):
            connection.sendall(start)
            while not over.wait(QUICK / 10):  # each byte well within any time limit of its own
                connection.sendall(b"H")

        try:
            assert refused(drip) == (RemoteFailed, "timeout")
        finally:
            over.set()

    def test_a_server_that_never_answers_and_one_that_never_reads(self, settings):
        settings.REMOTE_SECONDS = QUICK
        over = threading.Event()
        try:
            assert refused(lambda connection, head: over.wait(60)) == (RemoteFailed, "timeout")
        finally:
            over.set()
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            rules = Rules(lambda address: True, frozenset({deaf.getsockname()[1]}))
            with pytest.raises(RemoteFailed) as failed:
                remote.open_url(
                    "POST",
                    f"http://127.0.0.1:{deaf.getsockname()[1]}/",
                    body=bytes(30_000_000),
                    limits=Limits(100, QUICK),
                    by=rules,
                )
        assert failed.value.code == "timeout"

    def test_a_handshake_that_never_ends(self, settings):
        settings.REMOTE_SECONDS = QUICK
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            rules = Rules(lambda address: True, frozenset({deaf.getsockname()[1]}))
            url = f"https://127.0.0.1:{deaf.getsockname()[1]}/"
            assert code_of(url, rules) == (RemoteFailed, "timeout")

    def test_name_servers_that_never_answer(self, settings):
        settings.REMOTE_SECONDS = QUICK
        over = threading.Event()
        try:
            rules = Rules(resolve=lambda *_, **__: over.wait(60))
            assert code_of("http://example.org/", rules) == (RemoteFailed, "timeout")
        finally:
            over.set()

    @hypothesis.settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes_are_an_answer_or_an_error_of_ours(self, data):
        with serving(b"HTTP/1.1 200 OK\r\n" + data) as server:
            assert status_of(server) in (200, None)
