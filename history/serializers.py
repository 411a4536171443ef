"""What goes in and out of the record's part of the API."""

from __future__ import annotations

from datetime import UTC, date
from typing import Any

from rest_framework import serializers

from accounts.api_fields import PageQuery
from history.activity_filter import KINDS, filters, who_did
from history.activity_words import words
from history.models import AuditEvent


class Actor(serializers.CharField):
    """Somebody, as the page's address and ``who`` of an event name them."""

    def to_internal_value(self, data: Any) -> str:
        who = filters({"who": super().to_internal_value(data)}).who
        return who or self.fail("invalid")


class Day(serializers.DateField):
    """One that has a midnight in every time zone, and a next day."""

    def to_internal_value(self, value: Any) -> date:
        day = filters({"from": str(value)}).first
        return day if day and str(day) == value else self.fail("invalid", format="2027-01-31")


class ActivityQuery(PageQuery):
    """The filters of the page. All that are given have to hold."""

    who = Actor(
        required=False,
        max_length=60,
        error_messages={"invalid": "Take it from “who” of an event, as in “person-7”; or “others”."},
        help_text="By whom: “who” of an event. “others”: invited people, deleted accounts, CIFAKE itself.",
    )
    kind = serializers.ChoiceField(
        list(KINDS.items()), required=False, help_text="What it is about: how “event” begins."
    )

    def get_fields(self) -> dict[str, Any]:
        """``from`` is no name that a class could give."""
        first = Day(required=False, help_text="The first day, in the organisation's time zone.")
        last = Day(required=False, help_text="The last day; it is included.")
        return {**super().get_fields(), "from": first, "to": last}


class AuditEventShape(serializers.ModelSerializer[AuditEvent]):
    """Who did what to whom. ``actor`` and ``subject`` are as they were called then."""

    at = serializers.DateTimeField(default_timezone=UTC)  # whatever zone the words are in
    actor = serializers.CharField(help_text="A person by name and address, or a key by its name.")
    who = serializers.SerializerMethodField(
        help_text="“person-” or “key-” and their id, by which they can be asked for; or “others”."
    )
    event = serializers.CharField(help_text="As in member.removed; there may be new ones.")
    subject = serializers.CharField(allow_blank=True, help_text="Whom or what it was done to.")
    words = serializers.SerializerMethodField(
        help_text="What the page says after the actor's name: for people."
    )
    details = serializers.DictField(help_text="What else was written down; it depends on the event.")

    class Meta:
        model = AuditEvent
        fields = ["id", "at", "actor", "who", "event", "subject", "words", "details"]
        read_only_fields = fields

    def get_who(self, event: AuditEvent) -> str:
        return who_did(event.user_id, event.key_id)

    def get_words(self, event: AuditEvent) -> str:
        return words(event.event, event.subject, event.details)[0]
