"""What the API of detections takes, and how it describes what it gives."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from accounts.api_fields import Moment, PageQuery, Strict, Text, UploadField
from accounts.api_problem import Problem
from detection import plan
from detection.answers import Answer

LONGEST_WAIT = 30  # seconds
METADATA_BYTES, METADATA_LEVELS = 16 * 1024, 5
VERDICTS, BASES = ("fake", "real", "uncertain"), ("signed", "declared", "pixels", "none")
ANSWERS = tuple(map(str, Answer))
STATUSES = ("waiting", "working", "done", "failed")


class Metadata(serializers.DictField):
    """An object of the client's own; in a form, its JSON."""

    def get_value(self, dictionary: Any) -> Any:
        return dictionary.get(self.field_name, empty)  # DRF's own looks for “metadata.desk” in a form

    def run_validation(self, data: Any = empty) -> Any:
        if isinstance(data, str) and hasattr(self.parent.initial_data, "lists"):
            data = _json(data)
        if data is not empty and data is not None:
            if not isinstance(data, dict):
                raise serializers.ValidationError("This has to be a JSON object.")
            _check(data)
        return super().run_validation(data)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise serializers.ValidationError("This is not JSON.") from None


def _check(data: dict[str, Any]) -> None:
    for level, value in _walk(data):
        if level > METADATA_LEVELS:
            raise serializers.ValidationError(f"At most {METADATA_LEVELS} levels of objects and lists.")
        if isinstance(value, float) and not math.isfinite(value):
            raise serializers.ValidationError("Numbers have to be finite.")
        if isinstance(value, str) and ("\0" in value or any("\ud800" <= each <= "\udfff" for each in value)):
            raise serializers.ValidationError("Texts may not hold null characters or halves of characters.")
    if len(json.dumps(data, ensure_ascii=False).encode()) > METADATA_BYTES:
        raise serializers.ValidationError(f"At most {METADATA_BYTES // 1024} KB.")


def _walk(value: dict[str, Any] | list[Any], level: int = 1) -> Iterator[tuple[int, Any]]:
    """Every name and value with its level, no deeper than has to be known."""
    yield level, value
    if level > METADATA_LEVELS:
        return
    for each in [*value, *value.values()] if isinstance(value, dict) else value:
        if isinstance(each, dict | list):
            yield from _walk(each, level + 1)
        else:
            yield level, each


class Order(Strict):
    """An image: the file itself, or where to fetch it."""

    file = UploadField(
        required=False, allow_empty_file=True, max_length=1000, help_text="The image, in a multipart form."
    )
    url = Text(required=False, max_length=2048, help_text="Where it is: http or https, and public.")
    reference = Text(required=False, allow_blank=True, max_length=200, help_text="Your own name for it.")
    metadata = Metadata(
        required=False,
        help_text=f"An object of your own, kept as it is: at most {METADATA_BYTES // 1024} KB and "
        f"{METADATA_LEVELS} levels.",
    )

    def validate(self, attrs: Any) -> Any:
        if ("file" in attrs) == ("url" in attrs):
            raise serializers.ValidationError("Send either “file” or “url”.")
        return attrs


class UrlOrder(Strict):
    """``Order`` as it is described for JSON, where there are no files."""

    url = Text(max_length=2048, help_text="Where the image is: http or https, and public.")
    reference = Text(required=False, allow_blank=True, max_length=200, help_text="Your own name for it.")
    metadata = Metadata(required=False, help_text="An object of your own, kept as it is.")


class RerunOrder(Strict):
    model = Text(required=False, max_length=60, help_text="The active one if left out.")


class SubmitQuery(serializers.Serializer[Any]):
    wait = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=LONGEST_WAIT,
        help_text="Seconds that the answer may be kept back for the result.",
    )
    until = serializers.ChoiceField(
        ["verdict", "done"],
        required=False,
        default="verdict",
        help_text="What to wait for: the verdict, which is announced once and stays, or all stages.",
    )


class DetectionsQuery(PageQuery):
    """The filters of the list. All that are given have to hold."""

    answer = serializers.ChoiceField(ANSWERS, required=False, help_text="Verdict and basis in one.")
    verdict = serializers.ChoiceField(VERDICTS, required=False)
    basis = serializers.ChoiceField(BASES, required=False, help_text="What the verdict rests on.")
    q = serializers.CharField(required=False, max_length=255, help_text="Within the file's name.")
    reference = serializers.CharField(required=False, max_length=200, help_text="Exactly as it was sent.")
    since = Moment(required=False, help_text="Taken in at this time or later; RFC 3339 with offset.")
    until = Moment(required=False, help_text="Taken in before this time; RFC 3339 with offset.")
    key = serializers.UUIDField(required=False, help_text="The id of the key that it came by.")
    batch = serializers.UUIDField(required=False, help_text="The id of a batch.")
    trash = serializers.BooleanField(required=False, help_text="Those in the trash instead of the others.")

    def to_internal_value(self, data: Any) -> Any:
        # A plus sign in an address is a space unless it is written as %2B: here it can only be a plus.
        mended = {name: data[name].replace(" ", "+") for name in ("since", "until") if name in data}
        return super().to_internal_value({**data, **mended})


class StageShape(serializers.Serializer[Any]):
    stage = serializers.CharField()
    state = serializers.ChoiceField(["queued", "running", "done", "failed", "skipped"])
    attempts = serializers.IntegerField()
    run_ms = serializers.FloatField(allow_null=True)
    queued_ms = serializers.FloatField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    remedy = serializers.CharField(allow_blank=True)


class FilesShape(serializers.Serializer[Any]):
    """Addresses; null while no stage has made the file, and where the pixels have no part in the answer."""

    original = serializers.URLField()
    preview = serializers.URLField()
    thumbnail = serializers.URLField()
    heatmap = serializers.URLField(allow_null=True)
    overlay = serializers.URLField(allow_null=True)


class ExpertShape(serializers.Serializer[Any]):
    """``note`` says why these numbers are no answer; it is empty where the answer rests on them."""

    p_fake = serializers.FloatField()
    thresholds = serializers.DictField(child=serializers.FloatField())
    stability = serializers.DictField(
        allow_null=True, help_text="The model on changed copies of the picture, where it was asked."
    )
    text = serializers.CharField()
    note = serializers.CharField(allow_blank=True)


class DetectionShape(serializers.Serializer[Any]):
    """One image with all that is known of it. Fields that end in “_text” or “_words” are for people."""

    id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="Rises with every change.")
    url = serializers.URLField()
    page = serializers.URLField(help_text="For members of the organisation, in a browser.")
    name = serializers.CharField()
    organisation = serializers.CharField()
    reference = serializers.CharField(allow_blank=True)
    metadata = serializers.DictField()
    source_url = serializers.CharField(allow_blank=True)
    batch = serializers.UUIDField(allow_null=True)
    key = serializers.UUIDField(allow_null=True, help_text="The key that it came by; null for people.")
    submitted_by = serializers.CharField(allow_blank=True)
    rerun_of = serializers.UUIDField(allow_null=True, help_text="The detection whose file this is again.")
    same_file_as = serializers.UUIDField(
        allow_null=True, help_text="The newest detection of the same bytes when this one came in."
    )
    deleted_at = serializers.DateTimeField(allow_null=True, help_text="In the trash since then.")
    deleted_by = serializers.CharField(allow_blank=True)
    model_asked = serializers.CharField(allow_blank=True, help_text="Empty: the one that was active.")
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField(STATUSES, help_text="“done”: nothing will change any more.")
    verdict = serializers.ChoiceField(VERDICTS, allow_blank=True, help_text="Empty while there is none.")
    basis = serializers.ChoiceField(BASES, allow_blank=True)
    answer = serializers.ChoiceField(
        ANSWERS,
        allow_null=True,
        help_text="Verdict and basis in one: what the file declares is no measurement.",
    )
    without = serializers.ListField(
        child=serializers.CharField(), help_text="What failed that could have changed the answer."
    )
    confidence = serializers.FloatField(
        allow_null=True, help_text="Probability of the announced class, where the pixels decide."
    )
    p_fake = serializers.FloatField(
        allow_null=True,
        help_text="The model's probability of “fake”; null where the pixels have no part in the answer.",
    )
    expert = ExpertShape(allow_null=True, help_text="The model's own numbers, whatever they are worth here.")
    explanation = serializers.CharField(allow_blank=True)
    made_small_text = serializers.CharField(
        allow_blank=True,
        help_text="Where the pixels gave the answer: how often it is wrong if the picture was made from a "
        "large one, by the model's card.",
    )
    model = serializers.DictField(allow_null=True)
    facts = serializers.DictField(help_text="Format, size, pixels, SHA-256.")
    files = FilesShape()
    evidence = serializers.ListField(child=serializers.DictField(), help_text="The strongest first.")
    objects = serializers.ListField(
        child=serializers.DictField(),
        help_text="Name, score and box; “sure” is false for what is likely enough not to be there.",
    )
    explanations = serializers.DictField(help_text="By stage: further maps, asked for or not.")
    stages = StageShape(many=True)


def explanation_stage(stage: str) -> str:
    """Raises a problem that names those there are."""
    if stage not in plan.on_demand():
        names = ", ".join(plan.on_demand()) or "none"
        raise Problem("not-found", f"There is no such explanation. There are: {names}.")
    return stage
