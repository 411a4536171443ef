"""Which pages may open a WebSocket: this site's own, by scheme, host and port.

A browser sends its cookies along whoever wrote the page. Channels' own check compares hosts alone, and what
listens at another port of the same machine is another site.
"""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest

PORTS = {"http": 80, "https": 443}
REFUSED = 4403  # close code, before the handshake: browsers see a 403


class SameOrigin:
    """ASGI, for WebSockets: refuses an origin of which Django would not take a form, and none at all."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if is_ours(scope):
            await self.application(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": REFUSED})


def is_ours(scope: Any) -> bool:
    """As for Django's check of forms: the address that was asked, or one of CSRF_TRUSTED_ORIGINS."""
    said = [value for name, value in scope["headers"] if name == b"origin"]
    origin = _origin(said[0].decode("latin-1")) if len(said) == 1 else None
    return origin is not None and (origin == _asked(scope) or any(_is(origin, each) for each in _trusted()))


def _asked(scope: Any) -> tuple[str, str, int] | None:
    request = ASGIRequest({**scope, "type": "http", "method": "GET", "scheme": _scheme(scope)}, io.BytesIO())
    try:
        return _origin(f"{request.scheme}://{request.get_host()}")
    except DisallowedHost:
        return None


def _scheme(scope: Any) -> str:
    return "https" if scope.get("scheme") in ("wss", "https") else "http"


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None of "null", and of whatever has more or less than these."""
    parts = _split(text)
    if parts is None or parts.scheme not in PORTS or not parts.hostname:
        return None
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _trusted() -> list[str]:
    return [*settings.CSRF_TRUSTED_ORIGINS, *([settings.SITE_URL] if settings.SITE_URL else [])]


def _is(origin: tuple[str, str, int], trusted: str) -> bool:
    """``https://*.example.org`` stands for all hosts below, as for Django."""
    scheme, separator, host = trusted.partition("://*.")
    if not separator:
        return origin == _origin(trusted)
    below = _origin(f"{scheme}://{host}")
    return (
        below is not None
        and (origin[0], origin[2]) == (below[0], below[2])
        and origin[1].endswith(f".{below[1]}")
    )
