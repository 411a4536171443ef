"""The life of one Detection. The stage's row is the job: no queue holds state beside it."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from accounts.models import ApiKey, Organisation, random_path


class Kept(models.Manager["Detection"]):
    """Without what is in the trash."""

    def get_queryset(self) -> models.QuerySet[Detection]:
        return super().get_queryset().filter(deleted_at=None)


class Detection(models.Model):
    """One submitted file, its checked facts, and the verdict once there is one.

    ``objects`` leaves out what is in the trash, and so does ``organisation.detections`` and its like.
    ``everything`` is for what goes on there: the stages' ends, restoring, removal (:mod:`detection.trash`).
    A join from another table (``detection__…``) and a foreign key see the trash, too.

    ``version`` rises with every change that a browser could see. The verdict joins the results of
    all stages (:mod:`detection.joining`); ``decision`` keeps what decided it. ``p_fake`` and the
    model's fields repeat the ``verdict`` stage's result, so that lists can filter and sort by them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="detections")
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="detections"
    )
    submitted_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="detections")
    batch = models.ForeignKey("Batch", models.SET_NULL, null=True, related_name="detections")
    reference = models.CharField(max_length=200, blank=True)  # the client's own name for it
    metadata = models.JSONField(default=dict)  # the client's own facts
    source_url = models.TextField(blank=True)  # where it was fetched from
    # A record is not written over: the same file examined again is a record of its own.
    rerun_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="reruns")
    # The newest one of the same bytes, when this one came in. Without a constraint: it may be removed at
    # that moment, and neither shall wait for the other. See detection.trash, which takes dead links away.
    same_file_as = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    model_asked = models.CharField(max_length=60, blank=True)  # by name; else the one that is active
    name = models.CharField(max_length=255)
    original = models.FileField(upload_to=random_path)
    preview = models.FileField(upload_to=random_path)  # upright, browser-readable, ≤ 1600 px
    preview_mime = models.CharField(max_length=60)
    thumbnail = models.FileField(upload_to=random_path)
    thumbnail_mime = models.CharField(max_length=60)
    stored_bytes = models.PositiveBigIntegerField(default=0)  # of those three files: see accounts.storage
    facts = models.JSONField(default=dict)  # mlcore.contracts.ImageFacts as a dict
    sha256 = models.CharField(max_length=64, db_index=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)  # in the trash since then
    deleted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    deleted_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")

    error_rate = models.CharField(max_length=6, default="0.01")  # the organisation's when submitted
    verdict = models.CharField(max_length=10, blank=True)  # mlcore.contracts.Verdict
    basis = models.CharField(max_length=10, blank=True)  # mlcore.contracts.Basis
    decision = models.JSONField(default=dict)  # case, reason, error rate and thresholds behind it
    p_fake = models.FloatField(null=True)
    confidence = models.FloatField(null=True)
    model_name = models.CharField(max_length=60, blank=True)
    model_version = models.CharField(max_length=30, blank=True)
    model_sha256 = models.CharField(max_length=64, blank=True)

    objects = Kept()
    everything = models.Manager["Detection"]()

    class Meta:
        # Lists of 100,000 rows are filtered within the index, without a look at the rows: a name is
        # searched in a third of the time (``python -m tests.api.latency``).
        indexes = [
            models.Index(
                fields=["organisation", "-created_at", "id", "verdict", "basis", "name", "deleted_at"],
                name="detection_newest",
            ),
            models.Index(
                fields=["organisation", "verdict", "-created_at", "id", "basis", "name", "deleted_at"],
                name="detection_by_verdict",
            ),
            models.Index(
                fields=["organisation", "reference", "-created_at", "id"], name="detection_by_reference"
            ),
            models.Index(
                fields=[
                    "organisation",
                    "submitted_key",
                    "-created_at",
                    "id",
                    "verdict",
                    "basis",
                    "name",
                    "deleted_at",
                ],
                name="detection_by_key",
            ),
            models.Index(fields=["batch", "-created_at", "id", "deleted_at"], name="detection_by_batch"),
            models.Index(fields=["organisation", "completed_at", "-created_at"], name="detection_by_end"),
            # The trash, which is small: as its page shows it, and as its oldest are removed.
            models.Index(
                fields=["organisation", "-deleted_at", "id"],
                condition=models.Q(deleted_at__isnull=False),
                name="detection_trash",
            ),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="detection_trash_oldest",
            ),
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
    """A file that a stage made, saved in the transaction that finishes its stage; or an overlay.

    ``digest`` is of what an overlay shows (:mod:`detection.overlays`); empty for what stages made.
    """

    detection = models.ForeignKey(Detection, models.CASCADE, related_name="artefacts")
    kind = models.CharField(max_length=30)  # heatmap, …
    digest = models.CharField(max_length=32, blank=True)
    mime = models.CharField(max_length=60)
    file = models.FileField(upload_to=random_path)
    stored_bytes = models.PositiveBigIntegerField(default=0)

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


class IdempotentRequest(models.Model):
    """What a request made that may come again (Idempotency-Key), kept for a day.

    The row is made before the work: of many requests with one key the unique index lets one through.
    """

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+")
    value = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of method, path and body
    body = models.JSONField(null=True)  # {"id": …} of what it made; None: still at work
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "value"], name="one_answer_each")]

    def __str__(self) -> str:
        return self.value


class Batch(models.Model):
    """Many images in one order: a zip or a list of addresses."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="batches")
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="batches"
    )
    submitted_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="batches")
    reference = models.CharField(max_length=200, blank=True)
    archive_name = models.CharField(max_length=255, blank=True)  # of the zip, as it was sent
    archive = models.FileField(upload_to=random_path, blank=True)  # the zip, until its entries are in
    archive_bytes = models.PositiveBigIntegerField(default=0)  # 0 once it is gone
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    total = models.PositiveIntegerField(default=0)  # entries
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["organisation", "-created_at"], name="batch_newest")]

    def __str__(self) -> str:
        return self.title or str(self.pk)

    @property
    def title(self) -> str:
        """What people know it by; "" where nobody gave a list of addresses a name."""
        return self.reference or self.archive_name


class BatchEntry(models.Model):
    """One image of a batch: a leased row like a StageRun, until it is a Detection or refused."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        ACCEPTED = "accepted"
        REFUSED = "refused"
        CANCELLED = "cancelled"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="entries")
    number = models.PositiveIntegerField()
    name = models.TextField()  # within the zip, or the address
    is_url = models.BooleanField(default=False)
    place = models.JSONField(null=True)  # where in the zip: detection.archives.Place, so that nobody searches
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    detection = models.OneToOneField(Detection, models.SET_NULL, null=True, related_name="entry")
    error_code = models.CharField(max_length=60, blank=True)
    error_detail = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_entry_a_number")]
        indexes = [models.Index(fields=["batch", "state", "number"], name="batchentry_turn")]

    def __str__(self) -> str:
        return self.name


class Webhook(models.Model):
    """An address that is told what happens, and the secret by which it knows that we tell it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="webhooks")
    url = models.TextField()
    description = models.CharField(max_length=200, blank=True)
    events = models.JSONField(default=list)
    secret = models.CharField(max_length=120)  # whsec_…, see standardwebhooks.com
    old_secret = models.CharField(max_length=120, blank=True)  # signs as well until old_secret_until
    old_secret_until = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)
    failing_since = models.DateTimeField(null=True)  # the first failed try since the last success
    off_reason = models.CharField(max_length=200, blank=True)  # why the site itself switched it off
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    # The program that answers for it, for it made or changed it last: it goes off with that one's rights.
    by_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="webhooks")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One event on its way to one webhook: a leased row like a StageRun."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DELIVERED = "delivered"
        DEAD = "dead"

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    event_id = models.CharField(max_length=40)  # webhook-id: the same for every try and every replay
    event = models.CharField(max_length=40)
    body = models.TextField()  # as sent, and signed
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)  # tries that came to an end
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True, db_index=True)
    log = models.JSONField(default=list)  # the last tries: time, status, ms, start of the answer, error

    class Meta:
        constraints = [models.UniqueConstraint(fields=["webhook", "event_id"], name="one_delivery_each")]
        indexes = [
            models.Index(fields=["state", "due_at"], name="delivery_due"),
            models.Index(fields=["webhook", "state", "due_at"], name="delivery_due_of_webhook"),
            models.Index(fields=["webhook", "-created_at"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook_id}"
