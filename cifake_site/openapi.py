"""The API described by itself: OpenAPI 3.1, made by drf-spectacular from the views.

Views say what is theirs; what any of them may answer (problems, limits) is added here, so that no view
can forget it. A view adds problems of its own by ``problems = {"DELETE": (409,)}``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from cifake_site import problems
from cifake_site.problem_types import TYPES, ProblemType

ANY = (401, 403, 406, 429, 500, 503)
OF_A_BODY = (400, 408, 413, 415, 422)
KINDS: dict[str, tuple[str, type[OpenApiJsonRenderer | OpenApiYamlRenderer]]] = {
    "json": ("application/json", OpenApiJsonRenderer),
    "yaml": ("application/yaml", OpenApiYamlRenderer),
}


class ApiSchema(AutoSchema):
    """For REST_FRAMEWORK: the answers of the view, and those that any view can give."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        answers = operation["responses"]
        for status in self._problems(operation):
            answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
        for found in answers.values():
            if "$ref" not in found:
                found["headers"] = {**found.get("headers", {}), **_limits()}
        operation["responses"] = dict(sorted(answers.items()))
        return operation

    def _problems(self, operation: Any) -> set[int]:
        found = {*ANY, *getattr(self.view, "problems", {}).get(self.method, ())}
        if "{" in self.path:
            found.add(404)
        if any(each["in"] == "query" for each in operation.get("parameters", ())):
            found.add(400)
        if "requestBody" in operation:
            found.update(OF_A_BODY)
        return found


def complete(result: Any, **_: Any) -> Any:
    """A hook of drf-spectacular: the parts that the references of ``ApiSchema`` lead to."""
    parts = result.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["headers"] = HEADERS
    statuses = sorted({kind.status for kind in TYPES.values()})
    parts["responses"] = {f"Problem{status}": _response(status) for status in statuses}
    return result


def _response(status: int) -> dict[str, Any]:
    kinds = [kind for kind in TYPES.values() if kind.status == status]
    headers = dict(_limits())
    headers.update({name: _header(name) for name in SENT_WITH.get(status, ())})
    return {
        "description": " / ".join(f"`{kind.slug}`: {kind.title}." for kind in kinds),
        "headers": headers,
        "content": {
            problems.CONTENT_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {kind.slug: {"value": _example(kind)} for kind in kinds},
            }
        },
    }


def _example(kind: ProblemType) -> dict[str, Any]:
    return {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.title + ".",
        "remedy": kind.remedy,
    }


def _limits() -> dict[str, Any]:
    return {name: _header(name) for name in ("RateLimit", "RateLimit-Policy")}


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _text(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}, "example": example}


SENT_WITH = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    408: ("Retry-After",),
    409: ("Retry-After",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
HEADERS = {
    "RateLimit": _text(
        "How many requests are left, and the seconds until there are more.", '"minute";r=119;t=1'
    ),
    "RateLimit-Policy": _text("The limits of this key: requests, and seconds.", '"minute";q=120;w=60'),
    "WWW-Authenticate": _text("How to come in.", "Bearer"),
    "Allow": _text("The methods that this address knows.", "GET, POST"),
    "Retry-After": {
        "description": "Seconds to wait before the request is sent again, where that helps.",
        "schema": {"type": "integer", "minimum": 0},
        "example": 2,
    },
}
PROBLEM = {
    "type": "object",
    "description": "What is wrong, and what to do about it (RFC 9457). Decide by `type`.",
    "required": ["type", "title", "status", "detail", "remedy"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "The kind of error; stable."},
        "title": {"type": "string", "description": "The kind in words."},
        "status": {"type": "integer", "description": "The HTTP status once more."},
        "detail": {"type": "string", "description": "What is wrong this time, for people."},
        "remedy": {"type": "string", "description": "What to do about errors of this kind."},
        "code": {"type": "string", "description": "A finer reason, where there is one."},
        "errors": {
            "type": "array",
            "description": "Each place that is wrong.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "field": {"type": "string", "description": "A JSON pointer into the body."},
                    "parameter": {"type": "string", "description": "A parameter of the address."},
                    "header": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


# --- Addresses --------------------------------------------------------------------------


@cache
def described() -> dict[str, Any]:
    """The whole description. It depends on nothing but the code, so it is made once."""
    return SchemaGenerator().get_schema(request=None, public=True)


@cache
def _rendered(kind: str) -> tuple[bytes, str]:
    content = KINDS[kind][1]().render(described(), renderer_context={})
    return content, quote_etag(hashlib.sha256(content).hexdigest()[:32])


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The description as JSON, or as YAML by ``?format=yaml`` or Accept; open to everybody."""
    preferred = request.get_preferred_type([mime for mime, _ in KINDS.values()])
    named = next((kind for kind, (mime, _) in KINDS.items() if mime == preferred), "json")
    kind = request.GET.get("format", named)
    kind = kind if kind in KINDS else "json"
    content, etag = _rendered(kind)
    response = get_conditional_response(request, etag=etag)
    response = response or HttpResponse(content, content_type=KINDS[kind][0])
    response["ETag"], response["Cache-Control"] = etag, "public, no-cache"
    patch_vary_headers(response, ["Accept"])  # type: ignore[arg-type]
    return response


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The description as a page on which requests can be tried."""
    return render(request, "api_docs.html")
