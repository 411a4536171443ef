"""Which origins a WebSocket may be opened from: as Django takes forms from them."""

from __future__ import annotations

import pytest

from cifake_site.origin import is_ours


def scope(origin: str, host: str = "cifake.example", **more) -> dict:
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": headers + extra}


@pytest.fixture(autouse=True)
def _site(settings):
    settings.ALLOWED_HOSTS = ["cifake.example"]


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://cifake.example", "cifake.example"),
        ("http://cifake.example", "cifake.example:80"),
        ("http://CIFAKE.example:8000", "cifake.example:8000"),
    ],
)
def test_the_address_that_was_asked(origin, host):
    assert is_ours(scope(origin, host))


@pytest.mark.parametrize("host", ["evil.example", "cifake.example:x", ""])
def test_a_forged_host_makes_no_origin_ours(host):
    assert not is_ours(scope(f"http://{host}", host))


def test_behind_a_proxy_with_a_certificate(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert is_ours(scope("https://cifake.example", x_forwarded_proto="https"))
    assert not is_ours(scope("http://cifake.example", x_forwarded_proto="https"))
    assert not is_ours(scope("https://cifake.example", x_forwarded_proto="http"))


def test_whoever_sends_the_header_where_there_is_no_proxy():
    assert not is_ours(scope("https://cifake.example", x_forwarded_proto="https"))


@pytest.mark.parametrize(
    ("origin", "is_trusted"),
    [
        ("https://pages.example", True),
        ("https://pages.example:8443", False),
        ("http://pages.example", False),
        ("https://a.many.example", True),
        ("https://a.b.many.example", True),
        ("https://many.example", False),
        ("https://evilmany.example", False),
        ("https://site.example", True),
        ("https://site.example:444", False),
    ],
)
def test_those_that_the_settings_trust(settings, origin, is_trusted):
    settings.CSRF_TRUSTED_ORIGINS = ["https://pages.example", "https://*.many.example"]
    settings.SITE_URL = "https://site.example"
    assert is_ours(scope(origin)) == is_trusted


def test_two_origins_are_none():
    twice = scope("http://cifake.example")
    twice["headers"].append((b"origin", b"http://cifake.example"))
    assert not is_ours(twice)
