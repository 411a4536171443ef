"""What is used: images exactly, for quotas rest on them; requests in memory first, written in passing.

Days and months are those of UTC. Images by people count too, together and without a quota.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from uuid import UUID

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Sum
from django.utils import timezone

from accounts.access import Principal
from accounts.models import ApiKey, Usage

FLUSH_SECONDS = 5.0

_Place = tuple[UUID, UUID, date]  # organisation, key, day
_pending: Counter[tuple[_Place, str]] = Counter()
_lock = Lock()


class QuotaExceeded(Exception):
    """A key's images of the month are used up. The message is a sentence; ``wait`` are the seconds left."""

    def __init__(self, key: ApiKey, per_month: int, left: int, images: int) -> None:
        self.wait = month_ends_in()
        some = f"{left} are left, and this takes {images}" if left else "they are used up"
        super().__init__(
            f"The key “{key}” may take in {per_month:,} images a month; {some}. "
            "Wait for the next month (UTC), or ask an administrator for a higher quota."
        )


def count_images(principal: Principal, images: int = 1) -> None:
    """Writes down images taken in, within the caller's transaction: if that fails, they do not count.

    Two at once cannot share the last image of a quota: its key is locked until the transaction ends.

    Raises:
        QuotaExceeded: the key's month has no room for all of them; none is counted.
    """
    with transaction.atomic():
        require_room(principal, images, lock=True)
        key = principal.key.pk if principal.key else None
        _add(principal.organisation.pk, key, today(), {"images": images})


def require_room(principal: Principal, images: int = 1, *, lock: bool = False) -> None:
    """Raises QuotaExceeded if a key's month has no room: asked before work is begun, to do none in vain."""
    key = principal.key
    if key is None or (key.per_month is None and key.made_by_key_id is None):
        return
    # The oldest first, so that two that are locked at once do not wait for each other.
    for each in reversed(lineage(key)):
        _require_room(each, images, lock=lock)


def _require_room(key: ApiKey, images: int, *, lock: bool) -> None:
    rows = ApiKey.objects.select_for_update() if lock else ApiKey.objects.all()
    # As it is now, not as it was when the request came in.
    per_month = rows.filter(pk=key.pk).values_list("per_month", flat=True).first()
    left = None if per_month is None else max(0, per_month - month_used(key))
    if per_month is not None and left is not None and images > left:
        raise QuotaExceeded(key, per_month, left, images)


def lineage(key: ApiKey) -> list[ApiKey]:
    """The key, the key that made it, and so on: none gets past its limits by making others."""
    found = [key]
    while (maker := found[-1].made_by_key) is not None:
        found.append(maker)
    return found


def month_used(key: ApiKey) -> int:
    """Images that a key, with those that it made, has taken in since the month began."""
    keys = makers = {key.pk}
    while makers := set(ApiKey.objects.filter(made_by_key__in=makers).values_list("pk", flat=True)):
        keys = keys | makers
    rows = Usage.objects.filter(key__in=keys, day__gte=today().replace(day=1))
    return rows.aggregate(total=Sum("images"))["total"] or 0


def month_ends_in() -> int:
    """Seconds until the next month begins, at least 1."""
    now = timezone.now()
    first = (now.date().replace(day=1) + timedelta(days=32)).replace(day=1)
    return int((datetime(first.year, first.month, 1, tzinfo=UTC) - now).total_seconds()) + 1


def count_request(principal: Principal, *, refused: bool = False) -> None:
    """Notes a request of a key in memory; ``flush`` writes. A server that is killed loses a few seconds."""
    if principal.key is None:
        return
    place = (principal.organisation.pk, principal.key.pk, today())
    with _lock:
        _pending[place, "requests"] += 1
        if refused:
            _pending[place, "refused"] += 1


def has_pending() -> bool:
    return bool(_pending)


def flush() -> None:
    """Writes down what was noted: one statement for each key and day. Safe from any thread."""
    with _lock:
        noted = Counter(_pending)
        _pending.clear()
    amounts: dict[_Place, dict[str, int]] = {}
    for (place, name), count in noted.items():
        amounts.setdefault(place, {})[name] = count
    for place, each in amounts.items():
        _write(place, each)


def _write(place: _Place, amounts: dict[str, int]) -> None:
    organisation, key, day = place
    try:
        with transaction.atomic():
            if ApiKey.objects.filter(pk=key).exists():  # its organisation may be gone by now
                _add(organisation, key, day, amounts)
    except IntegrityError:
        pass  # gone in this very moment
    except DatabaseError:
        with _lock:  # next time
            _pending.update({(place, name): count for name, count in amounts.items()})
        raise


def _add(organisation: UUID, key: UUID | None, day: date, amounts: dict[str, int]) -> None:
    """Adds within the database, so that nothing of another process or thread is overwritten."""
    rows = Usage.objects.filter(organisation_id=organisation, key_id=key, day=day)
    more = {name: F(name) + count for name, count in amounts.items()}
    if rows.update(**more):
        return
    try:
        with transaction.atomic():
            Usage.objects.create(organisation_id=organisation, key_id=key, day=day, **amounts)
    except IntegrityError:  # another made the day's row in between
        rows.update(**more)


def today() -> date:
    return timezone.now().date()
