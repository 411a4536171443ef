"""The results of a batch as JSON lines and as CSV, read and written piece by piece."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from channels.db import database_sync_to_async

from cifake_site import csv
from detection import batch_selectors
from detection.answers import answer_of
from detection.models import Batch, BatchEntry
from detection.state import numbers

COLUMNS = (
    "number", "name", "state", "error_code", "error_detail", "detection", "status", "verdict", "basis",
    "confidence", "p_fake", "model_name", "model_version", "sha256", "completed_at", "answer",
)  # fmt: skip
Row = dict[str, Any]


async def json_lines(batch: Batch) -> AsyncIterator[bytes]:
    """One object a line, in the order of the entries."""
    async for rows in _pieces(batch):
        yield b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


async def comma_separated(batch: Batch) -> AsyncIterator[bytes]:
    """RFC 4180, with a header, in UTF-8 with the mark by which spreadsheets know it."""
    yield csv.MARK + csv.lines([COLUMNS])
    async for rows in _pieces(batch):
        yield csv.lines([each[name] for name in COLUMNS] for each in rows)


def row(entry: BatchEntry) -> Row:
    detection = entry.detection
    answer: Row = dict.fromkeys(COLUMNS[5:])
    if detection is not None:
        answer = {
            "detection": str(detection.pk),
            "status": "done" if detection.completed_at else "working",
            "verdict": detection.verdict or None,
            "basis": detection.basis or None,
            **numbers(detection),
            "model_name": detection.model_name or None,
            "model_version": detection.model_version or None,
            "sha256": detection.sha256,
            "completed_at": detection.completed_at.isoformat() if detection.completed_at else None,
            "answer": answer_of(detection.verdict, detection.basis),
        }
    error = {"error_code": entry.error_code or None, "error_detail": entry.error_detail or None}
    return {"number": entry.number, "name": entry.name, "state": str(entry.state), **error, **answer}


async def _pieces(batch: Batch) -> AsyncIterator[list[Row]]:
    """Under ASGI an ordinary iterator would be read to its end before the first byte is sent."""
    after = 0
    while rows := await _read(batch, after):
        yield rows
        after = rows[-1]["number"]


@database_sync_to_async
def _read(batch: Batch, after: int) -> list[Row]:
    return [row(entry) for entry in batch_selectors.entries(batch, after)]
