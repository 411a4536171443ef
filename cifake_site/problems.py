"""Errors of the API as problem details (RFC 9457): every exception becomes one of ``problem_types``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from django.core import exceptions as django_errors
from django.core.signals import got_request_exception
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from rest_framework import exceptions as api_errors
from rest_framework.views import set_rollback

from accounts.api_problem import Problem
from accounts.requests import wants_json
from accounts.storage import StorageFull
from accounts.usage import QuotaExceeded
from cifake_site.problem_types import TYPES
from detection.remote_errors import RemoteFailed, RemoteRefused
from detection.turns import Busy
from mlcore.errors import DrawingFailed, ImageRefused, ModelUnavailable

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


BY_STATUS = {each.status: each.slug for each in reversed(TYPES.values())}  # the first of each status
UNREADABLE = (
    django_errors.SuspiciousOperation,
    django_errors.BadRequest,
    django_errors.TooManyFieldsSent,
    MultiPartParserError,
    UnreadablePostError,
)
NOWHERE = "There is nothing at this address, or it is not your organisation's."
FAULT = "Something went wrong on the server. It has been written down in its log."
AWAY = "The database cannot be reached, or is too busy."


def answer(problem: Problem) -> HttpResponse:
    """A problem as an answer, whatever the client says that it accepts (RFC 9457, 3)."""
    kind = TYPES[problem.slug]
    body = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": str(problem.detail),
        "remedy": kind.remedy,
        **({"errors": problem.errors} if problem.errors else {}),
        **problem.members,
    }
    headers = {**problem.headers, "Cache-Control": "no-store"}
    return HttpResponse(json.dumps(body), status=kind.status, headers=headers, content_type=CONTENT_TYPE)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """For REST_FRAMEWORK: every exception of every view of the API becomes a problem."""
    set_rollback()
    problem = problem_of(error)
    # What a view says itself is no fault.
    foreseen = problem is error or isinstance(error, Busy | StorageFull)
    if TYPES[problem.slug].status >= 500 and not foreseen:
        logger.error("The API failed.", exc_info=error)
        got_request_exception.send(sender=None, request=context.get("request"))
    return answer(problem)


@singledispatch
def problem_of(error: Exception) -> Problem:
    """What to tell of an error. Of one that nobody foresaw: nothing."""
    if isinstance(error, UNREADABLE):
        return Problem("bad-request", "The request is broken or incomplete.")
    return Problem("internal-error", FAULT)


@problem_of.register
def _(error: api_errors.APIException) -> Problem:
    found = getattr(error.detail, "code", "") if not isinstance(error.detail, dict | list) else ""
    slug = str(found or "").replace("_", "-")
    if TYPES.get(slug) is None:
        slug = BY_STATUS.get(
            error.status_code, "bad-request" if error.status_code < 500 else "internal-error"
        )
    return Problem(slug, _detail(error), headers=_headers(error))


@problem_of.register
def _(error: Problem) -> Problem:
    return error


@problem_of.register
def _(error: api_errors.ValidationError) -> Problem:
    errors = [{"field": pointer, "detail": detail} for pointer, detail in _flat(error.detail)]
    said = "; ".join(
        f"{each['field']}: {each['detail']}" if each["field"] else each["detail"] for each in errors
    )
    return Problem("invalid", said, errors=errors)


@problem_of.register(django_errors.ValidationError)
def _(error: django_errors.ValidationError) -> Problem:
    """What a service says of its fields."""
    fields = error.message_dict if hasattr(error, "error_dict") else {"non_field_errors": error.messages}
    named = {"non_field_errors" if name == "__all__" else name: said for name, said in fields.items()}
    return problem_of(api_errors.ValidationError(named))


@problem_of.register
def _(error: ImageRefused) -> Problem:
    return Problem("image-refused", str(error), code=error.code)


@problem_of.register
def _(error: QuotaExceeded) -> Problem:
    return Problem("quota-exceeded", str(error), headers={"Retry-After": str(error.wait)})


@problem_of.register
def _(error: StorageFull) -> Problem:
    return Problem("storage-full", str(error))


@problem_of.register
def _(error: Busy) -> Problem:
    return Problem("unavailable", str(error), headers={"Retry-After": str(error.wait)})


@problem_of.register
def _(error: RemoteRefused) -> Problem:
    return Problem("address-refused", str(error), code=error.code)


@problem_of.register
def _(error: RemoteFailed) -> Problem:
    return Problem("address-failed", str(error), code=error.code)


@problem_of.register
def _(error: ModelUnavailable) -> Problem:
    return Problem("no-such-model", str(error))


@problem_of.register
def _(error: DrawingFailed) -> Problem:
    return Problem("unavailable", str(error), headers={"Retry-After": "60"})


@problem_of.register
def _(error: Http404) -> Problem:
    said = str(error)
    return Problem("not-found", NOWHERE if not said or "matches the given query" in said else said)


@problem_of.register
def _(error: django_errors.PermissionDenied) -> Problem:
    return Problem("forbidden", str(error) or TYPES["forbidden"].title)


@problem_of.register(django_errors.RequestDataTooBig)
def _(error: Exception) -> Problem:
    return Problem("too-large", "The fields of the form are too large.")


@problem_of.register
def _(error: IntegrityError) -> Problem:
    logger.warning("Two requests did the same at once.", exc_info=error)
    return Problem("conflict", "Another request did the same at the same moment. This one changed nothing.")


@problem_of.register(OperationalError)
@problem_of.register(InterfaceError)
def _(error: Exception) -> Problem:
    return Problem("unavailable", AWAY, headers={"Retry-After": "2"})


def _detail(error: api_errors.APIException) -> str:
    return (
        error.detail if isinstance(error.detail, str) else "; ".join(text for _, text in _flat(error.detail))
    )


def _headers(error: api_errors.APIException) -> dict[str, str]:
    told = {"WWW-Authenticate": getattr(error, "auth_header", None)}
    wait = getattr(error, "wait", None)
    told["Retry-After"] = None if wait is None else str(max(1, round(wait)))
    return {**getattr(error, "headers", {}), **{name: value for name, value in told.items() if value}}


def _flat(detail: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Each sentence with the place it is about, as a JSON pointer (RFC 6901); "" is the whole body."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            part = "" if name == "non_field_errors" else f"/{str(name).replace('~', '~0').replace('/', '~1')}"
            yield from _flat(inner, pointer + part)
    elif isinstance(detail, list | tuple):
        for place, inner in enumerate(detail):
            yield from _flat(inner, f"{pointer}/{place}" if isinstance(inner, dict | list) else pointer)
    else:
        yield pointer, str(detail)


# --- Addresses --------------------------------------------------------------------------


@require_safe
def explain(request: HttpRequest, slug: str) -> HttpResponse:
    """What a type means: a page for people, JSON for programs."""
    kind = TYPES.get(slug)
    if kind is None:
        return unknown(request)
    if not wants_json(request):
        return render(request, "problem.html", {"kind": kind})
    return JsonResponse({name: getattr(kind, name) for name in ("uri", "status", "title", "remedy")})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: for what goes wrong outside of a view, as with a host that is not ours."""
    if not request.path_info.startswith("/api/"):
        return defaults.bad_request(request, exception)
    return answer(Problem("bad-request", "The request is broken, or was sent to another host's name."))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500, likewise."""
    if not request.path_info.startswith("/api/"):
        return defaults.server_error(request)
    return answer(Problem("internal-error", FAULT))


@csrf_exempt
def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """For every address under /api/ that is no other's."""
    return answer(Problem("not-found", NOWHERE))
