"""Batches in the API. Each view parses, calls one service or selector, and renders."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import READ, WRITE
from accounts.api_base import ApiView, Problem, query
from accounts.api_defaults import FormParser, JsonParser
from accounts.api_fields import LOCATION, PageQuery, lists
from accounts.errors import Refused
from detection import batch_results, batch_selectors, batch_services, idempotency
from detection.api import KEY, RETRY_AFTER, AnyFormat
from detection.archives import ArchiveRefused
from detection.batch_selectors import Progress
from detection.batch_shapes import ArchiveOrder, BatchOrder, BatchShape, UrlsOrder
from detection.models import Batch

TAGS = ["Batches"]
JSON_BYTES = 16 * 1024 * 1024  # ten thousand addresses of 1,600 characters
RETRY = "5"  # seconds; a batch takes longer than an image


class BoundedJson(JsonParser):
    """This address takes gigabytes, of a zip; JSON is read into memory."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(JSON_BYTES + 1)
        if len(body) > JSON_BYTES:
            raise Problem("too-large", f"At most {JSON_BYTES // 1024**2} MB of JSON. Send several batches.")
        return super().parse(io.BytesIO(body), media_type, parser_context)


class BatchesView(ApiView):
    parser_classes = [BoundedJson, FormParser]
    permissions = {"GET": READ, "POST": (WRITE, READ)}
    problems = {"POST": (409, 507)}

    @lists("batches_list", TAGS, "List batches", BatchShape)
    def get(self, request: Request) -> Response:
        """The organisation's, the newest first."""
        query(request, PageQuery)
        return self.paged_together(batch_selectors.batches(self.principal), self._shapes)

    @extend_schema(
        operation_id="batches_submit",
        tags=TAGS,
        summary="Examine many images",
        parameters=[KEY, LOCATION, RETRY_AFTER],
        request={"multipart/form-data": ArchiveOrder, "application/json": UrlsOrder},
        responses={202: OpenApiResponse(BatchShape, "Taken in; follow it at Location.")},
        examples=[
            OpenApiExample(
                "Addresses",
                {"urls": ["https://example.org/cat.jpg"], "reference": "archive-2026-11"},
                request_only=True,
                media_type="application/json",
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """A zip of images, or a list of addresses. Each image is examined as one sent by itself is."""
        asked = BatchOrder(data=request.data)
        asked.is_valid(raise_exception=True)
        once = idempotency.begin(self.principal, request)
        pk = once.made
        if pk is None:
            with once:
                pk = self._made(asked.validated_data, once.attach).pk
        shape = self._shape(batch_selectors.batch(self.principal, pk))
        return Response(shape, 202, headers={"Location": shape["url"], "Retry-After": RETRY})

    def _made(self, data: Any, also: Callable[[Batch], None]) -> Batch:
        try:
            return batch_services.create_batch(principal=self.principal, also=also, **data)
        except ArchiveRefused as refused:
            raise Problem("image-refused", str(refused), code=refused.code) from refused
        except Refused as refused:
            if refused.code == "too_many_batches":
                raise Problem("conflict", str(refused), code=refused.code) from refused
            raise serializers.ValidationError({"urls": [str(refused)]}) from refused

    def _shapes(self, batches: list[Batch]) -> list[dict[str, Any]]:
        progress = batch_selectors.progresses(batches)
        return [shape(each, progress[each.pk], self.request.build_absolute_uri) for each in batches]

    def _shape(self, batch: Batch) -> dict[str, Any]:
        return shape(batch, batch_selectors.progress(batch), self.request.build_absolute_uri)


class BatchView(ApiView):
    permissions = {"GET": READ}

    @extend_schema(operation_id="batches_read", tags=TAGS, summary="Read a batch", responses=BatchShape)
    def get(self, request: Request, pk: UUID) -> Response:
        """How far it is. Its detections: `GET detections/?batch=…`."""
        batch = batch_selectors.batch(self.principal, pk)
        return Response(shape(batch, batch_selectors.progress(batch), request.build_absolute_uri))


class BatchCancelView(ApiView):
    permissions = {"POST": (WRITE, READ)}

    @extend_schema(
        operation_id="batches_cancel", tags=TAGS, summary="Cancel a batch", request=None, responses=BatchShape
    )
    def post(self, request: Request, pk: UUID) -> Response:
        """Takes in no more of its images; those that are in stay. It cannot be undone; twice is no error."""
        batch_services.cancel(principal=self.principal, pk=pk)
        batch = batch_selectors.batch(self.principal, pk)
        return Response(shape(batch, batch_selectors.progress(batch), request.build_absolute_uri))


class BatchLinesView(ApiView):
    permissions = {"GET": READ}
    content_negotiation_class = AnyFormat

    @extend_schema(
        operation_id="batches_results_jsonl",
        tags=TAGS,
        summary="Results as JSON lines",
        responses={(200, "application/jsonl"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """One object a line and image, at any time: what is not known yet is null."""
        return download(batch_selectors.batch(self.principal, pk), "jsonl")


class BatchTableView(ApiView):
    permissions = {"GET": READ}
    content_negotiation_class = AnyFormat

    @extend_schema(
        operation_id="batches_results_csv",
        tags=TAGS,
        summary="Results as CSV",
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        """The same as a table. Texts that a spreadsheet would run as a formula begin with an apostrophe."""
        return download(batch_selectors.batch(self.principal, pk), "csv")


def download(batch: Batch, kind: str) -> StreamingHttpResponse:
    """Streamed: ten thousand results are never in memory together."""
    write, mime = {
        "jsonl": (batch_results.json_lines, "application/jsonl"),
        "csv": (batch_results.comma_separated, "text/csv; charset=utf-8"),
    }[kind]
    response = StreamingHttpResponse(write(batch), content_type=mime)
    response["Content-Disposition"] = f'attachment; filename="batch-{batch.pk}.{kind}"'
    return response


def shape(batch: Batch, progress: Progress, absolute: Callable[[str], str]) -> dict[str, Any]:
    """A batch as ``BatchShape`` describes it."""

    def address(name: str) -> str:
        return absolute(reverse(name, args=[batch.pk]))

    by = batch.submitted_key.name if batch.submitted_key else str(batch.submitted_by or "")
    return {
        "id": str(batch.pk),
        "url": address("api_batch"),
        "reference": batch.reference,
        "archive_name": batch.archive_name,
        "state": str(batch.state),
        "error": batch.error,
        "total": progress.total,
        "finished": progress.finished,
        "entries": progress.entries,
        "examined": progress.examined,
        "verdicts": progress.verdicts,
        "answers": progress.answers,
        "seconds_left": progress.seconds_left,
        "key": str(batch.submitted_key_id) if batch.submitted_key_id else None,
        "submitted_by": by,
        "created_at": batch.created_at.isoformat(),
        "finished_at": batch.finished_at.isoformat() if batch.finished_at else None,
        "results": {"jsonl": address("api_batch_lines"), "csv": address("api_batch_table")},
    }
