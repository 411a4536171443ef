"""From queue to saved result, measured on the real thing: the real consumer, rows and files.

Runs in a data folder of its own (see ``manage.py bench``), never on a site's.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from datetime import datetime
from statistics import median
from typing import Any

import numpy as np
from asgiref.sync import sync_to_async
from django.db.models import Min
from django.utils import timezone
from PIL import Image

from accounts.access import Principal
from accounts.models import Membership, User
from detection import services
from detection.inference import InferenceConsumer
from detection.models import Artefact, Detection, StageRun
from detection.stages import ANSWERING, FAST

IMAGES = 200
ROUNDS = 5
PATIENCE = 300.0  # seconds
LOOK_SECONDS = 0.01  # how late the end may be noticed; looking costs the consumer next to nothing


def pictures(count: int, side: int = 32) -> list[bytes]:
    """JPEGs of random blotches: timing does not depend on what they show."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
        buffer = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def queue_rate() -> float:
    """Answers a second with 200 images waiting, artefacts saved.

    Counted from the first claim to the moment when the last row can be read.
    """
    return asyncio.run(_round())


async def _round() -> float:
    await sync_to_async(_submit)(pictures(IMAGES))
    consumer = InferenceConsumer([FAST])
    await consumer.start()
    try:
        await _until(_all_done)
        end = timezone.now()
    finally:
        await consumer.stop()
    return await sync_to_async(_rate)(end)


def _submit(files: list[bytes]) -> None:
    user = User.objects.filter(email="bench@localhost").first()
    user = user or User.objects.create_user("bench@localhost")
    membership = Membership.objects.select_related("organisation").get(user=user)
    Detection.everything.all().delete()
    principal = Principal(user, membership.organisation, membership.role)
    for number, data in enumerate(files):
        services.submit(principal=principal, data=data, name=f"{number}.jpg")


def _all_done() -> bool:
    return not StageRun.objects.filter(lane__in=ANSWERING).exclude(state=StageRun.State.DONE).exists()


def _rate(end: datetime) -> float:
    if (saved := Artefact.objects.count()) != IMAGES:
        raise RuntimeError(f"{saved} heat maps were saved instead of {IMAGES}.")
    start = StageRun.objects.filter(lane__in=ANSWERING).aggregate(first=Min("started_at"))["first"]
    return IMAGES / (end - start).total_seconds()


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await sync_to_async(condition)():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not done within {PATIENCE:.0f} seconds.")
        await asyncio.sleep(LOOK_SECONDS)


def measure(model: str, batch: int) -> dict[str, Any]:
    """The figures of ``manage.py bench`` that need no browser.

    Queue and bare model take turns, and the ratio is that of neighbours: the machine's speed
    drifts with what else runs on it.
    """
    from mlcore import timing

    bare = timing.bare_rate(model, batch, IMAGES)
    turns = [(queue_rate(), bare()) for _ in range(ROUNDS)]
    return {
        **timing.one_image(model),
        "bare_per_second": median(alone for _, alone in turns),
        "queue_per_second": median(queued for queued, _ in turns),
        "queue_vs_bare": median(queued / alone for queued, alone in turns),
    }
