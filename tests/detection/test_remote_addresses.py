"""Which addresses are asked at all: what they may look like, and what they may lead to."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection import addresses, remote
from detection.remote import RemoteRefused, Rules
from tests.detection.remote_servers import answer, code_of, serving

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
