"""How long lists take with 100,000 detections in one organisation: ``python -m tests.api.latency``.

In a data folder of its own, on SQLite. Server time: from the request's way into Django to its answer,
without a network. Wall-clock and CPU time, for on a busy machine they part. Queries are counted too.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from statistics import quantiles

ROWS = 100_000
REPEATS = int(os.environ.get("REPEATS", "40"))
NAMES = "'IMG_' || n || CASE n % 7 WHEN 0 THEN ' beach.jpg' WHEN 1 THEN ' Street.JPG' ELSE '.png' END"
COPY = {
    "id": "lower(hex(randomblob(16)))",
    "name": NAMES,
    "created_at": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || (n * 60) || ' seconds')",
    "verdict": "CASE n % 3 WHEN 0 THEN 'fake' WHEN 1 THEN 'real' ELSE 'uncertain' END",
    "basis": "CASE WHEN n % 20000 = 0 THEN 'signed' WHEN n % 50 = 0 THEN 'none' ELSE 'pixels' END",
    "reference": "'cms-' || (n / 2)",
    "batch_id": "CASE WHEN n % 10 = 0 THEN :batch ELSE NULL END",
    "submitted_key_id": "CASE WHEN n % 2 = 0 THEN :key ELSE NULL END",
}
ASKED = {
    "no filter": "",
    "verdict": "verdict=uncertain",
    "basis, many": "basis=pixels",
    "basis, few": "basis=signed",
    "basis, none": "basis=declared",
    "reference": "reference=cms-40000",
    "reference, none": "reference=nothing",
    "name, many": "q=beach",
    "name, one": "q=IMG_99999.",
    "name, none": "q=zebra",
    "name and verdict, none": "q=zebra&verdict=fake",
    "name, basis and verdict, none": "q=zebra&verdict=fake&basis=pixels",
    "since": "since=2026-11-20T00:00:00Z",
    "until, far back": "until=2026-09-20T00:00:00Z",
    "key": "key={key}",
    "key and name, none": "key={key}&q=zebra",
    "another key": "key={other}",
    "batch": "batch={batch}",
    "batch and verdict": "batch={batch}&verdict=real",
    "a page of 100": "limit=100",
}
PAGES = {
    "history": "",
    "search, none": "q=zebra",
    "search and verdict": "q=beach&verdict=fake",
    "page 3000": "page=3000",
    "verdict, page 900": "verdict=real&page=900",
}


def main() -> None:
    from django.test import Client

    from cifake_site.lifespan import spare_the_program

    places = _fill()
    spare_the_program()  # as the server does when it starts
    api = Client(headers={"Authorization": f"Bearer {places['secret']}"}, SERVER_NAME="localhost")
    for words, asked in ASKED.items():
        print(f"{words:<32}", _measured(api, f"/api/v1/detections/?{asked.format(**places)}"), flush=True)
    page = Client(SERVER_NAME="localhost")
    page.force_login(places["user"])
    page.get(f"/o/{places['slug']}/")  # as they come in: once a minute a session is noted as seen
    history = f"/o/{places['slug']}/history/"
    for words, asked in PAGES.items():
        print(f"page: {words:<26}", _measured(page, f"{history}?{asked}"), flush=True)


def _measured(client: object, path: str) -> str:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    wall, cpu = [], []
    with CaptureQueriesContext(connection) as queries:
        found = client.get(path)  # type: ignore[attr-defined]
    count = len(queries)  # now: the next request empties the log
    assert found.status_code == 200, found.content
    for _ in range(REPEATS):
        start, start_cpu = time.perf_counter(), time.process_time()
        client.get(path)  # type: ignore[attr-defined]
        wall.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
    rows = len(json.loads(found.content)["results"]) if "/api/" in path else ""
    return (
        f"{count:>2} queries  wall p50 {_at(wall, 50):7.1f} p95 {_at(wall, 95):7.1f} ms"
        f"  cpu p50 {_at(cpu, 50):6.1f} p95 {_at(cpu, 95):6.1f} ms  {rows}"
    )


def _at(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def _fill() -> dict:
    """One detection as the product leaves it, many times over in SQL."""
    from django.core.management import call_command

    from accounts import keys
    from accounts.access import SCOPES, principal_for
    from accounts.models import User
    from detection.models import Batch, Detection
    from tests.detection_pages.examined import examined

    call_command("migrate", interactive=False, verbosity=0)
    user = User.objects.filter(email="bench@localhost").first()
    filled = user is not None
    user = user or User.objects.create_user("bench@localhost")
    slug = user.organisations.get().slug
    principal = principal_for(user, slug)
    makers = [
        keys.make(principal=principal, name=name, scopes=sorted(SCOPES), per_minute=10_000) for name in "ab"
    ]
    (key, secret), (other, _) = makers
    if not filled:
        batch = Batch.objects.create(organisation=principal.organisation)
        _copy(examined(principal), {"batch": batch.pk.hex, "key": key.pk.hex})
        assert Detection.objects.count() == ROWS + 1
    batch = Batch.objects.get()
    first = Detection.objects.exclude(submitted_key=None)[0].submitted_key
    return {
        "user": user, "slug": slug, "secret": secret, "batch": batch.pk, "key": first.pk, "other": other.pk
    }  # fmt: skip


def _copy(first: object, places: dict[str, str]) -> None:
    from django.db import connection

    from detection.models import Artefact, Detection, StageRun

    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})"
    columns = [field.column for field in Detection._meta.concrete_fields]
    values = ", ".join(COPY.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        raw = cursor.connection
        raw.execute(
            f"INSERT INTO detection_detection ({', '.join(columns)}) {numbers} "
            f"SELECT {values} FROM detection_detection, numbers WHERE id = :first",
            {**places, "first": first.pk.hex},  # type: ignore[attr-defined]
        )
        for model in (StageRun, Artefact):
            others = [field.column for field in model._meta.concrete_fields if field.column != "id"]
            chosen = ", ".join("d.id" if name == "detection_id" else f"r.{name}" for name in others)
            raw.execute(
                f"INSERT INTO {model._meta.db_table} ({', '.join(others)}) SELECT {chosen} "
                f"FROM {model._meta.db_table} r, detection_detection d "
                "WHERE r.detection_id = :first AND d.id != :first",
                {"first": first.pk.hex},  # type: ignore[attr-defined]
            )
        raw.commit()


if __name__ == "__main__":
    if "DATA_DIR" not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["DATA_DIR"] = folder
            sys.exit(os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-m", "tests.api.latency"]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cifake_site.settings")
    import django

    django.setup()
    main()
