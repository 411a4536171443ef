"""Removes what nobody wants any more: the oldest of the trash, and files that no row names, which are
left when a process is killed between a file and its row.

Of an upload that was being received there is no row either: those lie beside the store, under names
of ``tempfile``.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import FileField
from django.utils import timezone

from detection import idempotency, trash

logger = logging.getLogger(__name__)

GRACE = timedelta(days=1)  # rows follow their files within seconds; a day forgives all clocks
OURS = re.compile(r"[0-9a-f]{2}/[0-9a-f]{32}")  # see accounts.models.random_path
UPLOADS = "tmp*"  # Django's, see FILE_UPLOAD_TEMP_DIR
IDLE = timedelta(hours=1)  # an upload is written to all the time, and moved or deleted seconds later
DIGITS = "0123456789abcdef"


def sweep(stopped: Callable[[], bool] = lambda: False) -> int:
    """Gives the number of stored files removed. Any number of processes may sweep at once.

    Answers that are kept for a day, for requests that come again, go first; then the oldest of the trash,
    and unfinished uploads.

    Lists the whole store and reads the rows' file names, a sixteenth of both at a time. Whether
    a file is old is asked of those alone that have no row.
    """
    idempotency.forget_old()
    trash.remove_old(stopped)
    _sweep_uploads()
    total, strays = 0, list[str]()
    for digit in DIGITS:
        if stopped():
            return 0
        stored = _stored(digit)  # before the rows: theirs may be written any moment now
        total += len(stored)
        strays += [name for name in stored - _named(digit) if _is_old(name)]
    if 2 * len(strays) > total:
        # A killed process leaves a few. This looks like the store of some other database.
        logger.error("%d of %d stored files are in no record of this database: all stay.", len(strays), total)
        return 0
    return _remove(strays, stopped)


def _sweep_uploads() -> None:
    oldest = time.time() - IDLE.total_seconds()
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob(UPLOADS):
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
                logger.info("An unfinished upload was removed.")
        except FileNotFoundError:  # by its own request or another sweep
            continue


def _remove(names: list[str], stopped: Callable[[], bool]) -> int:
    removed = 0
    for name in names:
        if stopped():
            break
        default_storage.delete(name)
        removed += 1
    if removed:
        logger.info("%d files without a record were removed.", removed)
    return removed


def _stored(digit: str) -> set[str]:
    folders = [name for name in _list("")[0] if name.startswith(digit)]
    names = (f"{folder}/{name}" for folder in folders for name in _list(folder)[1])
    return {name for name in names if OURS.fullmatch(name)}


def _named(digit: str) -> set[str]:
    names = set[str]()
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, FileField):
                rows = model._base_manager.filter(**{f"{field.name}__startswith": digit})
                names.update(rows.values_list(field.name, flat=True).iterator())
    return names


def _list(folder: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:  # nothing has been stored yet
        return [], []


def _is_old(name: str) -> bool:
    try:
        return default_storage.get_modified_time(name) < timezone.now() - GRACE
    except FileNotFoundError:  # deleted since, by its own request or another sweep
        return False
