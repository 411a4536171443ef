from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.files.base import ContentFile

from detection import batch_services, lane, queue, rereading, results, services, sockets
from detection.inference import InferenceConsumer
from detection.models import Batch, Detection, StageRun
from tests.detection.toy_stages import verdict
from tests.hostile import png
from tests.servers import Redis
from tests.zips import zipped

PATIENCE = 60.0  # seconds; only a broken test waits that long


@pytest.fixture
def submit(principal) -> Callable[..., Detection]:
    """``submit(name=…, data=…, principal=…)``: a detection waiting in the queue."""

    def make(name: str = "cat.png", data: bytes | None = None, principal=principal) -> Detection:
        return services.submit(principal=principal, data=data or png(), name=name)

    return make


@pytest.fixture
def toy(settings) -> None:
    settings.STAGES_MODULE = "tests.detection.toy_stages"
    settings.RETRY_SECONDS = 0.05


@pytest.fixture
def order(principal, toy) -> Callable[..., Batch]:
    """``order(3)`` images in a zip, ``order(files={…})``, ``order(urls=[…])``, by ``principal``."""

    def make(count: int = 3, files=None, principal=principal, **fields) -> Batch:
        if "urls" not in fields:
            pictures = {f"{number}.png": png() for number in range(count)} if files is None else files
            fields["archive"] = ContentFile(zipped(pictures))
        return batch_services.create_batch(principal=principal, **fields)

    return make


def finish(lane: str = "fast") -> list:
    """Claims a batch and saves toy verdicts for it, without a process."""
    claim = queue.claim(lane)
    assert claim is not None
    return results.save(claim, [verdict_outcome() for _ in claim.runs], 12.5)


def verdict_outcome():
    from PIL import Image

    from mlcore.contracts import ImageFacts, Picture

    facts = ImageFacts("PNG", "image/png", 1, "", 20, 20, "RGB", 1, 1)
    return verdict(Picture(Image.new("RGB", (20, 20)), facts))


def run_of(detection: Detection, stage: str = "verdict") -> StageRun:
    return StageRun.objects.get(detection=detection, stage=stage)


@contextmanager
def running_consumer(*lanes: str) -> Iterator[InferenceConsumer]:
    """A whole InferenceConsumer with its spawned process, in a thread with a loop of its own."""
    started, stop = threading.Event(), threading.Event()
    made: list[InferenceConsumer] = []

    async def main() -> None:
        consumer = InferenceConsumer(lanes or ("fast", "slow"))
        made.append(consumer)
        await consumer.start()
        started.set()
        await asyncio.to_thread(stop.wait)
        await consumer.stop()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert started.wait(PATIENCE)
        yield made[0]
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the consumer does not stop"


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.close()


@pytest.fixture(params=["memory", "redis"])
def layer(request, settings) -> None:
    """Once with the embedded channel layer, once with that of the scaled set-up."""
    if request.param == "redis":
        config = {"hosts": [request.getfixturevalue("redis").url]}
        backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
        settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}


@pytest.fixture
def cookie(client, principal, settings) -> str:
    """The session of ``principal``, signed in."""
    client.force_login(principal.user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


@pytest.fixture
def long_timer(monkeypatch) -> None:
    """Whatever arrives in these tests was pushed."""
    for name in ("ADMIT_SECONDS", "TELL_SECONDS"):
        monkeypatch.setattr(sockets, name, 10 * PATIENCE)
    monkeypatch.setattr(rereading, "REREAD_SECONDS", 10 * PATIENCE)


@pytest.fixture
def quick_polls(monkeypatch) -> None:
    """The in-memory channel layer does not cross threads, so here the consumer finds work by polling."""
    monkeypatch.setattr(lane, "POLL_SECONDS", 0.05)
