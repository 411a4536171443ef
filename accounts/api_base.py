"""What every part of the REST API is built on: keys as the only way in, the gate, pages, problems.

A view of the API is an ``ApiView`` that names its permissions by method, takes ``self.principal``,
and raises what is wrong: ``cifake_site.problems`` makes problem details (RFC 9457) of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import APIException
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.access import Principal
from accounts.api_problem import Problem, bad_parameters
from cifake_site.numbers import whole

__all__ = ["ApiView", "NumberedPages", "Pages", "Problem", "bad_parameters", "query"]

PAGE_SIZE, LARGEST_PAGE = 25, 100


class Pages(CursorPagination):
    """Pages that stay whole while rows come in: an opaque cursor, newest first."""

    page_size, max_page_size = PAGE_SIZE, LARGEST_PAGE
    page_size_query_param = "limit"
    ordering: tuple[str, ...] = ("-created_at", "id")

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self.check(cursor.position)
            return cursor
        except (APIException, ValueError, OverflowError):
            detail = "This is no cursor of ours. Follow the addresses in “next” and “previous”."
            raise bad_parameters([{"parameter": "cursor", "detail": detail}]) from None

    def check(self, position: str) -> None:
        """Raises ValueError or OverflowError for what the database could not compare rows with."""
        # As the database wants it: the ends of time are beyond some zones.
        datetime.fromisoformat(position).astimezone(UTC)


class NumberedPages(Pages):
    """For rows that are only ever added: their numbers are their order, and no two have the same."""

    ordering = ("-id",)

    def check(self, position: str) -> None:
        if whole(position) is None:
            raise ValueError("no number of a row")


class ApiView(APIView):
    """``permissions`` names, for each method, the permission of accounts.access that it takes.

    Several where the answer to a write tells what only readers may know: asked before anything is done.
    """

    permissions: ClassVar[dict[str, str | tuple[str, ...]]] = {}
    pages: ClassVar[type[Pages]] = Pages
    http_method_names = ("get", "head", "post", "put", "patch", "delete")

    @property
    def principal(self) -> Principal:
        """The key that asks, in its organisation."""
        principal = self.request.auth
        assert isinstance(principal, Principal), "Allowed lets nothing else through"
        return principal

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        """A body that is sent in chunks has no length, and to DRF and Django that means none at all."""
        body = getattr(request, "_stream", None)
        if "CONTENT_LENGTH" not in request.META and body is not None and body.seekable():
            body.seek(0, os.SEEK_END)
            request.META["CONTENT_LENGTH"] = str(body.tell())
            body.seek(0)
        return super().initialize_request(request, *args, **kwargs)

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Uploads go with the view: where the client has hung up, Django leaves them on the disk."""
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            request.close()

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """No answer is another key's, and none is kept unless its view says how."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.setdefault("Cache-Control", "private, no-store")
        if "Location" in response:
            response["Location"] = request.build_absolute_uri(response["Location"])
        patch_vary_headers(response, ["Authorization"])
        return response

    def paged(self, rows: Any, render: Any) -> Response:
        """One page of ``rows``, each through ``render``, with the addresses of its neighbours."""
        return self.paged_together(rows, lambda page: [render(row) for row in page])

    def paged_together(self, rows: Any, render: Any) -> Response:
        """As ``paged``; ``render`` takes all rows of the page, where what it needs is read for all."""
        pages = self.pages()
        page = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(render(page or []))


def query(request: Request, serializer: type[Serializer[Any]], also: Iterable[str] = ("cursor",)) -> Any:
    """The query of the address, validated.

    Raises:
        Problem: ``invalid-parameter``, for a value that is wrong, a name that is unknown or comes twice.
    """
    asked = request.query_params
    known = serializer(data=asked.dict())
    known.is_valid()
    errors = [
        {"parameter": name, "detail": str(detail)} for name, found in known.errors.items() for detail in found
    ]
    unknown = set(asked) - set(known.fields) - set(also)
    errors += [{"parameter": name, "detail": "There is no such parameter."} for name in sorted(unknown)]
    twice = sorted(name for name, values in asked.lists() if len(values) > 1)
    errors += [{"parameter": name, "detail": "Give it once."} for name in twice]
    if errors:
        raise bad_parameters(errors)
    return known.validated_data
