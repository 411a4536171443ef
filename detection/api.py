"""The REST API of detections. Each view parses, calls one service or selector, and renders."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import READ, WRITE
from accounts.api_base import ApiView, Problem, query
from accounts.api_fields import LOCATION, lists
from accounts.errors import Refused
from detection import filtering, selectors, services, trash
from detection.api_state import api_state
from detection.api_submission import order, submitted, take_in
from detection.models import Detection
from detection.serializers import (
    DetectionShape,
    DetectionsQuery,
    Order,
    RerunOrder,
    SubmitQuery,
    UrlOrder,
    explanation_stage,
)
from detection.views import file_response

TAGS = ["Detections"]
KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The same key with the same body is the same request: it is done once, and answered with "
    "the same detection, for 24 hours.",
)
RETRY_AFTER = OpenApiParameter("Retry-After", OpenApiTypes.INT, response=[202], location="header")
ETAG = OpenApiParameter("ETag", OpenApiTypes.STR, response=[200, 304], location="header")
IF_NONE_MATCH = OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER)
BY_ADDRESS = OpenApiExample(
    "By its address",
    {"url": "https://example.org/cat.jpg", "reference": "story-4711", "metadata": {"desk": "foreign"}},
    request_only=True,
    media_type="application/json",
)
SUBMITTED = {
    201: OpenApiResponse(DetectionShape, "The result."),
    202: OpenApiResponse(DetectionShape, "Taken in; the result comes later, at Location."),
}


class AnyFormat(BaseContentNegotiation):
    """For answers that are no JSON: the resource has one format, whatever is asked for (RFC 9110, 12.1)."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class DetectionsView(ApiView):
    permissions = {"GET": READ, "POST": (WRITE, READ)}
    problems = {"POST": (409, 507)}

    @lists("detections_list", TAGS, "List detections", DetectionShape, DetectionsQuery)
    def get(self, request: Request) -> Response:
        """The organisation's, the newest first. A filter that cannot be understood is an error."""
        asked = query(request, DetectionsQuery)
        rows = filtering.filtered(self.principal, **{name: asked[name] for name in asked if name != "limit"})
        return self.paged(rows, lambda row: selectors.told(row, self._state))

    def _state(self, row: Detection) -> dict[str, Any]:
        return api_state(row, self.request.build_absolute_uri)

    @extend_schema(
        operation_id="detections_submit",
        tags=TAGS,
        summary="Examine an image",
        parameters=[SubmitQuery, KEY, LOCATION, RETRY_AFTER],
        request={"multipart/form-data": Order, "application/json": UrlOrder},
        responses=SUBMITTED,
        examples=[BY_ADDRESS],
    )
    def post(self, request: Request) -> Response:
        """Takes an image in, as a file or by its address; answers at once unless `wait` says otherwise."""
        data = order(request)
        return submitted(request, self.principal, lambda also: take_in(self.principal, data, also))


class DetectionView(ApiView):
    permissions = {"GET": READ, "DELETE": ()}  # whose it is decides, see detection.trash

    @extend_schema(
        operation_id="detections_read",
        tags=TAGS,
        summary="Read a detection",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={200: DetectionShape, 304: OpenApiResponse(description="It is as you know it.")},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """All that is known by now. Ask with `If-None-Match` to hear only of changes."""
        versions = selectors.versions(self.principal, ids=[pk])
        if pk not in versions:  # which says why
            versions[pk] = selectors.get(self.principal, pk).version
        etag = quote_etag(f"{pk}-{versions[pk]}")
        unchanged = get_conditional_response(request._request, etag=etag)
        response = unchanged or Response(self._state(pk))
        # The newest version may have come in between: the tag then is too old, and one more request is made.
        response["ETag"], response["Cache-Control"] = etag, "private, no-cache"
        return response

    def _state(self, pk: UUID) -> dict[str, Any]:
        return api_state(selectors.get(self.principal, pk), self.request.build_absolute_uri)

    @extend_schema(
        operation_id="detections_delete", tags=TAGS, summary="Delete a detection", responses={204: None}
    )
    def delete(self, request: Request, pk: UUID) -> Response:
        """Into the trash, from which it is removed after 30 days. A key's own takes `detections:write`,
        any other `detections:delete`."""
        trash.delete(principal=self.principal, pk=pk)
        return Response(status=204)


class RestoreView(ApiView):
    permissions = {"POST": READ}

    @extend_schema(
        operation_id="detections_restore",
        tags=TAGS,
        summary="Restore a detection",
        request=None,
        responses={200: DetectionShape},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Out of the trash, as it was. It takes what deleting takes; twice is no error."""
        trash.restore(principal=self.principal, pk=pk)
        return Response(api_state(selectors.get(self.principal, pk), request.build_absolute_uri))


class FileView(ApiView):
    permissions = {"GET": READ}
    content_negotiation_class = AnyFormat

    @extend_schema(
        operation_id="detections_file",
        tags=TAGS,
        summary="Read a file of a detection",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={(200, "image/*"): OpenApiTypes.BINARY, 304: OpenApiResponse(description="Unchanged.")},
    )
    def get(self, request: Request, pk: UUID, kind: str) -> HttpResponseBase:
        """original, preview, thumbnail, heatmap, overlay, or the map of an explanation.

        An overlay is drawn for the first who asks, which takes seconds for a large picture.
        """
        return file_response(request._request, selectors.open_file(self.principal, pk, kind), kind)


class RerunView(ApiView):
    permissions = {"POST": (WRITE, READ)}
    problems = {"POST": (409, 507)}

    @extend_schema(
        operation_id="detections_rerun",
        tags=TAGS,
        summary="Examine a file again",
        parameters=[SubmitQuery, KEY, LOCATION, RETRY_AFTER],
        request={"application/json": RerunOrder},
        responses=SUBMITTED,
        examples=[
            OpenApiExample("By the active model", {}, request_only=True),
            OpenApiExample("By another one", {"model": "paper_cnn"}, request_only=True),
        ],
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """By the active model or the one named, as a new detection: the first one stays as it is.

        Another model than the active one is loaded first, which takes some seconds.
        """
        asked = RerunOrder(data=request.data)
        asked.is_valid(raise_exception=True)
        who, model = self.principal, asked.validated_data.get("model", "")

        def make(also: Any) -> Detection:
            return services.rerun(principal=who, pk=pk, model=model, also=also)

        return submitted(request, who, make)


class ExplanationView(ApiView):
    permissions = {"POST": (WRITE, READ)}
    problems = {"POST": (409,)}

    @extend_schema(
        operation_id="detections_explain",
        tags=TAGS,
        summary="Ask for one more map",
        request=None,
        responses={202: DetectionShape},
    )
    def post(self, request: Request, pk: UUID, stage: str) -> Response:
        """Queues it, once however often it is asked for. Its state is among “explanations”.

        409 where the answer does not rest on the pixels: nothing in them explains it.
        """
        try:
            services.explain(principal=self.principal, pk=pk, stage=explanation_stage(stage))
        except Refused as refused:
            raise Problem("conflict", str(refused), code=refused.code) from refused
        detection = selectors.get(self.principal, pk)
        return Response(api_state(detection, request.build_absolute_uri), status=202)
