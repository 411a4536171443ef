from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import Postgres, Process, Site, eventually

STAGES_MODULE = "tests.chaos.stages"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


class ChaosSite(Site):
    """A site with the real classifier, short leases, and a look into its rows and files."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        # One thread more or less does not matter here; leases and pauses a test can wait for do.
        super().__init__(
            folder, database_url, STAGES_MODULE=STAGES_MODULE, LEASE_SECONDS="4", RETRY_SECONDS="0.2"
        )
        self.database_url = self.environment["DATABASE_URL"]
        self.hold = folder / "hold"

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        if self.database_url.startswith("sqlite"):
            with closing(sqlite3.connect(self.folder / "cifake.sqlite3", timeout=30)) as connection:
                return connection.execute(sql).fetchall()
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql).fetchall()

    def count(self, condition: str = "TRUE") -> int:
        """Rows of the verdict stage."""
        sql = f"SELECT count(*) FROM detection_stagerun WHERE stage = 'verdict' AND {condition}"
        return int(self.rows(sql)[0][0])

    def files(self) -> list[Path]:
        return [path for path in (self.folder / "media").rglob("*") if path.is_file()]

    def shell(self, code: str) -> Any:
        """Runs code in the site; gives what it printed last, as JSON."""
        return json.loads(self.run("shell", "-v0", "-c", code).splitlines()[-1])

    def check_all_done(self, count: int) -> None:
        """Each done once, with its heat map, and not a file too many or too few."""
        assert self.count() == count
        not_done = self.rows("SELECT * FROM detection_stagerun WHERE stage = 'verdict' AND state <> 'done'")
        assert not_done == []
        kept = self.rows("SELECT detection_id, file FROM detection_artefact WHERE kind = 'heatmap'")
        assert len({detection for detection, _ in kept}) == len(kept) == count
        for _, name in kept:
            assert (self.folder / "media" / name).read_bytes().startswith(b"\x89PNG")
        assert len(self.files()) == 4 * count  # original, preview, thumbnail, heat map
        with_verdict = self.rows("SELECT count(*) FROM detection_detection WHERE verdict <> ''")
        assert with_verdict[0][0] == count


@pytest.fixture(params=["sqlite", "postgres"])
def site(request, tmp_path: Path) -> ChaosSite:
    folder = tmp_path / "site"
    folder.mkdir()
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").database()
    site = ChaosSite(folder, url)
    site.run("migrate", "-v0")
    return site


@pytest.fixture
def sqlite_site(tmp_path: Path) -> ChaosSite:
    folder = tmp_path / "site"
    folder.mkdir()
    site = ChaosSite(folder)
    site.run("migrate", "-v0")
    return site


def fast_model(process: Process, nth: int) -> int:
    """The pid of the nth model process that the fast lane started, once it is ready."""
    words = "The model process of the fast lane is ready"

    def pids() -> list[str]:
        assert process.popen.poll() is None, process.text()
        return [line for line in process.text().splitlines() if words in line]

    eventually(lambda: len(pids()) >= nth)
    return int(pids()[nth - 1].rsplit("pid ", 1)[1].rstrip(")."))
