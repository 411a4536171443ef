"""Fetching from addresses: one exchange, redirects, certificates."""

from __future__ import annotations

import socket

import pytest

from detection import remote
from detection.remote import Limits, RemoteFailed, RemoteRefused, Rules
from tests.detection.remote_servers import (
    HOST,
    QUICK,
    answer,
    certificate,
    code_of,
    loopback,
    refused,
    serving,
)


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
