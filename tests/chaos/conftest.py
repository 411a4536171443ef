from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import Postgres, Process, Site, eventually


class ChaosSite(Site):
    """A site with real leases, and a look into its rows and files."""

    def __init__(self, folder: Path, database_url: str = "", **environment: str) -> None:
        stages = "tests.chaos.light_stages" if database_url else "tests.chaos.stages"
        settings = {"STAGES_MODULE": stages, "RETRY_SECONDS": "0.2", **environment}
        super().__init__(folder, database_url, **settings)
        self.database_url = self.environment["DATABASE_URL"]
        self.sqlite = self.database_url.startswith("sqlite")
        self.hold = folder / "hold"

    def holds(self, pid: int) -> bool:
        """Whether the model process ``pid`` has stopped in the middle of a batch, since ``hold`` is there."""
        return (self.folder / f"hold-{pid}").exists()

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection without a transaction of its own."""
        if self.sqlite:
            path = self.folder / "cifake.sqlite3"
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
                yield connection
        else:
            with psycopg.connect(self.database_url, autocommit=True) as connection:
                yield connection

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connected() as connection:
            return connection.execute(sql).fetchall()

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Nobody else can claim, extend or finish a row in this block."""
        with self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE" if self.sqlite else "BEGIN")
            if not self.sqlite:
                connection.execute("LOCK TABLE detection_stagerun IN EXCLUSIVE MODE")
            yield
            connection.execute("ROLLBACK")

    def expire_leases(self) -> None:
        """As if the time were up: a lease too short for a busy machine would be lost by the living, too."""
        with self.connected() as connection:
            connection.execute(
                "UPDATE detection_stagerun SET lease_until = '2001-01-01 00:00:00+00:00'"
                " WHERE state = 'running'"
            )

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


def migrated(site: ChaosSite) -> ChaosSite:
    site.run("migrate", "-v0")
    return site


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory) -> Path:
    """SQLite with all tables and no row. A copy takes no time; the migrations take seconds."""
    return migrated(ChaosSite(tmp_path_factory.mktemp("empty"))).folder / "cifake.sqlite3"


@pytest.fixture(scope="session")
def empty_postgres(tmp_path_factory, postgres) -> Callable[[], str]:
    """The same; gives the URL of a copy."""
    url = migrated(ChaosSite(tmp_path_factory.mktemp("empty"), postgres.database())).database_url
    return partial(postgres.database, like=url)


@pytest.fixture(params=["sqlite", "postgres"])
def new_site(request, tmp_path: Path) -> Callable[..., ChaosSite]:
    """``new_site(**environment)``: a site that begins empty."""

    def make(**environment: str) -> ChaosSite:
        folder = tmp_path / "site"
        folder.mkdir()
        if request.param == "postgres":
            return ChaosSite(folder, request.getfixturevalue("empty_postgres")(), **environment)
        shutil.copy(request.getfixturevalue("empty_file"), folder)
        return ChaosSite(folder, **environment)

    return make


@pytest.fixture
def site(new_site) -> ChaosSite:
    return new_site()


def fast_model(process: Process, nth: int) -> int:
    """The pid of the nth model process that the fast lane started, once it is ready."""
    words = "The model process of the fast lane is ready"

    def pids() -> list[str]:
        assert process.popen.poll() is None, process.text()
        return [line for line in process.text().splitlines() if words in line]

    eventually(lambda: len(pids()) >= nth)
    return int(pids()[nth - 1].rsplit("pid ", 1)[1].rstrip(")."))
