"""Where a file's metadata cannot all be true, or cannot be about this very picture."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mlcore.contracts import Finding, Says, Source
from mlcore.provenance.text import facts

if TYPE_CHECKING:
    from mlcore.provenance.metadata import Metadata

STAMP = re.compile(r"\s*(\d{4})[:-](\d\d)[:-](\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?")
ZONES = timedelta(hours=26)  # two clocks' time zones, of which EXIF often says nothing
MODIFIED = ("The picture was saved before it was taken",
            "By its own dates the file was last changed before the photograph was taken.")  # fmt: skip
FUTURE = ("Taken in the future", "By its own date the photograph was taken on a day yet to come.")
PLACE = ("Two different days", "The date of the satellite fix and the date of the photograph differ.")
BOTH = ("Camera and generator both named",
        "The file names a camera, and also says that it was generated.")  # fmt: skip


def find(meta: Metadata, now: datetime | None = None) -> list[Finding]:
    """Dates and sizes of one file's metadata that cannot all be true."""
    return [*_times(meta, now or datetime.now(UTC).replace(tzinfo=None)), *_size(meta)]


def between(findings: Iterable[Finding]) -> list[Finding]:
    """A generator and a camera, both named by what is not signed, whichever parts of the file named them."""
    unsigned = {finding.says for finding in findings if not finding.signed}
    return [_contradiction(*BOTH)] if {Says.AI, Says.CAMERA} <= unsigned else []


def stamp(text: str) -> datetime | None:
    """EXIF's or ISO 8601's date and time without its zone; None for what is none."""
    match = STAMP.match(text[:40])
    if match is None:
        return None
    try:
        return datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None


def _times(meta: Metadata, now: datetime) -> list[Finding]:
    texts, found = meta.exif.texts, []
    taken = stamp(texts.get("taken", "") or texts.get("digitised", ""))
    if taken is None:
        return []
    said = {"taken": str(taken)}
    modified = stamp(texts.get("modified", "")) or stamp(meta.xmp_first("ModifyDate"))
    if modified and modified + ZONES < taken:
        found.append(_contradiction(*MODIFIED, **said, modified=str(modified)))
    if taken > now + ZONES:
        found.append(_contradiction(*FUTURE, **said))
    fix = stamp(meta.exif.gps_date)
    if fix and abs(fix - taken) > 2 * ZONES:
        found.append(_contradiction(*PLACE, **said, satellite=str(fix)))
    return found


def _size(meta: Metadata) -> list[Finding]:
    numbers, size = meta.exif.numbers, meta.blocks.size
    said = (int(numbers.get("width", 0)), int(numbers.get("height", 0)))
    if size is None or not all(said) or sorted(said) == sorted(size):
        return []
    detail = (
        f"The metadata speaks of {said[0]} × {said[1]} pixels, but the picture has {size[0]} × {size[1]}: "
        "it was made smaller, cut or exchanged since."
    )
    return [_contradiction("Another size in the metadata", detail, said=list(said), is_size=list(size))]


def _contradiction(title: str, detail: str, **values: object) -> Finding:
    return Finding(Source.METADATA, Says.CONTRADICTION, title, detail, facts=facts(**values))
