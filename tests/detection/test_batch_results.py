"""What is told of a batch: progress, the time left, results as lines and as a table."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from detection import batch_results, batch_selectors, batch_worker, trash
from detection.models import Batch, Detection
from tests.detection.batching import work_all
from tests.detection.conftest import finish
from tests.hostile import png

pytestmark = pytest.mark.django_db


class TestReading:
    def test_progress(self, order, django_assert_num_queries):
        batch = order(files={"a.png": png(), "b.png": png(), "c.txt": b"no", "d.png": png()})
        for _ in range(3):
            batch_worker.take()
        finish()
        Detection.objects.filter(name="a.png").update(completed_at=timezone.now())
        with django_assert_num_queries(4):
            found = batch_selectors.progress(batch)
        assert (found.total, found.examined, found.finished, found.percent) == (4, 1, 2, 50)
        assert {name: count for name, count in found.entries.items() if count} == {
            "accepted": 2,
            "refused": 1,
            "queued": 1,
        }
        assert found.verdicts == {"fake": 1, "real": 0, "uncertain": 0, "none": 0}
        assert found.seconds_left is None

    def test_the_time_left_is_at_the_pace_of_the_last_minutes(self, order):
        batch = order(15)
        work_all()
        Batch.objects.update(created_at=timezone.now() - timedelta(seconds=100))
        batch.refresh_from_db()
        done = list(Detection.objects.values_list("pk", flat=True)[:10])
        Detection.objects.filter(pk__in=done).update(completed_at=timezone.now())
        assert 45 <= batch_selectors.progress(batch).seconds_left <= 55

    @pytest.mark.django_db(transaction=True)
    def test_results_in_both_forms(self, order, monkeypatch):
        monkeypatch.setattr(batch_selectors, "CHUNK", 2)
        names = ["a.png", '=HYPERLINK("http://x")', "+1.png", "-1.png", "@a.png", "ü,b.png"]
        batch = order(files={name: png() for name in names} | {"bad.txt": b"no"})
        work_all()
        finish()
        lines = [json.loads(line) for line in collected(batch_results.json_lines(batch)).splitlines()]
        assert [line["name"] for line in lines] == [*names, "bad.txt"]
        assert [line["verdict"] for line in lines] == ["fake"] * 6 + [None]
        assert lines[-1]["error_code"] == "not_an_image"
        text = collected(batch_results.comma_separated(batch)).decode("utf-8-sig")
        table = list(csv.DictReader(io.StringIO(text)))
        assert tuple(table[0]) == batch_results.COLUMNS
        assert [line["name"] for line in table[1:5]] == ["'" + name for name in names[1:5]]
        assert table[5]["name"] == "ü,b.png"
        assert uuid.UUID(table[0]["detection"])

    @pytest.mark.parametrize("removed", [False, True])
    def test_a_deleted_detection_leaves_its_entry(self, order, principal, removed):
        batch = order(1)
        work_all()
        trash.delete(principal=principal, pk=Detection.objects.get().pk)
        if removed:
            trash.empty(principal=principal)
        [entry] = batch_selectors.entries(batch)
        assert batch_results.row(entry)["detection"] is None
        assert batch_selectors.progress(batch).finished == 1


def collected(pieces) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in pieces])

    return asyncio.run(read())
