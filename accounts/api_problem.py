"""What the API raises where DRF has no exception for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.exceptions import APIException


class Problem(APIException):
    """An error of a type that ``cifake_site.problems`` lists; the status is the type's.

    ``errors`` say what is wrong where: ``{"field": "/metadata", "detail": …}`` for a place in the body
    (a JSON pointer), ``{"parameter": "verdict", "detail": …}`` for one in the address,
    ``{"header": …, "detail": …}``. ``members`` are added to the answer as they are.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Iterable[dict[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail, slug)
        self.slug, self.errors = slug, list(errors)
        self.headers, self.members = dict(headers or {}), members


def bad_parameters(errors: list[dict[str, str]]) -> Problem:
    """For a query that cannot be understood: nothing is left out in silence."""
    said = "; ".join(f"“{each['parameter']}”: {each['detail']}" for each in errors)
    return Problem("invalid-parameter", said, errors=errors)
