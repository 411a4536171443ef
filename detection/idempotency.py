"""Requests that may come again (Idempotency-Key): one of many does the work, all answer with what it made.

A row is made before the work, and of many the unique index lets one through. What the work made is
written into the row within the transaction that makes it: a process that dies in between leaves either
nothing, and then the row is free again after ``LEASE``, or the work with its row, and then the next
request answers with it. No answer is kept: each is rendered from what was made, as it is by then, so that
none says what was true for a moment only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework.request import Request

from accounts.access import Principal
from accounts.api_problem import Problem
from detection.models import IdempotentRequest

HEADER = "Idempotency-Key"
KEEP = timedelta(hours=24)
LEASE = timedelta(minutes=2)  # the longest that fetching and decoding an image may take
LONGEST = 255
CLEANED = 100  # rows that one request removes: rows come one a request, so none pile up

REUSED = "This Idempotency-Key came before with another body, or at another address."
AT_WORK = "A request with this Idempotency-Key is being worked on just now."
BAD = f"An Idempotency-Key is 1 to {LONGEST} visible characters of ASCII, best a UUID."


class Once:
    """A request whose work is to be done once. ``row`` None: it came without a key; all this does nothing.

    ``with once:`` around the work gives the key free again where the work fails.
    """

    def __init__(self, row: IdempotentRequest | None) -> None:
        self.row = row

    @property
    def made(self) -> UUID | None:
        """What an earlier request made; then there is nothing left to do but to answer."""
        return UUID(self.row.body["id"]) if self.row and self.row.body else None

    def attach(self, made: Model) -> None:
        """To be called in the transaction that makes it.

        Raises:
            Problem: the work took longer than ``LEASE`` and another request has begun it anew.
        """
        if self.row is None:
            return
        body = {"id": str(made.pk)}
        if not _ours(self.row).update(body=body):
            raise at_work()
        self.row.body = body

    def __enter__(self) -> Once:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None and self.row is not None:
            _ours(self.row).delete()


def _ours(row: IdempotentRequest) -> QuerySet[IdempotentRequest]:
    """The row, unless it was taken over (its time is the fence) or something was made under it."""
    return IdempotentRequest.objects.filter(pk=row.pk, created_at=row.created_at, body__isnull=True)


def begin(principal: Principal, request: Request) -> Once:
    """Takes the key for this request, or finds what an earlier one has made.

    Raises:
        Problem: ``idempotency-key-reused`` or ``idempotency-in-progress``; ``invalid-parameter`` for
            a key that is none.
    """
    value = _value(request)
    if value is None or principal.key is None:
        return Once(None)
    forget_old(CLEANED)
    wanted = {"key": principal.key, "value": value}
    defaults = {"fingerprint": fingerprint(request), "created_at": timezone.now()}
    row, made = IdempotentRequest.objects.get_or_create(**wanted, defaults=defaults)
    if row.created_at < timezone.now() - KEEP:  # one of very many that are to be forgotten
        row.delete()
        row, made = IdempotentRequest.objects.get_or_create(**wanted, defaults=defaults)
    if row.fingerprint != defaults["fingerprint"]:
        raise Problem("idempotency-key-reused", REUSED, errors=[{"header": HEADER, "detail": REUSED}])
    return Once(row if made or row.body else _taken_over(row))


def at_work() -> Problem:
    return Problem("idempotency-in-progress", AT_WORK, headers={"Retry-After": "1"})


def fingerprint(request: Request) -> str:
    """Of what a request asks for. Forms are compared by their fields: a boundary is new with each try."""
    found = hashlib.sha256()
    for part in _parts(request):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()


def _parts(request: Request) -> Iterator[bytes]:
    yield f"{request.method} {request.path}".encode()
    if not hasattr(request.data, "lists"):
        yield json.dumps(request.data, sort_keys=True).encode()
        return
    for name, values in sorted(request.data.lists()):
        for value in values:
            yield name.encode()
            yield _of_file(value) if isinstance(value, UploadedFile) else str(value).encode()


def _of_file(file: UploadedFile[Any]) -> bytes:
    found = hashlib.sha256((file.name or "").encode())
    for chunk in file.chunks():
        found.update(chunk)
    file.seek(0)
    return found.digest()


def _value(request: Request) -> str | None:
    value = request.headers.get(HEADER)
    if value is None:
        return None
    if not 0 < len(value) <= LONGEST or not all(" " < each <= "~" for each in value):
        raise Problem("invalid-parameter", BAD, errors=[{"header": HEADER, "detail": BAD}])
    return value


def _taken_over(row: IdempotentRequest) -> IdempotentRequest:
    """A row whose process has died goes to one of those who ask again; the time is its fence."""
    now = timezone.now()
    if row.created_at > now - LEASE:
        raise at_work()
    if not _ours(row).update(created_at=now):
        raise at_work()
    row.created_at = now
    return row


def forget_old(limit: int | None = None) -> None:
    """Removes rows older than ``KEEP``."""
    old = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - KEEP)
    if ids := list(old.values_list("pk", flat=True)[:limit]):
        IdempotentRequest.objects.filter(pk__in=ids).delete()
