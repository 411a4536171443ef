"""The organisation itself in the API."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import organisations
from accounts.access import SETTINGS, SETTINGS_READ
from accounts.api_base import ApiView
from accounts.api_defaults import JsonParser
from accounts.api_refusals import refusals
from accounts.api_shapes import OrganisationChange, OrganisationShape
from accounts.models import ErrorRate


class OrganisationView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": SETTINGS_READ, "PATCH": SETTINGS}

    @extend_schema(
        operation_id="organisation_read",
        tags=["Organisation"],
        summary="Read the organisation",
        responses=OrganisationShape,
    )
    def get(self, request: Request) -> Response:
        """The organisation that the key belongs to, with its settings."""
        return Response(OrganisationShape(self.principal.organisation).data)

    @extend_schema(
        operation_id="organisation_change",
        tags=["Organisation"],
        summary="Change settings",
        request=OrganisationChange,
        responses=OrganisationShape,
        examples=[
            OpenApiExample(
                "Where, and how strict",
                {"time_zone": "Europe/Berlin", "error_rate": "0.005", "keep_files_days": 90},
                request_only=True,
            )
        ],
    )
    def patch(self, request: Request) -> Response:
        """Those fields that are given. An error rate holds for the images sent from now on."""
        asked = OrganisationChange(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        with refusals("name", "time_zone", "keep_files_days", "keep_records_days"), transaction.atomic():
            self._change(asked.validated_data)
        return Response(OrganisationShape(self.principal.organisation).data)

    def _change(self, fields: dict[str, Any]) -> None:
        rate = fields.pop("error_rate", None)
        if fields:
            organisations.change_fields(principal=self.principal, fields=fields)
        if rate is not None:
            organisations.choose_error_rate(principal=self.principal, error_rate=ErrorRate(rate))
