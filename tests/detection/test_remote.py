from __future__ import annotations

import gzip
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection import addresses, remote
from detection.remote import Limits, RemoteError, RemoteFailed, RemoteRefused, Rules
from tests.detection.remote_servers import HOST, answer, certificate, loopback, serving

QUICK = 0.5  # seconds, for servers that would never come to an end
PLENTY = Limits(bytes=100_000, seconds=20)
REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.8.8.8 168.63.129.16
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1
198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1
::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 100::1 2001::1 2001:db8::1 2001:10::1 2002:7f00:1:: 2002:808:808:: 3fff::1 5f00::1
fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1 2a00:1450::5efe:7f00:1
2a00:1450::200:5efe:a00:1
"""
ALLOWED = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.32.0.1 2606:4700::1111 2a00:1450::1
"""


@pytest.fixture
def small(settings):
    settings.MAX_UPLOAD_BYTES, settings.REMOTE_SECONDS = 100_000, 20


def code_of(url: str, rules: Rules | None = None) -> tuple[type[RemoteError], str]:
    with pytest.raises(RemoteError) as caught:
        remote.fetch_image(url, by=rules)
    assert str(caught.value).endswith(".")
    return type(caught.value), caught.value.code


def refused(handler, **rules) -> tuple[type[RemoteError], str]:
    with serving(handler) as server:
        return code_of(server.url(), loopback(server, **rules))


def status_of(server) -> int | None:
    """None where what came is refused."""
    try:
        return remote.open_url("GET", server.url(), limits=PLENTY, by=loopback(server)).status
    except RemoteError:
        return None


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "code"),
        [
            ("ftp://example.org/a.jpg", "bad_scheme"),
            ("file:///etc/passwd", "bad_scheme"),
            ("gopher://example.org/", "bad_scheme"),
            ("example.org/a.jpg", "bad_scheme"),
            ("", "bad_scheme"),
            ("http://", "bad_url"),
            ("http:///a.jpg", "bad_url"),
            ("http://me:secret@example.org/", "credentials"),
            ("http://example.org@127.0.0.1/", "credentials"),
            ("http://2130706433/", "bad_url"),
            ("http://0177.0.0.1/", "bad_url"),
            ("http://0x7f000001/", "bad_url"),
            ("http://127.1/", "bad_url"),
            ("http://1.2.3.4.5/", "bad_url"),
            ("http://[::1%25lo]/", "bad_url"),
            ("http://[fe80::1%eth0]/", "bad_url"),
            ("http://[/", "bad_url"),
            ("http://example.org:port/", "bad_url"),
            ("http://example.org:70000/", "bad_url"),
            ("http://exam ple.org/", "bad_url"),
            ("http://example.org\\@127.0.0.1/", "bad_url"),
            ("http://example.org/\r\nHost: other", "bad_url"),
            ("http://example.org/\0", "bad_url"),
            ("http://-.example.org/", "bad_url"),
            ("http://" + "a" * 64 + ".org/", "bad_url"),
            ("http://example.org/" + "a" * 9000, "bad_url"),
            ("http://example.org:22/", "bad_port"),
            ("http://example.org:6379/", "bad_port"),
        ],
    )
    def test_what_is_no_address_of_the_web_is_refused(self, url, code):
        def resolve(*args, **kwargs):
            raise AssertionError("asked a name server")

        assert code_of(url, Rules(resolve=resolve)) == (RemoteRefused, code)

    def test_names_of_all_languages_become_those_of_dns(self):
        assert addresses.parse("HTTPS://Straße.Example/ä?q=ö").url == (
            "https://xn--strae-oqa.example/%C3%A4?q=%C3%B6"
        )
        assert addresses.parse("http://１２７.０.０.１/").host == "127.0.0.1"

    @hypothesis.settings(deadline=None)
    @given(st.text(max_size=60))
    def test_any_text_is_an_address_or_a_refusal(self, text):
        for url in (text, f"http://{text}", f"https://example.org/{text}"):
            with suppress(RemoteRefused):
                parts = addresses.parse(url)
                assert parts.host.isascii()
                assert parts.path.isascii()
                assert not set(parts.host + parts.path) & set(" \r\n\t\\@#") - set("@")


class TestRanges:
    @pytest.mark.parametrize(
        "address",
        REFUSED.split(),
    )
    def test_only_the_public_internet_is_asked(self, address):
        rules = Rules(resolve=lambda host, port, **_: [(0, 0, 0, "", (address, port))])
        assert code_of("http://example.org/cat.jpg", rules) == (RemoteRefused, "forbidden_address")

    @pytest.mark.parametrize(
        "address",
        ALLOWED.split(),
    )
    def test_the_public_internet_is(self, address):
        assert addresses.is_public(ip_address(address))

    def test_one_private_address_among_public_ones_is_enough(self):
        found = [(0, 0, 0, "", (each, 80)) for each in ("8.8.8.8", "10.0.0.1")]
        rules = Rules(resolve=lambda *_, **__: found)
        assert code_of("http://example.org/", rules) == (RemoteRefused, "forbidden_address")

    @pytest.mark.parametrize(
        "host",
        ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "0.0.0.0"],
    )
    def test_this_machine_by_its_own_resolver(self, host, settings):
        assert code_of(f"http://{host}/cat.jpg") == (RemoteRefused, "forbidden_address")

    def test_a_site_may_let_its_network_in_but_never_a_metadata_service(self, settings):
        with serving(answer(b"picture")) as server:
            settings.REMOTE_PORTS = frozenset({server.port})
            assert code_of(server.url(host="127.0.0.1"))[1] == "forbidden_address"
            settings.REMOTE_ALLOW_PRIVATE = True
            assert remote.fetch_image(server.url(host="127.0.0.1"))[0] == b"picture"
        clouds = ("[fd00:ec2::254]", "[fd00:ec2::23]", "[fd20:ce::254]", "[fd00:c1::a9fe:a9fe]")
        clouds += ("[fd00:42::42]", "[fd00:a9fe:a9fe::1]", "[fd00:100::100:200]", "100.100.100.200")
        for host in ("169.254.169.254", "0.0.0.0", "[::ffff:127.0.0.1]", *clouds):
            assert code_of(f"http://{host}/latest/meta-data/")[1] == "forbidden_address"


class TestExchange:
    def test_an_image_comes_with_a_name(self):
        with serving(answer(b"picture")) as server:
            data, name = remote.fetch_image(server.url("/a/cat%20one.jpg?size=2"), by=loopback(server))
        assert (data, name) == (b"picture", "cat one.jpg")
        head = server.heads[0].decode()
        assert head.startswith("GET /a/cat%20one.jpg?size=2 HTTP/1.1\r\n")
        assert f"Host: {HOST}:{server.port}\r\n" in head
        assert "Accept-Encoding: identity" in head

    def test_a_body_is_sent_and_a_long_answer_cut(self):
        with serving(answer(b"x" * 5000, status="500 Oops", content_type="text/plain")) as server:
            limits = Limits(bytes=100, seconds=20, cut=True)
            found = remote.open_url(
                "POST", server.url(), body=b"{}", headers={"X-Id": "1"}, limits=limits, by=loopback(server)
            )
        assert (found.status, found.headers["content-type"], found.body) == (500, "text/plain", b"x" * 100)
        assert b"X-Id: 1" in server.heads[0]

    def test_a_post_follows_no_redirect(self):
        with serving(answer(status="302 Found", location="http://127.0.0.1/")) as server:
            found = remote.open_url(
                "POST", server.url(), body=b"", limits=Limits(100, 20, redirects=5), by=loopback(server)
            )
        assert found.status == 302

    def test_the_name_is_resolved_once_and_the_answer_checked_is_the_one_asked(self):
        """DNS rebinding: the first answer passes the check, the second would be another machine."""
        questions = []

        def changing(host, port, **kwargs):
            questions.append(host)
            return socket.getaddrinfo("127.0.0.1" if len(questions) == 1 else "127.0.0.2", port, **kwargs)

        with serving(answer(b"picture")) as server:
            rules = loopback(server)
            rules = Rules(rules.permitted, rules.ports, changing)
            assert remote.fetch_image(server.url(), by=rules)[0] == b"picture"
        assert questions == [HOST]

    def test_the_systems_resolver_is_asked_once_too(self, monkeypatch):
        real, questions = socket.getaddrinfo, []

        def changing(host, port, *args, **kwargs):
            if host == HOST:
                questions.append(host)
                host = "127.0.0.1" if len(questions) == 1 else "127.0.0.2"
            return real(host, port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", changing)
        with serving(answer(b"picture")) as server:
            known = loopback(server)
            assert remote.fetch_image(server.url(), by=Rules(known.permitted, known.ports))[0] == b"picture"
        assert questions == [HOST]

    @pytest.mark.parametrize(
        ("status", "kind"),
        [("404 Not Found", RemoteRefused), ("204 No Content", RemoteRefused)]
        + [(each, RemoteFailed) for each in ("503 Busy", "429 Slowly", "500 Oops", "408 Late")],
    )
    def test_other_answers_than_200(self, status, kind):
        assert refused(answer(b"sorry", status=status)) == (kind, f"status_{status[:3]}")

    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        rules = Rules(lambda address: True, frozenset({port}))
        assert code_of(f"http://127.0.0.1:{port}/", rules) == (RemoteFailed, "unreachable")

    def test_no_such_name(self):
        def unknown(*args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        assert code_of("http://nobody.test/", Rules(resolve=unknown)) == (RemoteFailed, "unknown_host")


class TestRedirects:
    def moved(self, location: str, status: str = "302 Found") -> bytes:
        return answer(status=status, location=location)

    def test_each_is_checked_again(self):
        for location in ("http://127.0.0.2/", "http://169.254.169.254/latest/", "http://[::1]/"):
            with serving(self.moved(location)) as server:
                rules = loopback(server)
                rules = Rules(rules.permitted, rules.ports | {80}, rules.resolve)
                assert code_of(server.url(), rules) == (RemoteRefused, "forbidden_address")

    @pytest.mark.parametrize(
        ("location", "code"),
        [
            ("file:///etc/passwd", "bad_scheme"),
            ("http://a:b@pictures.test/", "credentials"),
            ("http://pictures.test:22/", "bad_port"),
            ("http://2130706433/", "bad_url"),
            ("//0177.0.0.1/", "bad_url"),
        ],
    )
    def test_to_what_is_no_address_of_the_web(self, location, code):
        assert refused(self.moved(location)) == (RemoteRefused, code)

    def test_relative_ones_lead_to_the_image_without_the_headers_of_another_server(self):
        with serving(answer(b"picture")) as second:
            moved = self.moved(second.url("/end.jpg"), "307 Temporary")
            with serving(moved) as first:
                found = remote.open_url(
                    "GET",
                    first.url(),
                    headers={"Authorization": "Bearer secret"},
                    limits=Limits(1000, 20, redirects=1),
                    by=loopback(first, second),
                )
        assert found.body == b"picture"
        assert b"secret" in first.heads[0]
        assert b"secret" not in second.heads[0]

    def test_five_and_no_more(self):
        def counting(connection, head):
            number = int(head.split()[1].strip(b"/"))
            done = number == 5
            connection.sendall(answer(b"picture") if done else self.moved(f"/{number + 1}"))

        with serving(counting) as server:
            assert remote.fetch_image(server.url("/0"), by=loopback(server))[0] == b"picture"
            assert code_of(server.url("/-1"), loopback(server)) == (RemoteRefused, "too_many_redirects")
        assert len(server.heads) == 12

    def test_never_from_https_to_http(self, tmp_path):
        theirs, ours = certificate(tmp_path, HOST)
        with serving(self.moved("http://pictures.test/"), theirs) as server:
            rules = loopback(server, context=lambda: ours)
            assert code_of(server.url(), rules) == (RemoteRefused, "insecure_redirect")


class TestSecure:
    def test_the_certificate_is_that_of_the_name(self, tmp_path):
        theirs, ours = certificate(tmp_path, HOST)
        with serving(answer(b"picture"), theirs) as server:
            rules = loopback(server, context=lambda: ours, names={"other.test": ["127.0.0.1"]})
            assert remote.fetch_image(server.url(), by=rules)[0] == b"picture"
            assert code_of(server.url(host="other.test"), rules) == (RemoteFailed, "bad_certificate")
            assert code_of(server.url(host="127.0.0.1"), rules) == (RemoteFailed, "bad_certificate")

    def test_an_unknown_authority(self, tmp_path):
        theirs, _ = certificate(tmp_path, HOST)
        with serving(answer(b"picture"), theirs) as server:
            assert code_of(server.url(), loopback(server)) == (RemoteFailed, "bad_certificate")

    def test_a_server_that_speaks_no_tls(self, settings):
        settings.REMOTE_SECONDS = QUICK  # it waits for the end of our head, and we for the beginning of its
        with serving(answer(b"picture")) as server:
            url = server.url().replace("http:", "https:")
            server.handler = lambda connection, head: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            kind, code = code_of(url, loopback(server))
        assert (kind, code in ("tls", "broken", "timeout")) == (RemoteFailed, True)


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
