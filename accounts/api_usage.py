"""What was used, in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import usage_selectors
from accounts.access import USAGE_READ
from accounts.api_base import ApiView, query
from accounts.usage_selectors import Share

DAYS, MOST_DAYS = 30, 366
COUNTED = ("requests", "images", "refused")


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


class StorageShape(serializers.Serializer[Any]):
    bytes = serializers.IntegerField(source="used", help_text="Of all files, those in the trash too.")
    limit = serializers.IntegerField(allow_null=True, help_text="Bytes that may be stored; null: no limit.")


class UsageShape(serializers.Serializer[Any]):
    days = DayShape(many=True)
    month = CountsShape(help_text="Since this month began.")
    keys = KeyUsageShape(many=True, help_text="This month's, by key.")
    storage = StorageShape(help_text="What is stored now.")


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
        shares = usage_selectors.month(self.principal)
        found = {
            "days": usage_selectors.days(self.principal, days),
            "month": {name: sum(getattr(share, name) for share in shares) for name in COUNTED},
            "keys": [_of_key(share) for share in shares if share.key],
            "storage": usage_selectors.stored(self.principal),
        }
        return Response(UsageShape(found).data)


def _of_key(share: Share) -> dict[str, Any]:
    assert share.key is not None
    counts = {name: getattr(share, name) for name in COUNTED}
    return {**counts, "id": share.key.pk, "name": share.key.name, "per_month": share.quota}
