"""The life of one Detection. The stage's row is the job: no queue holds state beside it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import Organisation


def random_path(instance: models.Model, filename: str) -> str:
    """A random name in one of 256 folders: nothing of the sender's name reaches the disk.

    A second level of folders would have to be made for nearly every file: a tenth of a save.
    """
    name = uuid.uuid4().hex
    return f"{name[:2]}/{name}"


class Detection(models.Model):
    """One submitted file, its checked facts, and the verdict once there is one.

    ``version`` rises with every change that a browser could see. The verdict joins the results of
    all stages (:mod:`detection.joining`); ``decision`` keeps what decided it. ``p_fake`` and the
    model's fields repeat the ``verdict`` stage's result, so that lists can filter and sort by them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="detections")
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="detections"
    )
    name = models.CharField(max_length=255)
    original = models.FileField(upload_to=random_path)
    preview = models.FileField(upload_to=random_path)  # upright, browser-readable, ≤ 1600 px
    preview_mime = models.CharField(max_length=60)
    thumbnail = models.FileField(upload_to=random_path)
    thumbnail_mime = models.CharField(max_length=60)
    facts = models.JSONField(default=dict)  # mlcore.contracts.ImageFacts as a dict
    sha256 = models.CharField(max_length=64, db_index=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)

    error_rate = models.CharField(max_length=6, default="0.01")  # the organisation's when submitted
    verdict = models.CharField(max_length=10, blank=True)  # mlcore.contracts.Verdict
    basis = models.CharField(max_length=10, blank=True)  # mlcore.contracts.Basis
    decision = models.JSONField(default=dict)  # case, reason, error rate and thresholds behind it
    p_fake = models.FloatField(null=True)
    confidence = models.FloatField(null=True)
    model_name = models.CharField(max_length=60, blank=True)
    model_version = models.CharField(max_length=30, blank=True)
    model_sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "-created_at", "id"], name="detection_newest"),
            models.Index(fields=["organisation", "verdict", "-created_at"], name="detection_by_verdict"),
        ]

    def __str__(self) -> str:
        return self.name


class StageRun(models.Model):
    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        SKIPPED = "skipped"

    FINAL: ClassVar = (State.DONE, State.FAILED, State.SKIPPED)

    detection = models.ForeignKey(Detection, models.CASCADE, related_name="stage_runs")
    stage = models.CharField(max_length=30)
    lane = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    token = models.UUIDField(null=True)  # the fence: only the holder of the lease may finish
    lease_until = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    queued_ms = models.FloatField(null=True)
    run_ms = models.FloatField(null=True)
    result = models.JSONField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    remedy = models.TextField(blank=True)  # what an operator can do about a skipped stage

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["detection", "stage"], name="one_run_per_stage"),
        ]
        indexes = [
            models.Index(fields=["lane", "stage", "state", "due_at"], name="stagerun_due"),
        ]

    def __str__(self) -> str:
        return f"{self.stage} of {self.detection_id}"


class Artefact(models.Model):
    """A file that a stage made. Saved in the transaction that finishes its stage."""

    detection = models.ForeignKey(Detection, models.CASCADE, related_name="artefacts")
    kind = models.CharField(max_length=30)  # heatmap, …
    mime = models.CharField(max_length=60)
    file = models.FileField(upload_to=random_path)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["detection", "kind"], name="one_artefact_per_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.detection_id}"


class Activation(models.Model):
    """A model was made the active one. The newest row counts; the others are the record."""

    name = models.CharField(max_length=60)
    version = models.CharField(max_length=30)
    sha256 = models.CharField(max_length=64)
    activated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"
