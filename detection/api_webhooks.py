"""Webhooks in the API, with their deliveries."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import WEBHOOKS_READ, WEBHOOKS_WRITE
from accounts.api_base import ApiView, query
from accounts.api_defaults import JsonParser
from accounts.api_fields import LOCATION, Choice, PageQuery, Strict, Text, lists
from accounts.api_refusals import refusals
from detection import events, webhooks
from detection import selectors_webhooks as selectors
from detection.addresses import LONGEST
from detection.models import Delivery, Webhook

EVENTS = list(events.CHOICES.items())
ORDER = {"url": "https://receiver.example.org/cifake", "events": ["detection.completed", "batch.completed"]}


class WebhookShape(serializers.ModelSerializer[Webhook]):
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="The first failed try since the last success; null: all is well."
    )
    off_reason = serializers.CharField(
        allow_blank=True, help_text="Why the site itself switched it off, if it did."
    )
    old_secret_until = serializers.SerializerMethodField(
        help_text="Until when the secret before this one signs as well."
    )

    class Meta:
        model = Webhook
        fields = ["id", "url", "description", "events", "active", "failing_since", "off_reason"]
        fields += ["old_secret_until", "created_at"]
        read_only_fields = fields

    def get_old_secret_until(self, webhook: Webhook) -> str | None:
        return webhook.old_secret_until.isoformat() if webhook.old_secret_until else None


class NewWebhookShape(WebhookShape):
    secret = serializers.CharField(help_text="What signatures are checked with. Keep it as a password.")

    class Meta(WebhookShape.Meta):
        fields = [*WebhookShape.Meta.fields, "secret"]


class Flag(serializers.BooleanField):
    """true or false, and nothing like it."""

    def to_internal_value(self, data: Any) -> Any:
        return data if isinstance(data, bool) else self.fail("invalid", input=type(data).__name__)


class WebhookOrder(Strict):
    url = Text(max_length=LONGEST, help_text="https, or http. On the public Internet.")
    events = serializers.ListField(
        child=Choice(EVENTS), min_length=1, max_length=20, help_text="What it is told."
    )
    description = Text(max_length=200, allow_blank=True, required=False)


class WebhookChange(WebhookOrder):
    active = Flag(required=False, help_text="What waits when it is switched off is not sent any more.")


class TryShape(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="null: there was no answer.")
    ms = serializers.FloatField(help_text="Milliseconds.")
    answer = serializers.CharField(allow_blank=True, help_text="Its first 2 KB.")
    error = serializers.CharField(allow_blank=True)


class DeliveryShape(serializers.ModelSerializer[Delivery]):
    event_id = serializers.CharField(help_text="The webhook-id header: the same for every try and replay.")
    state = serializers.ChoiceField(Delivery.State.choices)
    attempts = serializers.IntegerField(help_text="Tries that came to an end, since it was last queued.")
    next_try_at = serializers.SerializerMethodField(help_text="null: none is planned.")
    body = serializers.SerializerMethodField(help_text="What is sent.")
    tries = TryShape(many=True, source="log", help_text="The last ones, the oldest first.")

    class Meta:
        model = Delivery
        fields = ["id", "event_id", "event", "state", "attempts", "created_at", "next_try_at", "finished_at"]
        fields += ["body", "tries"]
        read_only_fields = fields

    def get_next_try_at(self, row: Delivery) -> str | None:
        return row.due_at.isoformat() if row.state == Delivery.State.QUEUED else None

    def get_body(self, row: Delivery) -> dict[str, Any]:
        return json.loads(row.body)


class DeliveryQuery(PageQuery):
    state = serializers.ChoiceField(Delivery.State.choices, required=False)


SENDS: dict[str, Any] = {  # what is described alike where a delivery is queued
    "tags": ["Webhooks"],
    "request": None,
    "responses": {202: DeliveryShape},
    "parameters": [LOCATION],
}


class WebhooksView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": WEBHOOKS_READ, "POST": WEBHOOKS_WRITE}
    problems = {"POST": (409,)}

    @lists("webhooks_list", ["Webhooks"], "List webhooks", WebhookShape)
    def get(self, request: Request) -> Response:
        """The newest first. Secrets are not among it."""
        query(request, PageQuery)
        return self.paged(selectors.webhooks(self.principal), lambda row: WebhookShape(row).data)

    @extend_schema(
        operation_id="webhooks_make",
        tags=["Webhooks"],
        summary="Make a webhook",
        request=WebhookOrder,
        responses={201: NewWebhookShape},
        parameters=[LOCATION],
        examples=[OpenApiExample("Told of answers", ORDER, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Answers with its secret. It is told what happens from now on."""
        asked = WebhookOrder(data=request.data)
        asked.is_valid(raise_exception=True)
        with refusals():
            row = webhooks.make(principal=self.principal, **asked.validated_data)
        where = reverse("api_webhook", args=[row.pk])
        return Response(NewWebhookShape(row).data, status=201, headers={"Location": where})


class WebhookView(ApiView):
    parser_classes = [JsonParser]
    permissions = {"GET": WEBHOOKS_READ, "PATCH": WEBHOOKS_WRITE, "DELETE": WEBHOOKS_WRITE}

    @extend_schema(
        operation_id="webhooks_read", tags=["Webhooks"], summary="Read a webhook", responses=WebhookShape
    )
    def get(self, request: Request, pk: UUID) -> Response:
        """One webhook, without its secret."""
        return Response(WebhookShape(selectors.webhook(self.principal, pk)).data)

    @extend_schema(
        operation_id="webhooks_change",
        tags=["Webhooks"],
        summary="Change a webhook, or switch it on or off",
        request=WebhookChange,
        responses=WebhookShape,
        examples=[OpenApiExample("Switch off", {"active": False}, request_only=True)],
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        """At once, for what waits as well."""
        asked = WebhookChange(data=request.data, partial=True)
        asked.is_valid(raise_exception=True)
        with refusals():
            row = webhooks.change(principal=self.principal, pk=pk, **asked.validated_data)
        return Response(WebhookShape(row).data)

    @extend_schema(
        operation_id="webhooks_delete",
        tags=["Webhooks"],
        summary="Delete a webhook",
        responses={204: None},
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        """For good, with the record of its deliveries."""
        webhooks.delete(principal=self.principal, pk=pk)
        return Response(status=204)


class WebhookSecretView(ApiView):
    permissions = {"POST": WEBHOOKS_WRITE}

    @extend_schema(
        operation_id="webhooks_rotate",
        tags=["Webhooks"],
        summary="Give a webhook a new secret",
        request=None,
        responses=NewWebhookShape,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """The secret until now signs as well for 24 hours."""
        return Response(NewWebhookShape(webhooks.rotate_secret(principal=self.principal, pk=pk)).data)


class WebhookTestView(ApiView):
    permissions = {"POST": WEBHOOKS_WRITE}
    problems = {"POST": (409,)}

    @extend_schema(operation_id="webhooks_test", summary="Send a test", **SENDS)
    def post(self, request: Request, pk: UUID) -> Response:
        """Sends a `webhook.test` event; read the delivery to see what came of it."""
        with refusals():
            row = webhooks.test(principal=self.principal, pk=pk)
        return _accepted(row)


class DeliveriesView(ApiView):
    permissions = {"GET": WEBHOOKS_READ}

    @lists("deliveries_list", ["Webhooks"], "List deliveries", DeliveryShape, DeliveryQuery)
    def get(self, request: Request, pk: UUID) -> Response:
        """The newest first. They are kept for 30 days after their end."""
        asked = query(request, DeliveryQuery)
        rows = selectors.deliveries(self.principal, pk, asked.get("state", ""))
        return self.paged(rows, lambda row: DeliveryShape(row).data)


class DeliveryView(ApiView):
    permissions = {"GET": WEBHOOKS_READ}

    @extend_schema(
        operation_id="deliveries_read",
        tags=["Webhooks"],
        summary="Read a delivery",
        responses=DeliveryShape,
    )
    def get(self, request: Request, pk: UUID, delivery: int) -> Response:
        """What was sent, and what the receiver answered."""
        return Response(DeliveryShape(selectors.delivery(self.principal, pk, delivery)).data)


class ReplayView(ApiView):
    permissions = {"POST": WEBHOOKS_WRITE}
    problems = {"POST": (409,)}

    @extend_schema(operation_id="deliveries_replay", summary="Send a delivery again", **SENDS)
    def post(self, request: Request, pk: UUID, delivery: int) -> Response:
        """Under the id that it had, so that a receiver can drop it if it came before."""
        with refusals():
            row = webhooks.replay(principal=self.principal, webhook=pk, pk=delivery)
        return _accepted(row)


def _accepted(row: Delivery) -> Response:
    where = reverse("api_delivery", args=[row.webhook_id, row.pk])
    return Response(DeliveryShape(row).data, status=202, headers={"Location": where})
