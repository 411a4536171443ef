"""From bytes to checked facts and the small pictures that pages show, or a clear refusal.

Nothing is decoded in this process: a few others, with limits of time and memory, do that, and
organisations take turns at them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from django.conf import settings

from detection.turns import Turns
from mlcore import imaging
from mlcore.decoding import DecodingProcess

logger = logging.getLogger(__name__)

PREVIEW_SIDE = 1600  # px
THUMBNAIL_SIDE = 256  # px
# A picture of 50 megapixels takes up to a gigabyte while it is decoded, so few are at a time; one of
# these places is always left to other organisations than the one that sends most.
PLACES = 2
# Requests of one organisation, and of all: fewer than the site has at work at a time, so that others than
# those who wait here get their answers (cifake_site.requests_under_way).
WAITING = 20, 32
PATIENCE = 30.0  # seconds that a request waits for its turn
BUSY = "Too many images are being taken in just now. Send this one again in a moment."
BATCHES = "batches"  # take turns as one more organisation: of the places, one is always for people
DECODING = Turns(PLACES, PLACES - 1, WAITING, BUSY)


@dataclass(frozen=True)
class Intake:
    """A file that may be stored: its bytes as they came, and what is shown of it."""

    name: str
    data: bytes
    sha256: str
    facts: dict[str, Any]
    preview: tuple[bytes, str]  # file and MIME type
    thumbnail: tuple[bytes, str]

    @property
    def stored_bytes(self) -> int:
        return len(self.data) + len(self.preview[0]) + len(self.thumbnail[0])


def take_in(data: bytes | IO[bytes], name: str, owner: Hashable, patience: float | None = PATIENCE) -> Intake:
    """Checks and decodes one file. ``owner``: the organisation whose turn it takes, or ``BATCHES``.

    Raises:
        mlcore.errors.ImageRefused: with a sentence that names the file, the limit and the way out.
        detection.turns.Busy: the wait would be longer than ``patience`` seconds.
    """
    limits = imaging.Limits(bytes=settings.MAX_UPLOAD_BYTES)
    with DECODING.turn(owner, patience):
        # One byte above the limit is enough to refuse the file: never read all of a huge one.
        content = data if isinstance(data, bytes) else data.read(limits.bytes + 1)
        with _POOL.process() as process:
            decoded = process.decode(content, name, limits, (PREVIEW_SIDE, THUMBNAIL_SIDE))
    preview, thumbnail = decoded.previews
    return Intake(
        name=imaging.clean_name(name),
        data=content,
        sha256=decoded.facts.sha256,
        facts=asdict(decoded.facts),
        preview=preview,
        thumbnail=thumbnail,
    )


class _Pool:
    """Processes that wait for work; as many as there are places, made when they are first needed."""

    def __init__(self) -> None:
        self._idle: list[DecodingProcess] = []
        self._lock = threading.Lock()

    @contextmanager
    def process(self) -> Iterator[DecodingProcess]:
        with self._lock:
            process = self._idle.pop() if self._idle else DecodingProcess()
        try:
            yield process
        finally:
            with self._lock:
                self._idle.append(process)

    def start(self) -> None:
        """All of them, ahead of the first file."""
        for process in [DecodingProcess() for _ in range(PLACES - len(self._idle))]:
            process.start()
            with self._lock:
                self._idle.append(process)

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()


_POOL = _Pool()


def start() -> None:
    """Starts the processes that decode, so that the first file does not wait for them. Blocks."""
    try:
        _POOL.start()
    except OSError:
        logger.exception("The processes that decode pictures do not start. The next file tries again.")


def stop() -> None:
    _POOL.close()
