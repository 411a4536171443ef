"""Who is woken when an image comes in, and in what order."""

from __future__ import annotations

import asyncio
from functools import partial

from detection.inference import InferenceConsumer
from tests.detection.conftest import PATIENCE


async def test_the_lanes_that_answer_are_woken_before_all_else(monkeypatch):
    """And what comes later once, however many images there were."""
    consumer, woken = InferenceConsumer(), []
    for each in (*consumer.lanes, consumer.batches, consumer.deliveries):
        monkeypatch.setattr(each, "wake", partial(woken.append, getattr(each, "name", type(each).__name__)))
    consumer._wake()
    consumer._wake()
    assert woken == ["origin", "fast"] * 2
    async with asyncio.timeout(PATIENCE):
        while "explain" not in woken:
            await asyncio.sleep(0.01)
    assert woken[4:] == ["DeliveryWorker", "BatchWorker", "origin", "fast", "slow", "explain"]
