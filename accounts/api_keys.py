"""API keys in the API: a key may make others, which give no more than it has itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import keys, selectors
from accounts.access import KEYS_READ, KEYS_WRITE
from accounts.api_base import ApiView, query
from accounts.api_defaults import JsonParser
from accounts.api_fields import LOCATION, PageQuery, lists
from accounts.api_refusals import refusals
from accounts.api_shapes import KeyChange, KeyOrder, KeyShape, NewKeyShape, Rotation
from accounts.models import ApiKey

ORDER = {
    "name": "Picture desk",
    "scopes": ["detections:read", "detections:write"],
    "addresses": ["192.0.2.0/24"],
    "per_month": 10_000,
    "expires_at": "2099-12-31T00:00:00Z",
}


class KeysView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": KEYS_READ, "POST": KEYS_WRITE}

    @lists("keys_list", ["Keys"], "List keys", KeyShape)
    def get(self, request: Request) -> Response:
        """Those in use and those revoked, the newest first. Values are not among it: nobody has them."""
        query(request, PageQuery)
        return self.paged(selectors.keys(self.principal), lambda row: KeyShape(row).data)

    @extend_schema(
        operation_id="keys_make",
        tags=["Keys"],
        summary="Make a key",
        request=KeyOrder,
        responses={201: NewKeyShape},
        parameters=[LOCATION],
        examples=[OpenApiExample("For a picture desk", ORDER, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Answers with the value of the key, this once. It may do no more than the key that makes it, has no
        higher limits and ends no later; what it uses counts against both."""
        asked = KeyOrder(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals():
            key, value = keys.make(principal=self.principal, **asked.validated_data)
        where = reverse("api_key", args=[key.pk])
        return Response(_with(key, value), status=201, headers={"Location": where})


class KeyView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": KEYS_READ, "PATCH": KEYS_WRITE, "DELETE": KEYS_WRITE}
    problems = {"PATCH": (409,)}

    @extend_schema(operation_id="keys_read", tags=["Keys"], summary="Read a key", responses=KeyShape)
    def get(self, request: Request, pk: UUID) -> Response:
        """One key, without its value."""
        return Response(KeyShape(selectors.key(self.principal, pk)).data)

    @extend_schema(
        operation_id="keys_change",
        tags=["Keys"],
        summary="Change a key",
        request=KeyChange,
        responses=KeyShape,
        examples=[OpenApiExample("A lower limit", {"per_minute": 60}, request_only=True)],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """At once. What may more than the key in use, or has higher limits, cannot be changed by it."""
        asked = KeyChange(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        with refusals():
            key = keys.change(principal=self.principal, pk=pk, fields=asked.validated_data)
        return Response(KeyShape(key).data)

    @extend_schema(operation_id="keys_revoke", tags=["Keys"], summary="Revoke a key", responses={204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        """For good, from the very next request on, with the keys that it made; a second time is no error.

        What may more than the key in use cannot be revoked by it; a key may always revoke itself."""
        keys.revoke(principal=self.principal, pk=pk)
        return Response(status=204)


class RotationView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"POST": KEYS_WRITE}
    problems = {"POST": (409,)}

    @extend_schema(
        operation_id="keys_rotate",
        tags=["Keys"],
        summary="Give a key a new value",
        request=Rotation,
        responses=NewKeyShape,
        examples=[OpenApiExample("Within two days", {"overlap_hours": 48}, request_only=True)],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """The old values go on working for a while, so that programs can change to the new one."""
        asked = Rotation(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals():
            key, value = keys.rotate(principal=self.principal, pk=pk, **asked.validated_data)
        return Response(_with(key, value))


def _with(key: ApiKey, value: str) -> dict[str, Any]:
    return {**KeyShape(key).data, "value": value}
