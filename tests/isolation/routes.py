"""Every address that Django and Channels know, and how to fill in its variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, get_resolver

from detection.routing import websocket_urlpatterns

IDS = {"pk", "id", "number", "delivery"}
VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^()]*\)")


@dataclass(frozen=True)
class Route:
    address: str  # as it is written in the URL configuration, without ^ and $
    view: Callable[..., Any]

    @property
    def is_ours(self) -> bool:
        return self.view.__module__.startswith(("accounts.", "cifake_site.", "detection.", "history."))

    @property
    def takes(self) -> list[str]:
        """The names of its variables."""
        return [first or second for first, second in VARIABLE.findall(self.address)]


@cache
def routes() -> dict[str, Route]:
    return {route.address: route for route in _walk(get_resolver(), "")}


def socket_routes() -> set[str]:
    return {_plain(str(pattern.pattern)) for pattern in websocket_urlpatterns}


def _walk(resolver: Any, before: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        address = before + _plain(str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            yield Route(address, pattern.callback)
        else:
            yield from _walk(pattern, address)


def _plain(pattern: str) -> str:
    return pattern.removeprefix("^").removesuffix("$")


def fill(address: str, values: dict[str, str]) -> str:
    """The address with its variables filled in, from ``values``: ids by the part of the path before them
    (``detections``), the others by their name."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name == "object_id":
            return values.get("/".join(address.split("/")[1:3]), "1")
        part = address[: match.start()].rstrip("/").rpartition("/")[2]
        return values[part if name in IDS else name]

    return "/" + VARIABLE.sub(value, address)
