"""Models in the API: their cards, which are files. No model library comes into the web process."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import READ
from accounts.api_base import ApiView
from detection import active
from mlcore import registry
from mlcore.errors import ModelUnavailable

BRIEF = ("name", "version", "sha256", "summary", "input_size", "parameters", "limits", "metrics")
INNER = ("gate",)  # numbers of which nobody but the model makes anything: hundreds of them


class ModelShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.CharField()
    active = serializers.BooleanField(help_text="Whether it is the one that answers now.")
    sha256 = serializers.CharField(help_text="Of its weights; every result names it.")
    summary = serializers.CharField(allow_blank=True)
    limits = serializers.ListField(
        child=serializers.CharField(), help_text="What it cannot do. Read this first."
    )
    input_size = serializers.IntegerField(help_text="Pixels, of the width and of the height that it sees.")
    parameters = serializers.IntegerField(allow_null=True)
    metrics = serializers.DictField(help_text="Measured on pictures that it had not seen.")


class CardShape(ModelShape):
    thresholds = serializers.DictField(child=serializers.FloatField())
    operating_points = serializers.DictField(
        help_text="By allowed error rate: thresholds, and what they came to."
    )
    calibration = serializers.DictField()
    robustness = serializers.ListField(child=serializers.DictField())
    data = serializers.DictField(help_text="What it was trained and measured on.")
    training = serializers.DictField()
    command = serializers.CharField(allow_blank=True, help_text="How to make it again.")


class ModelsView(ApiView):
    permissions = {"GET": READ}

    @extend_schema(
        operation_id="models_list",
        tags=["Models"],
        summary="List models",
        responses=inline_serializer("Models", {"results": ModelShape(many=True)}),
    )
    def get(self, request: Request) -> Response:
        """All models that are here."""
        cards = [_card(name) for name in registry.names()]
        return Response({"results": [_brief(card) for card in cards if card is not None]})


class ModelView(ApiView):
    permissions = {"GET": READ}

    @extend_schema(
        operation_id="models_read", tags=["Models"], summary="Read a model card", responses=CardShape
    )
    def get(self, request: Request, name: str) -> Response:
        """The whole card: limits, data, training, calibration, figures."""
        card = _card(name)
        if card is None:
            raise Http404("There is no model of this name.")
        return Response(_whole(card))


def _card(name: str) -> dict[str, Any] | None:
    try:
        return registry.card(name)
    except ModelUnavailable:
        return None


def _brief(card: dict[str, Any]) -> dict[str, Any]:
    blank: dict[str, Any] = {"summary": "", "parameters": None, "limits": [], "metrics": {}}
    found = {field: card.get(field, blank.get(field)) for field in BRIEF}
    return {**found, "active": card["name"] == active.name()}


def _whole(card: dict[str, Any]) -> dict[str, Any]:
    blank: dict[str, Any] = {"operating_points": {}, "calibration": {}, "robustness": [], "command": ""}
    rest = {field: value for field, value in card.items() if field not in INNER}
    return {**blank, "data": {}, "training": {}, **rest, **_brief(card)}
