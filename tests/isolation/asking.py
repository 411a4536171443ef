"""One request, undone again, and what its answer comes to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction

from tests.isolation import bodies
from tests.isolation.expected import Answer, Who
from tests.isolation.needs import READS
from tests.isolation.world import MARKS, World

SIGN_IN = ("/accounts/login/", "/admin/login/")
READ_STATUSES = (200, 204, 301, 302, 304)
PROBLEM = "application/problem+json"
STATUSES = {401: Answer.UNKNOWN, 403: Answer.FORBIDDEN, 404: Answer.NOT_FOUND, 405: Answer.NOT_ALLOWED}
WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE)\b", re.I)
# What any request may write: the session it came in, the clock of its key, how much was asked.
HOUSEKEEPING = re.compile(
    r'"django_session"|"usersessions_usersession"|"accounts_usage"|"accounts_apikey" SET "last_used_at"'
)


@dataclass(frozen=True)
class Found:
    answer: str  # one of Answer, or what is wrong with it
    tells: bool  # something of the organisation
    writes: tuple[str, ...]


def ask(world: World, who: Who, method: str, address: str, url: str) -> Found:
    """Asks within a savepoint, and rolls it back: no request disturbs another one."""
    writes: list[str] = []
    with transaction.atomic():
        try:
            with world.as_it_is_for(who), connection.execute_wrapper(_noting(writes)):
                send = getattr(world.client(who), method.lower())
                response = send(url, **bodies.of(method, address))
                content = _content(response)
        finally:
            transaction.set_rollback(True)
    tells = any(mark in content for mark in MARKS)
    return Found(_answer(method, address, response), tells, tuple(writes))


def _content(response: Any) -> bytes:
    """Not of what is streamed by the event loop: those streams belong to who was let in."""
    return b"" if response.streaming and response.is_async else b"".join(response)


def _answer(method: str, address: str, response: Any) -> str:
    status = response.status_code
    if status >= 400 and address.startswith("api/v1/") and response["Content-Type"] != PROBLEM:
        return f"{status}, which is no problem (RFC 9457)"
    if status in (301, 302) and urlsplit(response["Location"]).path in SIGN_IN:
        return Answer.SIGN_IN
    if status in STATUSES:
        return STATUSES[status]
    if status >= 500 or (method in READS and status not in READ_STATUSES):
        return f"{status}"
    return Answer.LET_IN


def _noting(writes: list[str]) -> Callable[..., Any]:
    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if WRITES.match(sql) and not HOUSEKEEPING.search(sql):
            writes.append(sql[:80])
        return execute(sql, *rest)

    return note
