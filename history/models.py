"""What happened, for those who have to answer for it."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils import timezone

from accounts.models import ApiKey, Organisation, User


class AppendOnly(TypeError):
    """Somebody tried to change or delete what has been written down."""


class AuditQuerySet(models.QuerySet["AuditEvent"]):
    """Reads, and nothing else in bulk. (Rows go with their organisation, which asks the database.)"""

    def update(self, **fields: Any) -> NoReturn:
        raise AppendOnly("The record of what happened is never changed.")

    def delete(self) -> NoReturn:
        raise AppendOnly("The record of what happened is never deleted.")

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        raise AppendOnly("The record of what happened is never changed.")


class AuditEvent(models.Model):
    """Who did what to whom, and when. ``actor`` and ``subject`` are words: they outlive the accounts."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="audit_events")
    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=420)
    user = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, related_name="+")
    event = models.CharField(max_length=60)
    subject = models.CharField(max_length=420)
    details = models.JSONField(default=dict)

    objects = models.Manager.from_queryset(AuditQuerySet)()

    class Meta:
        indexes = [
            models.Index(fields=["organisation", "-id"], name="audit_newest_first"),
            models.Index(fields=["organisation", "user", "key"], name="audit_by_whom"),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.event} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises AppendOnly for a row that is there already."""
        if not self._state.adding:
            raise AppendOnly("The record of what happened is never changed.")
        super().save(*args, **{**kwargs, "force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly("The record of what happened is never deleted.")
