"""Fields that take what they say and nothing like it: JSON has types, so ``"12"`` is no number.

DRF's own are made for forms, where everything is text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api_base import LARGEST_PAGE, PAGE_SIZE
from accounts.api_problem import Problem

NO_SUCH, ONCE = "There is no such field.", "Give it once."
CURSOR = OpenApiParameter(
    "cursor", OpenApiTypes.STR, description="From “next” or “previous” of another page."
)
LOCATION = OpenApiParameter(
    "Location",
    OpenApiTypes.URI,
    OpenApiParameter.HEADER,
    response=[201, 202],
    description="Where to read it.",
)
View = TypeVar("View", bound=Callable[..., Any])


class Strict(serializers.Serializer[Any]):
    """Names what it does not know, and what comes twice, instead of leaving it out in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            twice = {str(name): [ONCE] for name, values in _lists(data) if len(values) > 1}
            if twice:
                raise serializers.ValidationError(twice)
            unknown = {str(name): [NO_SUCH] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


def _lists(data: Any) -> Iterable[tuple[str, list[Any]]]:
    """The values of each name of a form, files among them; JSON has one of each."""
    return data.lists() if hasattr(data, "lists") else ()


class UploadField(serializers.FileField):
    """Of the API. A part without a file name is text to every server, whatever it holds."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and hasattr(self.parent.initial_data, "lists"):  # of a form, not of JSON
            name = self.field_name
            said = f"The part “{name}” has no filename, so it is no file. Send it with one, as curl does with"
            raise Problem("bad-request", f"{said} -F {name}=@photo.jpg.")
        return super().to_internal_value(data)


class Text(serializers.CharField):
    def run_validation(self, data: Any = empty) -> Any:
        # Before DRF turns it into text to see whether it is blank: a deep list would end the server's stack.
        if data is not empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class Email(Text, serializers.EmailField):
    pass


class Whole(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> Any:
        return data if type(data) is int else self.fail("invalid")


class Choice(serializers.ChoiceField):
    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """RFC 3339, with its offset: a time without one is a guess."""

    def to_internal_value(self, value: Any) -> Any:
        if not isinstance(value, str) or not _has_offset(value):
            self.fail("invalid", format="2027-01-31T12:00:00Z")
        return super().to_internal_value(value)


def _has_offset(value: str) -> bool:
    clock = value.strip()[10:]
    return clock.endswith(("Z", "z")) or "+" in clock or "-" in clock


class PageQuery(serializers.Serializer[Any]):
    """What every list takes beside its filters."""

    limit = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_PAGE,
        help_text=f"Rows of a page; {PAGE_SIZE} if not given.",
    )


def page_of(rows: type[serializers.Serializer[Any]]) -> Any:
    """The shape of a page of these rows, for the description."""
    address = {"allow_null": True, "read_only": True}
    return inline_serializer(
        rows.__name__.removesuffix("Shape") + "Page",
        {
            "next": serializers.URLField(**address, help_text="The next page; null on the last one."),
            "previous": serializers.URLField(**address),
            "results": rows(many=True),
        },
    )


def lists(
    operation_id: str,
    tags: list[str],
    summary: str,
    rows: type[serializers.Serializer[Any]],
    asked: type[serializers.Serializer[Any]] = PageQuery,
) -> Callable[[View], View]:
    """Describes a view that gives a page of ``rows``, of those that are ``asked`` for."""
    return extend_schema(
        operation_id=operation_id,
        tags=tags,
        summary=summary,
        parameters=[asked, CURSOR],
        responses=page_of(rows),
    )
