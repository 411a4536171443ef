"""Programs to ask the API with: keys and a client that sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test import Client

from accounts.access import SCOPES
from tests import hostile


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class Api(Client):
    """``api.get("detections/")``: below /api/v1/, with a key. A dict goes out as JSON."""

    def __init__(self, secret: str = "") -> None:
        super().__init__(headers=bearer(secret) if secret else None)

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().generic(method, path if path[:1] in "/h" else f"/api/v1/{path}", *args, **kwargs)

    def send(self, path: str, body: Any, **kwargs: Any) -> Any:
        """POST with JSON."""
        return self.post(path, body, content_type="application/json", **kwargs)


@pytest.fixture
def api_key(principal, make_key) -> Callable:
    """``api_key(scopes=…, **fields)``: (ApiKey, secret), of ``principal``'s organisation; all scopes."""

    def make(scopes=SCOPES, **fields):
        return make_key(principal, scopes, **fields)

    return make


@pytest.fixture
def secret(api_key) -> str:
    return api_key()[1]


@pytest.fixture
def api(secret) -> Api:
    """A client with a key of ``principal``'s organisation that may everything a key may."""
    return Api(secret)


@pytest.fixture
def stranger(make_key) -> Api:
    """A key of another organisation."""
    return Api(make_key()[1])


@pytest.fixture
def key_principal(api_key):
    """A key of ``principal``'s organisation, acting."""
    from accounts.access import principal_of_key

    return principal_of_key(api_key()[0])


@pytest.fixture
def application(monkeypatch, settings) -> Any:
    """The WSGI application; nothing waits for a model, and nothing leaves this machine."""
    settings.STAGES_MODULE = "tests.detection.toy_stages"
    monkeypatch.setattr("detection.api_waiting.LONGEST_SECONDS", 0, raising=False)
    monkeypatch.setattr("detection.remote_connection.socket.getaddrinfo", _no_network, raising=False)
    from schemathesis.checks import load_all_checks

    load_all_checks()
    # A request, or a thread of Channels, must not close the connection that holds the test's transaction.
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    return get_wsgi_application()


def _no_network(*_: Any, **__: Any) -> Any:
    raise OSError("no outside network in tests")


def upload(name: str = "cat.png", data: bytes | None = None) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, hostile.png() if data is None else data)


def problem(response, slug: str) -> dict:
    """The problem in an answer, which has to be of this type, whole, and of its type's status."""
    from cifake_site.problem_types import TYPES

    assert response["Content-Type"] == "application/problem+json", response.content[:500]
    found = response.json()
    assert found["type"] == f"/api/problems/{slug}/", found
    assert response.status_code == found["status"] == TYPES[slug].status
    assert all(found[name] for name in ("title", "detail", "remedy"))
    return found
