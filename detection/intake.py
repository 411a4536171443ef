"""From bytes to checked facts and the small pictures that pages show, or a clear refusal."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from threading import BoundedSemaphore
from typing import IO, Any

from django.conf import settings

from mlcore import imaging

PREVIEW_SIDE = 1600  # px
THUMBNAIL_SIDE = 256  # px
# A picture of 50 megapixels takes some 500 MB while it is decoded. Each request has a thread of its
# own, so without a limit for the whole process its memory would be as large as people are many.
DECODING = BoundedSemaphore(2)


@dataclass(frozen=True)
class Intake:
    """A file that may be stored: its bytes as they came, and what is shown of it."""

    name: str
    data: bytes
    sha256: str
    facts: dict[str, Any]
    preview: tuple[bytes, str]  # file and MIME type
    thumbnail: tuple[bytes, str]


def take_in(data: bytes | IO[bytes], name: str) -> Intake:
    """Checks and decodes one file.

    Raises:
        mlcore.errors.ImageRefused: with a sentence that names the file, the limit and the way out.
    """
    limits = imaging.Limits(bytes=settings.MAX_UPLOAD_BYTES)
    with DECODING:
        # One byte above the limit is enough to refuse the file: never read all of a huge one.
        content = data if isinstance(data, bytes) else data.read(limits.bytes + 1)
        picture = imaging.examine(content, name, limits)
        preview, thumbnail = (imaging.preview(picture, side) for side in (PREVIEW_SIDE, THUMBNAIL_SIDE))
    return Intake(
        name=imaging.clean_name(name),
        data=content,
        sha256=picture.facts.sha256,
        facts=asdict(picture.facts),
        preview=preview,
        thumbnail=thumbnail,
    )
