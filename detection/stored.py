"""Files of rows. They are written ahead of their rows: none of those may be lost, few left behind."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType

from django.core.files.base import ContentFile, File
from django.db.models.fields.files import FieldFile
from django.http import Http404

logger = logging.getLogger(__name__)


class NewFiles:
    """Removes, at the end of its ``with`` block, all files that were added and not kept.

    ``keep`` comes last in the transaction that saves the rows. From its COMMIT on, whatever
    is raised, only the database knows whether the rows are there; and a file too many, which
    the sweeper finds, is better than a record whose file is lost.
    """

    def __init__(self) -> None:
        self._loose: list[FieldFile] = []

    def add(self, field: FieldFile, data: bytes | File[bytes]) -> int:
        """Gives its bytes. A file that lies on the disk already is moved, or copied piece by piece."""
        content = ContentFile(data) if isinstance(data, bytes) else data
        size = content.size  # before it is moved
        field.save("", content, save=False)
        self._loose.append(field)
        return size

    def keep(self, files: Iterable[FieldFile]) -> None:
        names = {file.name for file in files}
        self._loose = [file for file in self._loose if file.name not in names]

    def __enter__(self) -> NewFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            remove(self._loose)
        except Exception:  # the rows are as they should be, and their caller must hear so
            logger.warning("New files could not be removed: the sweeper will.", exc_info=True)


def remove(files: Iterable[FieldFile]) -> None:
    for file in files:
        if file.name:
            file.storage.delete(file.name)


def read(field: FieldFile) -> bytes:
    """Raises Http404 where the file is gone."""
    try:
        with field.storage.open(field.name or "", "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise Http404("This file is gone.") from None


def size(field: FieldFile) -> int:
    """Bytes. Raises Http404 where the file is gone."""
    try:
        return field.storage.size(field.name or "")
    except FileNotFoundError:
        raise Http404("This file is gone.") from None
