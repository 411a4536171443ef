"""What drawing overlays costs those who upload meanwhile: ``python -m tests.load.overlays``.

A real server with toy stages, on a data folder of its own. One organisation asks for the overlay of
a large picture 20 times at once, then for the overlays of several large pictures at once; a member
of another uploads small pictures all the while. Prints JSON: that member's times, quiet and
meanwhile, as a ratio.
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from tests.e2e.batch_memory import KEY, Programme, alone
from tests.servers import Site

SIDES = (4896, 3672)  # pixels: a telephone's 18 megapixels
GETS, PICTURES, QUIET = 20, 5, 15
Call = Callable[[], tuple[int, float]]


def large(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (SIDES[1] // 12, SIDES[0] // 12, 3), np.uint8))
    out = io.BytesIO()
    rough.resize(SIDES, Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def overlay(api: Programme, pk: str) -> tuple[int, float]:
    """(bytes, seconds)."""
    asked = Request(f"{api.base.rstrip('/')}/api/v1/detections/{pk}/files/overlay/")
    asked.add_header("Authorization", f"Bearer {api.value}")
    start = time.perf_counter()
    with urlopen(asked, timeout=300) as answer:
        return len(answer.read()), time.perf_counter() - start


def meanwhile(
    other: Programme, calls: list[Callable[[], tuple[int, float]]]
) -> tuple[list[float], list[float]]:
    """Seconds of the other member's uploads while ``calls`` run at once, and seconds of those."""
    with ThreadPoolExecutor(len(calls)) as pool:
        running, uploads = [pool.submit(call) for call in calls], list[float]()
        while wait(running, 0).not_done:
            uploads.append(alone(other))
        return uploads, [each.result()[1] for each in running]


def measure(owner: Programme, other: Programme) -> None:
    quiet = median(alone(other) for _ in range(QUIET))
    pictures = [
        owner.send(f"{n}.jpg", "file", "detections/?wait=30", large(n), "image/jpeg")["id"]
        for n in range(PICTURES + 1)
    ]
    ways = {
        f"{GETS} GETs of one": [lambda: overlay(owner, pictures[0])] * GETS,
        f"{PICTURES} at once": [lambda pk=pk: overlay(owner, pk) for pk in pictures[1:]],
        f"{GETS} GETs of a kept one": [lambda: overlay(owner, pictures[0])] * GETS,
    }
    for name, calls in ways.items():
        uploads, gets = meanwhile(other, calls)
        print(json.dumps({
            "overlays": name, "quiet_s": round(quiet, 3), "uploads": len(uploads),
            "upload_p50_s": round(median(uploads), 3), "upload_most_s": round(max(uploads), 3),
            "ratio_p50": round(median(uploads) / quiet, 1), "ratio_most": round(max(uploads) / quiet, 1),
            "get_p50_s": round(median(gets), 2), "get_most_s": round(max(gets), 2),
        }), flush=True)  # fmt: skip


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cifake-overlays-") as folder:
        site = Site(Path(folder), STAGES_MODULE="tests.detection.toy_stages")
        site.run("migrate", "-v0")
        keys = [
            json.loads(site.run("shell", "-v0", "-c", KEY.replace("member@", f"{who}@")).splitlines()[-1])
            for who in ("owner", "other")
        ]
        with site.started("serve", "--port", "0") as server:
            base = server.says("is ready").split("open ")[1].split()[0]
            server.says("of the fast lane is ready")
            measure(*(Programme(base, key) for key in keys))
            server.stop()


if __name__ == "__main__":
    main()
