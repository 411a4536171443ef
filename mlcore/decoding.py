"""Pictures decoded in a process of their own, with a limit of time and of memory for each file.

Decoders of hostile files may hang, crash or eat memory, native ones beyond the reach of any ``except``.
Here that costs one file its examination and nothing else. What comes back are numbers, sentences, and
small pictures that the child has encoded itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from mlcore import imaging
from mlcore.contracts import ImageFacts
from mlcore.errors import ImageRefused
from mlcore.imaging import Limits

# Of processor time for one file, so that a busy machine refuses none; 50 megapixels take 1 to 5.
SECONDS = 20.0
WALL = 3  # times as long by the clock, at most
START_SECONDS = 60.0  # imports from a slow disk
MEMORY = 2 * 1024**3  # bytes of address space in the child: 50 megapixels take up to 1.2 GB
M_MMAP_THRESHOLD = -3  # malloc.h


@dataclass(frozen=True)
class Decoded:
    """A file's facts, and the picture as browsers are shown it, once for each side asked for."""

    facts: ImageFacts
    previews: tuple[tuple[bytes, str], ...]  # file and MIME type


class DecodingProcess:
    """One child; one that ended is replaced at the next file. To be used from one thread at a time."""

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self.seconds, self.memory = seconds, memory
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def decode(self, data: bytes, name: str, limits: Limits, sides: tuple[int, ...]) -> Decoded:
        """Examines a file, and encodes previews with these sides in pixels.

        Raises:
            ImageRefused: as ``imaging.examine``; also too_complex, where it took too long or too much memory.
            OSError: no child can be started.
        """
        order = json.dumps({"name": name, "limits": asdict(limits), "sides": sides}).encode()
        return self._decode(order, data, name) or self._decode(order, data, name, again=True)  # type: ignore[return-value]

    def _decode(self, order: bytes, data: bytes, name: str, again: bool = False) -> Decoded | None:
        """None where somebody else killed the child, which the file may have nothing to do with."""
        self.start()
        try:
            return self._exchange(order, data)
        except TimeoutError as error:
            self.close()
            raise _given_up(name, TOO_LONG) from error
        except (EOFError, OSError, ValueError) as error:
            status = self.close()
            if status == -signal.SIGKILL and not again:
                return None
            raise _given_up(name, TOO_LONG if status == -signal.SIGPROF else DIED) from error

    def start(self) -> None:
        """Makes sure that the child is there and has imported all it needs. Raises OSError."""
        if self._child is not None and self._child.poll() is None:
            return
        self.close()
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", __name__, str(theirs.fileno()), str(self.memory), str(self.seconds)]
        self._child = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=_environment(), stdout=2)
        theirs.close()
        try:
            self._receive(START_SECONDS)
        except (EOFError, TimeoutError) as error:
            self.close()
            raise OSError("The process that decodes pictures did not start.") from error

    def close(self) -> int:
        """Ends the child, which has nothing to save; gives the status that it ended with."""
        status = 0
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            with suppress(subprocess.TimeoutExpired):  # one that ends by itself says why
                self._child.wait(0.1)
            self._child.kill()
            status = self._child.wait()
        self._child = self._pipe = None
        return status

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    def _exchange(self, order: bytes, data: bytes) -> Decoded:
        assert self._pipe is not None
        self._pipe.send_bytes(order)
        self._pipe.send_bytes(data)
        answer = json.loads(self._receive(WALL * self.seconds))
        if "refused" in answer:
            raise ImageRefused(answer["refused"], code=answer["code"])
        files = [self._receive(WALL * self.seconds) for _ in answer["mimes"]]
        facts = answer["facts"]
        facts["notes"] = tuple(facts["notes"])
        return Decoded(ImageFacts(**facts), tuple(zip(files, answer["mimes"], strict=True)))

    def _receive(self, seconds: float) -> bytes:
        assert self._pipe is not None
        if not self._pipe.poll(seconds):
            raise TimeoutError
        return self._pipe.recv_bytes()


TOO_LONG, DIED, TOO_LARGE = (
    "took too long to decode",
    "could not be decoded",
    "takes too much memory to decode",
)


def _given_up(name: str, why: str) -> ImageRefused:
    return ImageRefused(
        f"{imaging.clean_name(name)} {why} and was given up. Open it in a picture editor and save it anew.",
        code="too_complex",
    )


# --- The child --------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parent.parent)
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main(descriptor: int, memory: int, seconds: float) -> None:
    """Answers file after file until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    give_memory_back()
    pipe = Connection(descriptor)
    pipe.send_bytes(b"1")
    with suppress(EOFError, OSError):
        while True:
            order, data = json.loads(pipe.recv_bytes()), pipe.recv_bytes()
            signal.alarm(int(2 * WALL * seconds) + 1)  # where the parent is gone, who keeps the time
            signal.setitimer(signal.ITIMER_PROF, seconds)  # processor time; its signal ends us
            answer = _answer(order, data)
            signal.setitimer(signal.ITIMER_PROF, 0)
            for part in answer:
                pipe.send_bytes(part)


def give_memory_back() -> None:
    """glibc keeps what was freed, for each thread: gigabytes after some large pictures. Not above 1 MiB."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries have none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 1024 * 1024)


def _answer(order: dict[str, Any], data: bytes) -> list[bytes]:
    name = order["name"]
    try:
        picture = imaging.examine(data, name, Limits(**order["limits"]))
        previews = [imaging.preview(picture, side) for side in order["sides"]]
    except ImageRefused as error:
        return [json.dumps({"refused": str(error), "code": error.code}).encode()]
    except MemoryError:
        return [json.dumps({"refused": str(_given_up(name, TOO_LARGE)), "code": "too_complex"}).encode()]
    head = {"facts": asdict(picture.facts), "mimes": [mime for _, mime in previews]}
    return [json.dumps(head).encode(), *(file for file, _ in previews)]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
