"""Real processes for tests: servers, consumers and a PostgreSQL, each on a folder of its own.

They run the product's own settings and talk to the test through their database.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 150.0  # seconds for what a busy machine may take; only a broken test waits that long


def eventually(check: Callable[[], object], patience: float = PATIENCE) -> object:
    """Waits for a row, a line or a process to get there; fails with what was seen last."""
    end = time.monotonic() + patience
    while not (seen := check()):
        assert time.monotonic() < end, f"still {seen!r} after {patience} s"
        time.sleep(0.05)
    return seen


class Site:
    """A data folder and a database; commands run on them as processes."""

    def __init__(self, folder: Path, database_url: str = "", **environment: str) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "cifake_site.settings",
            "DATA_DIR": str(folder),
            "DATABASE_URL": database_url or f"sqlite:///{folder / 'cifake.sqlite3'}",
            **environment,
        }
        self.logs = 0

    def run(self, *arguments: str) -> str:
        """A management command to its end."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def started(self, *arguments: str) -> Iterator[Process]:
        """A management command in the background; killed, if it is still there, at the end."""
        self.logs += 1
        process = Process(self, arguments, self.folder / f"{arguments[0]}-{self.logs}.log")
        try:
            yield process
        finally:
            process.kill()


class Process:
    def __init__(self, site: Site, arguments: tuple[str, ...], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self.popen = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT, env=site.environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.pid = self.popen.pid

    def says(self, words: str) -> str:
        """Waits for a line with these words, and gives it."""

        def line() -> str:
            assert self.popen.poll() is None or words in self.text(), self.text()
            return next((line for line in self.text().splitlines() if words in line), "")

        return str(eventually(line))

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def children(self) -> list[int]:
        """Processes that it started and that are still running, model processes among them."""
        lists = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for each in lists for pid in each.read_text().split() if running(int(pid))]

    def model_processes(self) -> list[int]:
        return [pid for pid in self.children() if b"spawn_main" in command_line(pid)]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end; gives its exit status."""
        self.popen.send_signal(number)
        return self.popen.wait(PATIENCE)

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait(PATIENCE)


def running(pid: int) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Postgres:
    """A PostgreSQL of our own in a temporary folder, reached by a socket in it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cifake-pg-"))
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, self.user)
        self._tool("initdb", "-D", self.data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
        self._tool("pg_ctl", "-D", self.data, "-l", str(self.folder / "log"), "-w", "-o", options, "start")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def database(self, like: str = "") -> str:
        """The URL of a new database: empty, or a copy of the one at ``like``, which nobody uses meanwhile."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        template = ["-T", like.rpartition("/")[2]] if like else []
        self._tool("createdb", "-h", str(self.folder), "-U", "test", *template, name)
        return f"postgres://test@{str(self.folder).replace('/', '%2F')}/{name}"

    def close(self) -> None:
        self._tool("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tool(self, name: str, *arguments: str) -> None:
        as_user = ["setpriv", f"--reuid={self.user}", "--regid=postgres", "--clear-groups"]
        prefix = as_user if os.geteuid() == 0 else []
        done = subprocess.run(
            [*prefix, str(postgres_tools() / name), *arguments],
            cwd=self.folder, check=False, text=True, timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE if name != "pg_ctl" else subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stderr}"


def postgres_tools() -> Path:
    """Debian keeps them out of the PATH; the newest version there is."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    assert folders, "The chaos tests need PostgreSQL: apt-get install postgresql"
    return folders[-1]


class Redis:
    """A Redis of our own, reached by a socket in a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cifake-redis-"))
        socket = self.folder / "socket"
        self.url = f"unix://{socket}"
        program = shutil.which("redis-server")
        assert program, "These tests need Redis: apt-get install redis-server"
        self.popen = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(self.folder)],
            stdout=subprocess.DEVNULL,
        )
        eventually(socket.exists)

    def close(self) -> None:
        self.popen.terminate()
        self.popen.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)
