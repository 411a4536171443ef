"""What the API of batches takes, and how it describes what it gives."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import serializers

from accounts.api_fields import Strict, Text, UploadField
from detection.models import Batch

LONGEST_URL = 2048
ZIP = "A zip of images, in folders or not. Other files in it are refused one by one."
REFERENCE = "Your own name for it; its detections get it as well."


def _reference() -> Text:
    return Text(required=False, allow_blank=True, max_length=200, help_text=REFERENCE)


def _urls(**more: Any) -> serializers.ListField:
    return serializers.ListField(
        child=Text(max_length=LONGEST_URL, allow_blank=True),
        max_length=settings.MAX_BATCH_ENTRIES,
        allow_empty=False,
        help_text="Public http or https addresses of images. A bad one is refused for itself.",
        **more,
    )


class BatchOrder(Strict):
    """Many images: a zip in a form, or their addresses."""

    archive = UploadField(required=False, allow_empty_file=True, max_length=1000, help_text=ZIP)
    urls = _urls(required=False)
    reference = _reference()

    def validate(self, attrs: Any) -> Any:
        if ("archive" in attrs) == ("urls" in attrs):
            raise serializers.ValidationError("Send either “archive”, in a form, or “urls”, in JSON.")
        return attrs


class ArchiveOrder(Strict):
    """``BatchOrder`` as it is described for forms."""

    archive = serializers.FileField(help_text=ZIP)
    reference = _reference()


class UrlsOrder(Strict):
    """``BatchOrder`` as it is described for JSON."""

    urls = _urls()
    reference = _reference()


class EntriesShape(serializers.Serializer[Any]):
    """How many images are where on their way in."""

    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    accepted = serializers.IntegerField(help_text="Each of these is a detection.")
    refused = serializers.IntegerField(help_text="Cannot be examined; the results say why.")
    cancelled = serializers.IntegerField()


class VerdictsShape(serializers.Serializer[Any]):
    """Of the images on which nothing more will come."""

    fake = serializers.IntegerField()
    real = serializers.IntegerField()
    uncertain = serializers.IntegerField()
    none = serializers.IntegerField(help_text="The examination failed.")


class AnswersShape(serializers.Serializer[Any]):
    """The same, told apart by what the verdict rests on."""

    measured_ai = serializers.IntegerField()
    declared_ai = serializers.IntegerField(help_text="The file says so itself.")
    signed_ai = serializers.IntegerField()
    measured_real = serializers.IntegerField()
    signed_camera = serializers.IntegerField()
    not_sure = serializers.IntegerField()
    none = serializers.IntegerField(help_text="The examination failed.")


class ResultsShape(serializers.Serializer[Any]):
    jsonl = serializers.URLField()
    csv = serializers.URLField()


class BatchShape(serializers.Serializer[Any]):
    """Many images in one order."""

    id = serializers.UUIDField()
    url = serializers.URLField()
    reference = serializers.CharField(allow_blank=True)
    archive_name = serializers.CharField(allow_blank=True, help_text="Of the zip, as it was sent.")
    state = serializers.ChoiceField(
        [str(state) for state in Batch.State], help_text="“done”, “failed” and “cancelled” are the end."
    )
    error = serializers.CharField(allow_blank=True, help_text="Why it failed or was cancelled by itself.")
    total = serializers.IntegerField(help_text="Images.")
    finished = serializers.IntegerField(help_text="Of which nothing more will come.")
    entries = EntriesShape()
    examined = serializers.IntegerField()
    verdicts = VerdictsShape()
    answers = AnswersShape()
    seconds_left = serializers.IntegerField(
        allow_null=True, help_text="At the pace of the last two minutes; null while that says nothing."
    )
    key = serializers.UUIDField(allow_null=True)
    submitted_by = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    results = ResultsShape()
