"""Provenance read in a process of its own, with a deadline for each file.

Parsers of hostile metadata may hang, crash or eat memory, native ones (C2PA) beyond the reach of
any ``except``. Here that costs one file its provenance and nothing else. The child gets bytes and
answers in JSON, so that nothing it sends is ever executed.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

from mlcore import imaging
from mlcore.contracts import Finding, Provenance, ProvenanceSummary, Says, Source
from mlcore.errors import ImageRefused, MlcoreError

# Of processor time for one file, so that a busy machine gives none up; an honest one takes some hundredths.
SECONDS = 10.0
WALL = 3  # times as long by the clock, at most
START_SECONDS = 120.0  # imports from a slow disk
MEMORY = 4 * 1024**3  # bytes of address space, in the child
ANSWER_BYTES = 4 * 1024**2

TOO_LONG = (
    "Reading where this file comes from took too long and was stopped: what it says about itself is damaged "
    "or made to confuse programs. Everything else was examined as usual."
)
DIED = (
    "Reading where this file comes from failed: what it says about itself may be damaged. Everything else "
    "was examined as usual."
)
NOT_STARTED = "The program that reads where files come from did not start. The log says more."


class ProvenanceFailed(MlcoreError):
    """``provenance_timed_out``: this file would do it again. ``provenance_died``: another try may work."""

    code = "provenance_died"


class ProvenanceProcess:
    """``with ProvenanceProcess(trust_dir) as process``; a child that ended is replaced at the next file.

    To be used from one thread.
    """

    def __init__(self, trust_dir: Path | None, seconds: float = SECONDS) -> None:
        self.trust_dir, self.seconds = trust_dir, seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def examine(self, data: bytes, name: str) -> Provenance:
        """What the file says about its origin.

        Raises:
            ProvenanceFailed: it took more than ``seconds`` of processor time, or three times as long by the
                clock; or the child died over it.
        """
        self.start()
        assert self._pipe is not None
        with self._deadline(WALL * self.seconds, TOO_LONG, "provenance_timed_out"):
            self._pipe.send_bytes(name.encode(errors="replace"))
            self._pipe.send_bytes(data)
            return from_json(json.loads(self._pipe.recv_bytes(ANSWER_BYTES)))

    def start(self) -> None:
        """Makes sure that the child is there and has imported all it needs.

        Raises:
            ProvenanceFailed: it does not start.
        """
        if self._child is not None and self._child.poll() is None:
            return
        self.close()
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(self.trust_dir or "")]
        command.append(str(self.seconds))
        self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=_environment(), stdout=2)
        theirs.close()
        with self._deadline(START_SECONDS, NOT_STARTED, "provenance_died"):
            self._pipe.recv_bytes(1)

    def close(self) -> int:
        """Ends the child, which has nothing to save; gives the status that it ended with."""
        status = 0
        if self._child is not None:
            self._child.kill()
            status = self._child.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None
        return status

    def __enter__(self) -> ProvenanceProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _deadline(self, seconds: float, words: str, code: str) -> Iterator[None]:
        """Kills the child when the time is up, which ends a blocked send as well as a wait."""
        late = threading.Event()
        timer = threading.Timer(seconds, self._stop, [late])
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError, ValueError) as error:
            took_too_long = self.close() == -signal.SIGPROF or late.is_set()
            raise ProvenanceFailed(words, code=code) if took_too_long else ProvenanceFailed(DIED) from error
        finally:
            timer.cancel()

    def _stop(self, late: threading.Event) -> None:
        late.set()
        with suppress(OSError, AttributeError):  # it has just ended by itself
            self._child.kill()  # type: ignore[union-attr]


def as_json(found: Provenance) -> dict[str, Any]:
    return {
        "summary": str(found.summary),
        "sentence": found.sentence,
        "findings": _plain(found.findings),
        "exif": [list(row) for row in found.exif],
        "place": list(found.place) if found.place else None,
    }


def _plain(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    return [asdict(each) | {"source": str(each.source), "says": str(each.says)} for each in findings]


def from_json(found: dict[str, Any]) -> Provenance:
    findings = [
        Finding(**{**each, "source": Source(each["source"]), "says": Says(each["says"])})
        for each in found["findings"]
    ]
    exif = tuple((label, text) for label, text in found.get("exif", ()))
    place = tuple(found["place"]) if found.get("place") else None
    summary = ProvenanceSummary(found["summary"])
    return Provenance(summary, found["sentence"], tuple(findings), exif, place)


# --- The child --------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main(descriptor: int, trust_dir: Path | None, seconds: float) -> None:
    """Answers file after file until the pipe ends."""
    from mlcore import provenance

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    pipe = Connection(descriptor)
    pipe.send_bytes(b"1")
    with suppress(EOFError, OSError):
        while True:
            name, data = pipe.recv_bytes().decode(), pipe.recv_bytes()
            signal.alarm(int(2 * WALL * seconds) + 1)  # where the parent is gone, who keeps the time
            signal.setitimer(signal.ITIMER_PROF, seconds)  # processor time; its signal ends us
            trusted = trust_dir if trust_dir and trust_dir.is_dir() else None  # it may arrive any day
            found = provenance.examine(data, _image(data, name), trust_dir=trusted)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
            pipe.send_bytes(json.dumps(as_json(found)).encode())


def _image(data: bytes, name: str) -> Any:
    try:
        return imaging.examine(data, name, imaging.Limits(bytes=len(data) + 1)).image
    except (ImageRefused, MemoryError):
        return None


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2] else None, float(sys.argv[3]))
