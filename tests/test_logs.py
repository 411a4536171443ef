"""No log line has what opens something: every address with a token in it, in every way that it is logged."""

from __future__ import annotations

import logging
from urllib.parse import quote

import pytest
from django.conf import settings
from django.test import Client

from cifake_site.logs import Formatter, without_secrets

TOKEN = "Zx9-TOKEN_abcdefghijklmnop"
ADDRESSES = [
    f"/invitations/{TOKEN}/",
    f"/invitations/{TOKEN}",
    f"/accounts/password/reset/key/3-{TOKEN}/",
    f"/accounts/confirm-email/MQ:1xX:{TOKEN}/",
    f"/accounts/login/?next={quote(f'/invitations/{TOKEN}/', safe='')}",
    f"/accounts/signup/?next=/invitations/{TOKEN}/",
    f"/accounts/login/?next={quote(quote(f'/invitations/{TOKEN}/', safe=''), safe='')}",
    f"/accounts/oidc/sso/login/callback/?code={TOKEN}&state={TOKEN}",
]


class Lines(logging.Handler):
    """What the product's own handler would write."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter())
        line = settings.LOGGING["formatters"]["line"]
        self.setFormatter(Formatter(line["format"], style=line["style"]))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines():
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler.lines
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_request_that_is_refused(lines, address):
    """404, and a form without its CSRF token: both are logged with their path."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.get(address)
    client.post(address, {"answer": "accept"})
    assert TOKEN not in "\n".join(lines)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_request_that_fails(lines, address, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError(f"Nothing goes at {address}")

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", fail)
    assert Client(raise_request_exception=False).get(address).status_code == 500
    assert "Internal Server Error" in "\n".join(lines)
    assert TOKEN not in "\n".join(lines)


@pytest.mark.parametrize("secret", ["cfk_0123456789abcdef", "whsec_QUJD+/x="])
def test_keys_and_secrets_of_webhooks(secret):
    assert secret not in without_secrets(f"Bearer {secret} was refused")


@pytest.mark.parametrize(
    "line",
    [
        "Not Found: /o/herald/members/invitations/",
        "Not Found: /accounts/password/reset/key/done/",
        "GET /api/v1/invitations/ 200",
        "Not Found: /o/herald/detections/6f0c/?page=2",
    ],
)
def test_the_rest_stays(line):
    assert without_secrets(line) == line


def test_every_handler_writes_through_it():
    formatters = settings.LOGGING["formatters"]
    for handler in settings.LOGGING["handlers"].values():
        assert formatters[handler["formatter"]]["()"] == "cifake_site.logs.Formatter"
