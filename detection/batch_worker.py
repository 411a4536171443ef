"""Feeds batches in, entry by entry, as if each image had been sent by itself, in the InferenceConsumer.

A batch never stands between a person and their image: entries are taken in only while few images of
batches wait for the model, one at a time is decoded (:data:`detection.intake.BATCHES`), and what was sent
by itself comes first in every lane (:mod:`detection.queue`).
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.http import Http404

from accounts import storage
from accounts.access import (
    ALLOWED,
    SCOPES,
    WRITE,
    LookNeeded,
    MfaRequired,
    Principal,
    principal_for,
    principal_of_key,
)
from accounts.key_selectors import is_closed, with_maker
from accounts.storage import StorageFull
from accounts.usage import QuotaExceeded
from detection import archives, batch_queue, batch_services, remote, services
from detection.archives import ArchiveRefused, Place
from detection.batch_queue import LeaseLost
from detection.idling import Rest
from detection.models import Batch, BatchEntry, StageRun
from detection.remote_errors import RemoteFailed, RemoteRefused
from detection.services import Particulars
from detection.stages import ANSWERING
from mlcore.errors import ImageRefused

logger = logging.getLogger(__name__)

AHEAD = 64  # images of batches that wait in a lane that answers: enough to keep a model busy
POLL_SECONDS = 0.5  # while any batch is open
PAUSE_SECONDS = 1.0  # after an error that nobody foresaw
STOP_SECONDS = 5.0  # for entries at work; those that take longer go to whoever comes next
FAULT = (
    "A fault in the program kept this image out. Send it again; if it fails again, tell who runs this site."
)
GONE = "The zip is gone from the storage. Send the batch again."


class NoLonger(Exception):
    """Whoever sent the batch may not submit any more. The message is a sentence."""


class BatchWorker:
    def __init__(self, threads: int | None = None, *, hears: bool = True) -> None:
        self.count, self.hears = settings.BATCH_THREADS if threads is None else threads, hears
        self._stopping, self._news, self._wakes = threading.Event(), threading.Condition(), 0

    def wake(self) -> None:
        """All threads: those at work look again afterwards."""
        with self._news:
            self._wakes += 1
            self._news.notify_all()

    def stop(self) -> None:
        """Begins no further entry."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Works until ``stop``. Daemon threads: one that waits for a slow server does not hold up the end."""
        threads = [
            threading.Thread(target=self.work, name=f"batches-{number}", daemon=True)
            for number in range(self.count)
        ]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(self._stopping.wait)
        for thread in threads:
            await asyncio.to_thread(thread.join, STOP_SECONDS)

    def work(self) -> None:
        """One thread's work, until ``stop``."""
        last, idle = None, Rest(self.hears)
        due = time.monotonic() + POLL_SECONDS
        while not self._stopping.is_set():
            wakes = self._wakes  # before looking: what comes from here on wakes us again
            try:
                entry = take(last)
                if time.monotonic() >= due:  # one batch at work for hours keeps no other from its end
                    look_after()
                    due = time.monotonic() + POLL_SECONDS
                # While one is open much may end that nobody tells of, such as the last of its images.
                if entry is not None or batch_queue.any_open():
                    idle.over()
            except Exception:
                logger.exception("The batches cannot be read.")
                connection.close()
                self._stopping.wait(PAUSE_SECONDS)
                continue
            last = entry.batch_id if entry else last
            if entry is None:
                self._rest(wakes, idle)
        connection.close()

    def _rest(self, wakes: int, idle: Rest) -> None:
        with self._news:
            if self._news.wait_for(lambda: self._wakes != wakes, idle.seconds(POLL_SECONDS, None)):
                idle.over()


def take(after: UUID | None = None) -> BatchEntry | None:
    """Works one entry, of the batch whose turn it is after ``after``; None if there was none to work."""
    entry = batch_queue.claim(after) if _has_room() else None
    if entry is None:
        look_after()
        return None
    try:
        _work(entry)
    except Exception:
        logger.exception("An image of batch %s could not be taken in.", entry.batch_id)
        batch_queue.put_off(entry, "fault", FAULT)
    return entry


def look_after() -> None:
    """Ends what nobody else will: entries of workers that died, batches of which all is known."""
    batch_queue.bury()
    batch_queue.finish()


def _has_room() -> bool:
    waiting = StageRun.objects.filter(state=StageRun.State.QUEUED, detection__batch__isnull=False)
    return all(waiting.filter(lane=lane).values("pk")[:AHEAD].count() < AHEAD for lane in ANSWERING)


def _work(entry: BatchEntry) -> None:
    try:
        _submit(entry, submitter(entry.batch))
    except (NoLonger, QuotaExceeded) as error:
        batch_services.stop(pk=entry.batch_id, reason=str(error))
    except StorageFull as error:
        batch_queue.refuse_rest(entry, "storage_full", str(error))
    except LeaseLost:
        logger.info("An image of batch %s was left to another worker.", entry.batch_id)
    except (ImageRefused, ArchiveRefused, RemoteRefused) as error:
        batch_queue.refuse(entry, error.code, str(error))
    except RemoteFailed as error:
        batch_queue.put_off(entry, error.code, str(error))


def _submit(entry: BatchEntry, principal: Principal) -> None:
    storage.require_room(entry.batch.organisation_id)  # nobody's server is asked in vain
    data, name = remote.fetch_image(entry.name) if entry.is_url else _from_archive(entry)
    url = entry.name if entry.is_url else ""
    said = Particulars(reference=entry.batch.reference, source_url=url, batch=entry.batch)
    also = partial(batch_queue.accept, entry)
    services.submit(principal=principal, data=data, name=name, particulars=said, also=also, patience=None)


def _from_archive(entry: BatchEntry) -> tuple[bytes, str]:
    """Opened for each file: its place is known, so that costs no search."""
    try:
        with entry.batch.archive.open("rb") as file:
            data = archives.read(file, Place(**entry.place or {}), settings.MAX_UPLOAD_BYTES)
    except (FileNotFoundError, ValueError):  # the latter: the row names none (any more)
        raise ArchiveRefused("missing_archive", GONE) from None
    return data, entry.name


def submitter(batch: Batch) -> Principal:
    """Whoever sent the batch, with what they may do by now.

    Raises:
        NoLonger: they may not submit here any more.
    """
    principal = _of_key(batch) if batch.submitted_key_id else _of_person(batch)
    if not principal.may(WRITE):
        raise NoLonger("Who sent this batch may not check images any more. The rest was cancelled.")
    return principal


def _of_key(batch: Batch) -> Principal:
    key = batch.submitted_key
    assert key is not None
    if key.revoked_at is not None:
        raise NoLonger(f"The API key “{key}” was revoked. The rest of its batch was cancelled.")
    open_ones = [each for each in with_maker().filter(key=key) if not is_closed(each)]
    if not open_ones:
        raise NoLonger(f"Who made the value of the API key “{key}” has left. The rest was cancelled.")
    # As where a request comes in: a value can do no more than the person who saw it may do today.
    if not any(WRITE in (ALLOWED[each.maker_role] if each.made_by_id else SCOPES) for each in open_ones):
        raise NoLonger(f"Who made the value of the API key “{key}” may not check images any more.")
    return principal_of_key(key)


def _of_person(batch: Batch) -> Principal:
    if batch.submitted_by is None:
        raise NoLonger("Who sent this batch is not here any more. The rest was cancelled.")
    try:
        return principal_for(batch.submitted_by, batch.organisation.slug)
    except Http404:
        raise NoLonger("Who sent this batch has left the organisation. The rest was cancelled.") from None
    except MfaRequired as error:
        raise NoLonger(f"{error} Who sent this batch has none. The rest was cancelled.") from None
    except LookNeeded:
        raise NoLonger("The account of who sent this batch was taken over. The rest was cancelled.") from None
