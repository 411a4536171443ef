"""Writes of batches: made from a zip or a list of addresses, cancelled, brought to an end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.shortcuts import get_object_or_404
from django.utils import timezone

from accounts import access, storage, usage
from accounts.access import Principal
from accounts.errors import Refused
from accounts.models import Organisation
from accounts.signals import happened
from detection import archives, push, stored
from detection.archives import ArchiveRefused
from detection.models import Batch, BatchEntry
from detection.stored import NewFiles
from mlcore.imaging import clean_name, size_words

OPEN = (Batch.State.QUEUED, Batch.State.RUNNING)
UNDECIDED = (BatchEntry.State.QUEUED, BatchEntry.State.RUNNING)
MOST_OPEN = 20  # batches of one organisation: each may be gigabytes on the disk
AT_ONCE = 500  # rows in one INSERT


def create_batch(
    *,
    principal: Principal,
    archive: File[bytes] | None = None,
    urls: Sequence[str] = (),
    reference: str = "",
    also: Callable[[Batch], None] = lambda batch: None,
) -> Batch:
    """Takes in many images at once: a zip, of which no file is unpacked yet, or addresses, not yet asked.

    ``also`` is called in the transaction that saves the rows: what it raises undoes them.

    Raises:
        ArchiveRefused: the zip cannot be taken as a whole.
        Refused: no_images, too_many_images or too_many_batches.
        accounts.usage.QuotaExceeded: the key's month has no room for all of them.
        accounts.storage.StorageFull: the organisation may not store the zip, or anything at all.
        PermissionDenied: the principal may not submit.
    """
    access.require(principal, access.WRITE)
    storage.require_room(principal.organisation.pk, (archive.size or 1) if archive else 1)
    _require_turn(principal)  # before gigabytes are looked through, and once more below
    entries = _of_urls(urls) if archive is None else _of_archive(archive)
    usage.require_room(principal, len(entries))
    batch = Batch(
        organisation=principal.organisation,
        submitted_by=principal.user,
        submitted_key=principal.key,
        reference=reference,
        archive_name=_own_name(archive),
        total=len(entries),
    )
    with NewFiles() as files:
        if archive is not None:
            batch.archive_bytes = files.add(batch.archive, archive)
        with transaction.atomic():
            # NO KEY: rows that only refer to the organisation, such as detections, do not wait.
            Organisation.objects.select_for_update(no_key=True).get(pk=principal.organisation.pk)
            _require_turn(principal)
            _insert(batch, entries)
            also(batch)
            _tell("batch.made", batch, principal)
            if archive is not None:
                storage.take(principal.organisation.pk, batch.archive_bytes)
            files.keep([batch.archive])
            transaction.on_commit(push.woken, robust=True)
    return batch


def cancel(*, principal: Principal, pk: UUID) -> Batch:
    """Takes in no more of its images; those that are in stay. A second time is no error.

    Raises:
        Http404: no such batch in the organisation.
        PermissionDenied: the principal may not submit.
    """
    with transaction.atomic():
        mine = access.scope(principal, Batch.objects.select_for_update(of=("self",)), access.WRITE)
        batch = get_object_or_404(mine, pk=pk)
        if batch.state in OPEN:
            end(batch, Batch.State.CANCELLED, "", principal)
    return batch


def stop(*, pk: UUID, reason: str) -> None:
    """Cancels the rest where nobody may submit it any more; ``reason`` is a sentence."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update(of=("self",)).filter(pk=pk, state__in=OPEN).first()
        if batch is not None:
            end(batch, Batch.State.CANCELLED, reason)


def end(batch: Batch, state: str, error: str, principal: Principal | None = None) -> None:
    """Closes a batch whose row is locked. A worker at one of its entries finds its lease gone."""
    left = batch.entries.filter(state__in=UNDECIDED)
    left.update(state=BatchEntry.State.CANCELLED, token=None, lease_until=None)
    batch.state, batch.error, batch.finished_at = state, error, timezone.now()
    batch.save(update_fields=["state", "error", "finished_at"])
    event = "batch.cancelled" if state == Batch.State.CANCELLED else "batch.completed"
    _tell(event, batch, principal)
    drop_archive(batch)


def drop_archive(batch: Batch) -> None:
    """Of a batch whose row is locked. The row forgets the file first: the sweeper finds a file too many."""
    archive, size = batch.archive, batch.archive_bytes
    if not archive:
        return
    batch.archive, batch.archive_bytes = "", 0
    batch.save(update_fields=["archive", "archive_bytes"])
    transaction.on_commit(partial(stored.remove, [archive]), robust=True)
    storage.change({batch.organisation_id: -size})


def _require_turn(principal: Principal) -> None:
    mine = Batch.objects.filter(organisation=principal.organisation, state__in=OPEN)
    if mine.count() >= MOST_OPEN:
        raise Refused(
            "too_many_batches",
            f"{MOST_OPEN} batches are at work already. Wait until one is done.",
        )


def _own_name(archive: File[bytes] | None) -> str:
    """By which an order is known that was given no name."""
    return "" if archive is None or not archive.name else clean_name(archive.name)


def _of_archive(file: File[bytes]) -> list[BatchEntry]:
    if (file.size or 0) > settings.MAX_BATCH_BYTES:
        most = size_words(settings.MAX_BATCH_BYTES)
        raise ArchiveRefused("too_large", f"This zip is larger than {most}. Make several of it.")
    limits = archives.Limits(entries=settings.MAX_BATCH_ENTRIES, file_bytes=settings.MAX_UPLOAD_BYTES)
    places = archives.look(file, limits)  # type: ignore[arg-type]  # a File reads and seeks as a file does
    file.seek(0, os.SEEK_SET)
    return [BatchEntry(name=place.name, place=asdict(place)) for place in places]


def _of_urls(urls: Sequence[str]) -> list[BatchEntry]:
    """A bad address is refused for itself, in its turn."""
    if not urls:
        raise Refused("no_images", "There is no address in this list. Send one or more.")
    if len(urls) > settings.MAX_BATCH_ENTRIES:
        most = f"{settings.MAX_BATCH_ENTRIES:,}"
        raise Refused("too_many_images", f"There are more than {most} addresses in this list. Make several.")
    return [BatchEntry(name=url, is_url=True) for url in urls]


def _insert(batch: Batch, entries: list[BatchEntry]) -> None:
    batch.save(force_insert=True)
    BatchEntry.objects.bulk_create(_numbered(batch, entries), batch_size=AT_ONCE)


def _numbered(batch: Batch, entries: list[BatchEntry]) -> Iterator[BatchEntry]:
    for number, entry in enumerate(entries, 1):
        entry.batch, entry.number = batch, number
        yield entry


def _tell(event: str, batch: Batch, principal: Principal | None) -> None:
    details: dict[str, Any] = {
        "name": batch.title,
        "reference": batch.reference,
        "images": batch.total,
        "state": str(batch.state),
    }
    if batch.error:
        details["reason"] = batch.error
    happened.send(sender=Batch, principal=principal, event=event, subject=batch, details=details)
