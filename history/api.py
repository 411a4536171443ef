"""The record in the API."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import AUDIT_READ
from accounts.api_base import ApiView, NumberedPages, query
from accounts.api_fields import lists
from accounts.requests import zone_of
from history import activity, activity_filter
from history.serializers import ActivityQuery, AuditEventShape

REMOVED = {
    "id": 4711,
    "at": "2027-01-31T12:00:00Z",
    "actor": "Ada Lovelace (ada@example.org)",
    "who": "person-7",
    "event": "member.removed",
    "subject": "Ben Bit (ben@example.org)",
    "words": "removed Ben Bit (ben@example.org), who was member",
    "details": {"email": "ben@example.org", "role": "member"},
}
PAGE = OpenApiExample(
    "Somebody was removed", {"next": None, "previous": None, "results": [REMOVED]}, response_only=True
)


class ActivityView(ApiView):
    permissions = {"GET": AUDIT_READ}
    pages = NumberedPages

    @extend_schema(examples=[PAGE])
    @lists("activity_list", ["Activity"], "List who did what", AuditEventShape, ActivityQuery)
    def get(self, request: Request) -> Response:
        """The organisation's record, the newest first, filtered as on its page."""
        found = query(request, ActivityQuery)
        asked = activity_filter.filters({name: str(value) for name, value in found.items()})
        with timezone.override(zone_of(self.principal.organisation)):
            rows = activity_filter.narrowed(activity.events(self.principal), asked)
            return self.paged(rows, lambda row: AuditEventShape(row).data)
