"""How many bytes an organisation has stored, and whether there is room for more.

Bytes are counted in the transaction that saves or removes the rows of the files. The row of the counter is
the last one that a transaction locks: whoever holds it waits for nobody, and counting rows anew is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Greatest
from django.template.defaultfilters import filesizeformat

from accounts.models import Organisation, StorageUse

UNITS = {"": 1, "b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30, "tb": 2**40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?b?)", re.IGNORECASE | re.ASCII)
MOST_BYTES = 2**63 - 1  # what the column holds


@dataclass(frozen=True)
class Room:
    """``used`` and ``limit`` in bytes; ``limit`` None: as much as the disk takes."""

    used: int
    limit: int | None

    @property
    def used_words(self) -> str:
        return size_words(self.used)

    @property
    def limit_words(self) -> str:
        return "" if self.limit is None else size_words(self.limit)

    @property
    def is_full(self) -> bool:
        return not self.holds(1)

    def holds(self, size: int) -> bool:
        return self.limit is None or self.used + size <= self.limit


class StorageFull(Exception):
    """The organisation may not store that many bytes more. The message is a sentence."""

    def __init__(self, room: Room, size: int) -> None:
        state = "is full" if room.is_full else "has too little room"
        takes = "" if room.is_full else f", and this takes {size_words(size)}"
        super().__init__(
            f"The organisation's storage {state}: {room.used_words} of {room.limit_words} are used{takes}; "
            "delete images and empty the trash, or ask who runs this site for more room."
        )


def room(organisation: UUID) -> Room:
    """As it is now: a changed limit holds at once."""
    rows = Organisation.objects.filter(pk=organisation)
    used, own = rows.values_list("storage__bytes", "storage_quota_bytes").first() or (0, None)
    limit = settings.STORAGE_QUOTA_BYTES if own is None else own
    return Room(used or 0, limit or None)


def require_room(organisation: UUID, size: int = 1) -> None:
    """Asked before work is begun, to do none in vain. Nothing is counted.

    Raises:
        StorageFull: ``size`` bytes more are not allowed.
    """
    if not (found := room(organisation)).holds(size):
        raise StorageFull(found, size)


def take(organisation: UUID, size: int) -> None:
    """Counts bytes that come in; the last statement of the transaction that saves their rows.

    Two at once cannot share the last room: the second one's UPDATE waits, and looks again.

    Raises:
        StorageFull: there is no room for them; none is counted.
    """
    limit = room(organisation).limit
    if not _add(organisation, size, limit):
        raise StorageFull(room(organisation), size)


def change(sizes: Mapping[UUID, int]) -> None:
    """Counts bytes by organisation, whatever the limit: of what was let in already, or below 0 of what goes.

    The last statement of its transaction. Always in one order: two of them cannot wait for each other.
    """
    for organisation in sorted(sizes):
        if sizes[organisation]:
            _add(organisation, sizes[organisation], None)


def _add(organisation: UUID, size: int, limit: int | None) -> bool:
    """False where the limit forbids it. The organisation's first bytes make its row."""
    rows = StorageUse.objects.filter(organisation_id=organisation)
    fits = rows if limit is None else rows.filter(bytes__lte=limit - size)
    more = {"bytes": Greatest(F("bytes") + size, 0)}
    if fits.update(**more):
        return True
    StorageUse.objects.bulk_create([StorageUse(organisation_id=organisation)], ignore_conflicts=True)
    return bool(fits.update(**more))


def size_words(size: int) -> str:
    """As in “9.8 GB”, of 1,024 each."""
    return filesizeformat(size).replace("\xa0", " ")


def exact_words(size: int) -> str:
    """In the largest unit of which it is a whole number: what is read back is the same."""
    name = max((each for each in UNITS if size % UNITS[each] == 0), key=UNITS.__getitem__)
    return f"{size // UNITS[name]} {name.upper() or 'B'}" if size else "0"


def size_from(text: str) -> int:
    """Bytes, from “10 GB”, “1.5tb” or a plain number. Raises ValueError."""
    found = SIZE.fullmatch(text.strip().replace(",", ""))
    if found is None:
        raise ValueError(text)
    number, unit = found.groups()
    name = unit.lower()
    size = Decimal(number) * UNITS[name if name in UNITS else f"{name}b"]
    if size > MOST_BYTES:
        raise ValueError(text)
    return int(size)
