"""What goes in and out of the organisation's part of the API. Shapes go out, the others come in."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from accounts import key_rules
from accounts.access import PERMISSIONS, SCOPES
from accounts.api_fields import Choice, Email, Moment, Strict, Text, Whole
from accounts.models import ApiKey, ErrorRate, Invitation, Membership, Organisation, Role

SCOPE_CHOICES = [(name, words) for name, words in PERMISSIONS.items() if name in SCOPES]
DAYS = {"allow_null": True, "min_value": 1, "max_value": 36_500}


class OrganisationShape(serializers.ModelSerializer[Organisation]):
    error_rate = serializers.ChoiceField(ErrorRate.choices)

    class Meta:
        model = Organisation
        fields = ["id", "slug", "name", "time_zone", "error_rate", "keep_files_days", "keep_records_days"]
        fields += ["require_mfa", "created_at"]
        read_only_fields = fields


class OrganisationChange(Strict):
    name = Text(max_length=120)
    time_zone = Text(max_length=60, help_text="As in Europe/Berlin.")
    error_rate = Choice(
        ErrorRate.choices, help_text="How many of the model's answers may be wrong: 0.01 is one in a hundred."
    )
    keep_files_days = Whole(
        **DAYS, help_text="Days after which images are to go; null keeps them. Nothing is deleted by it yet."
    )
    keep_records_days = Whole(
        **DAYS, help_text="Days after which results are to go; null keeps them. Nothing is deleted by it yet."
    )


class MemberShape(serializers.ModelSerializer[Membership]):
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(Role.choices)
    joined_at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Membership
        fields = ["id", "email", "name", "role", "joined_at"]
        read_only_fields = fields


class MemberChange(Strict):
    role = Choice(Role.choices)


class InvitationShape(serializers.ModelSerializer[Invitation]):
    role = serializers.ChoiceField(Role.choices)

    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "created_at", "sent_at", "expires_at"]
        read_only_fields = fields


class SentInvitationShape(InvitationShape):
    mailed = serializers.BooleanField(help_text="Whether the mail server took the letter. If not, resend it.")

    class Meta(InvitationShape.Meta):
        fields = [*InvitationShape.Meta.fields, "mailed"]


class InvitationOrder(Strict):
    email = Email(max_length=254)
    role = Choice(Role.choices, required=False, default=Role.MEMBER)


class SecretShape(serializers.Serializer[Any]):
    prefix = serializers.CharField(source="token_key", help_text="The beginning of the value, to tell it by.")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)


class KeyShape(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.CharField())
    addresses = serializers.ListField(
        child=serializers.CharField(), help_text="Networks it may be used from."
    )
    per_minute = serializers.IntegerField(help_text="Requests.")
    per_month = serializers.IntegerField(
        allow_null=True, help_text="Images; null: no limit. At most the key in use has."
    )
    secrets = SecretShape(many=True, help_text="Its values, without what must be kept secret.")

    class Meta:
        model = ApiKey
        fields = ["id", "name", "scopes", "addresses", "per_minute", "per_month", "secrets"]
        fields += ["created_at", "last_used_at", "revoked_at"]
        read_only_fields = fields


class NewKeyShape(KeyShape):
    value = serializers.CharField(help_text="Keep it now: it is shown this once.")

    class Meta(KeyShape.Meta):
        fields = [*KeyShape.Meta.fields, "value"]


class KeyChange(Strict):
    name = Text(max_length=key_rules.LONGEST_NAME)
    scopes = serializers.ListField(
        child=Choice(SCOPE_CHOICES), min_length=1, help_text="None that the key in use lacks itself."
    )
    addresses = serializers.ListField(
        child=Text(max_length=60),
        required=False,
        max_length=key_rules.MOST_ADDRESSES,
        help_text="Networks it may be used from, as in 192.0.2.0/24; none: from everywhere. "
        "Within those of the key in use, if that has any.",
    )
    per_minute = Whole(
        required=False,
        min_value=1,
        max_value=key_rules.MOST_A_MINUTE,
        help_text="Requests; 120 if not given. At most the key in use has.",
    )
    per_month = Whole(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=key_rules.MOST_A_MONTH,
        help_text="Images; null: no limit. At most the key in use has.",
    )


class KeyOrder(KeyChange):
    expires_at = Moment(
        required=False,
        allow_null=True,
        help_text="null: never, or when the key in use ends. Never later than that.",
    )


class Rotation(Strict):
    overlap_hours = Whole(
        required=False,
        min_value=0,
        max_value=key_rules.LONGEST_OVERLAP_HOURS,
        help_text="How long the old values go on working; 24 if not given.",
    )
    expires_at = Moment(
        required=False,
        allow_null=True,
        help_text="When the new value ends; null: never, or when the key in use ends. Never later than that.",
    )
