"""``manage.py recount_storage``: each organisation's stored bytes, summed anew from its rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import transaction
from django.db.models import QuerySet, Sum

from accounts.models import Organisation, StorageUse
from detection.models import Artefact, Batch, Detection


class Command(BaseCommand):
    help = "Sums anew what organisations have stored, and tells where the count was wrong. Safe at any time."

    def handle(self, *args: Any, **options: Any) -> None:
        for organisation in Organisation.objects.order_by("pk"):
            before, after = recount(organisation.pk)
            if before != after:
                self.stdout.write(f"{organisation}: {before:,} bytes were counted, {after:,} are stored.")


def recount(organisation: UUID) -> tuple[int, int]:
    """The count before and after, in bytes.

    Others lock the counter last (see accounts.storage): what they saved is in the sums, or is added after.
    """
    StorageUse.objects.bulk_create([StorageUse(organisation_id=organisation)], ignore_conflicts=True)
    with transaction.atomic():
        row = StorageUse.objects.select_for_update().get(pk=organisation)
        before, row.bytes = row.bytes, _stored(organisation)
        row.save()
    return before, row.bytes


def _stored(organisation: UUID) -> int:
    sums: list[tuple[QuerySet[Any], str]] = [
        (Detection.everything.filter(organisation=organisation), "stored_bytes"),
        (Artefact.objects.filter(detection__organisation=organisation), "stored_bytes"),
        (Batch.objects.filter(organisation=organisation), "archive_bytes"),
    ]
    return sum(rows.aggregate(total=Sum(column, default=0))["total"] for rows, column in sums)
