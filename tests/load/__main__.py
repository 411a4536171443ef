"""See :mod:`tests.load`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.load.attacks import ATTACKS, Target
from tests.load.site import Running, running
from tests.servers import ROOT

TIMES, MORE_MB, IDLE_PERCENT = 5.0, 150.0, 0.5  # the bars
QUIET = 10  # uploads
SETTLE_SECONDS = 5.0  # that an attack has to get under way
IDLE_SECONDS = 300.0
# The sockets once more, with all of them let in.
LET_IN = {"MAX_LISTENERS": "500", "MAX_LISTENERS_PER_ORGANISATION": "500", "MAX_LISTENERS_PER_PERSON": "500"}


@dataclass(frozen=True)
class Row:
    """``quiet_ms``, ``attacked_ms`` and ``worst_ms``: to a verdict; ``more_mb``: of the web process."""

    name: str
    quiet_ms: float
    attacked_ms: float
    worst_ms: float
    more_mb: float
    is_kept: bool

    def __str__(self) -> str:
        times = f"{self.attacked_ms / self.quiet_ms:.1f}"
        cells = (self.name, f"{self.quiet_ms:.0f}", f"{self.attacked_ms:.0f}", times, f"{self.worst_ms:.0f}")
        return f"| {' | '.join(cells)} | {self.more_mb:+.0f} | {'yes' if self.is_kept else '**no**'} |"


HEADER = """\
| attack | quiet, ms | attacked, ms | times | worst, ms | memory, MB | kept |
| --- | --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    parser.add_argument("--only", nargs="+", choices=[*ATTACKS, "sockets_let_in", "idle"])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each attack")
    asked = parser.parse_args()
    if not asked.json:
        print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="cifake-load-") as folder:
        for found in rows(Path(folder), asked.only or [*ATTACKS, "sockets_let_in", "idle"], asked.seconds):
            print(
                json.dumps(found if isinstance(found, dict) else asdict(found))
                if asked.json
                else _told(found),
                flush=True,
            )


def rows(folder: Path, names: list[str], seconds: float) -> Iterator[Row | dict[str, float]]:
    """A server of its own for each: none inherits another's memory."""
    for name in names:
        with running(folder / name, **(LET_IN if name == "sockets_let_in" else {})) as site:
            yield idle(site) if name == "idle" else attacked(site, name, seconds)


def idle(site: Running) -> dict[str, float]:
    """Nobody asks for anything."""
    time.sleep(SETTLE_SECONDS)
    before = site.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    return {"idle_percent": 100 * (site.cpu_seconds() - before) / IDLE_SECONDS}


def attacked(site: Running, name: str, seconds: float) -> Row:
    site.verdict_seconds()
    quiet = median(site.verdict_seconds() for _ in range(QUIET))
    with site.memory() as memory, attack(name.removesuffix("_let_in"), site.stranger):
        time.sleep(SETTLE_SECONDS)
        end, taken = time.monotonic() + seconds, list[float]()
        while time.monotonic() < end:
            taken.append(site.verdict_seconds())
    more, usual = max(memory) - memory[0], median(taken)
    kept = usual <= TIMES * quiet and more <= MORE_MB
    return Row(name, 1000 * quiet, 1000 * usual, 1000 * max(taken), more, kept)


@contextmanager
def attack(name: str, target: Target) -> Iterator[None]:
    """In a process of its own, which a thousand connections may keep busy."""
    command = [sys.executable, "-m", "tests.load.attacks", name, json.dumps(asdict(target))]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _told(found: Row | dict[str, float]) -> str:
    if isinstance(found, Row):
        return str(found)
    share = found["idle_percent"]
    return f"\nidle: {share:.2f} % of a core ({'kept' if share <= IDLE_PERCENT else 'NOT kept'})"


if __name__ == "__main__":
    main()
