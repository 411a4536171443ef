"""What was used, in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors_usage as selectors
from accounts import usage
from accounts.access import USAGE_READ
from accounts.api_base import ApiView, query

DAYS, MOST_DAYS = 30, 366


class UsageQuery(serializers.Serializer[Any]):
    days = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_DAYS, help_text=f"How many days; {DAYS} if not given."
    )


class CountsShape(serializers.Serializer[Any]):
    requests = serializers.IntegerField()
    images = serializers.IntegerField(help_text="Taken in, by programs and by people.")
    refused = serializers.IntegerField(help_text="Requests over a limit.")


class DayShape(CountsShape):
    day = serializers.DateField(help_text="Of UTC.")


class KeyUsageShape(CountsShape):
    id = serializers.UUIDField()
    name = serializers.CharField()
    per_month = serializers.IntegerField(allow_null=True, help_text="Images it may take in; null: no limit.")


class UsageShape(serializers.Serializer[Any]):
    days = DayShape(many=True)
    month = CountsShape(help_text="Since this month began.")
    keys = KeyUsageShape(many=True, help_text="This month's, by key.")


class UsageView(ApiView):
    permissions = {"GET": USAGE_READ}

    @extend_schema(
        operation_id="usage_read",
        tags=["Usage"],
        summary="Read what was used",
        parameters=[UsageQuery],
        responses=UsageShape,
    )
    def get(self, request: Request) -> Response:
        """Day by day and this month, of the organisation and of each of its keys. Requests of the last
        seconds may not be among it yet."""
        days = query(request, UsageQuery, also=()).get("days", DAYS)
        usage.flush()
        found = {
            "days": selectors.usage_by_day(self.principal, days),
            "month": selectors.usage_of_month(self.principal),
            "keys": selectors.usage_by_key(self.principal),
        }
        return Response(UsageShape(found).data)
