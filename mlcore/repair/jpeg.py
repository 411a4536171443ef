"""JPEG (ITU-T T.81): bounded work, a mark at its end, and what of it is missing."""

from __future__ import annotations

from mlcore import containers
from mlcore.containers import Jpeg
from mlcore.repair.prepared import Incomplete, Prepared, TooComplex

MOST_SCANS = 100  # encoders write up to 12 or so; within TIFF files libtiff stops at 100, too
MOST_SEGMENTS = 10_000  # 25 MiB hold 400 of full length
# Each scan is a walk over all of its blocks: pixels of all scans together, some 1.4 ns each.
MOST_SCANNED = 2_000_000_000
END = b"\xff\xd9"
FILLER = b"\x5a\xa5" * 64  # bits in the place of missing ones: any decoder makes something of them
ZEROS = 64  # so many at the end are no picture: of a download that was given its length beforehand


def prepare(data: bytes, most_pixels: int) -> Prepared:
    found = containers.jpeg(data, MOST_SEGMENTS)
    _check(found)
    if found.ended:
        other = data[: found.end] + FILLER + END
        return Prepared(data, other=other, cut=False, variant=found.variant)
    if not found.scans or (found.progressive and not found.refined):  # whole scans are missing
        raise Incomplete
    body = data.rstrip(b"\0") if data.endswith(bytes(ZEROS)) else data
    return Prepared(body + END, other=body + FILLER + END, variant=found.variant)


def _check(found: Jpeg) -> None:
    if found.scans > MOST_SCANS:
        raise TooComplex(f"more than {MOST_SCANS} scans")
    if found.segments > MOST_SEGMENTS:
        raise TooComplex(f"more than {MOST_SEGMENTS:,} segments")
    if found.scanned > MOST_SCANNED:
        raise TooComplex(f"{found.scans} scans of {found.pixels / 1e6:.0f} megapixels")
