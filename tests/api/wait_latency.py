"""What ``?wait=5`` adds to the model's own time: ``python -m tests.api.wait_latency``, on an idle machine.

The whole product in a data folder of its own. From the client's request to its answer, less the time
that the model process spent on the same image (``run_ms`` of its verdict stage).
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

import httpx

from tests.servers import Site

COUNT, WARM = int(os.environ.get("COUNT", "60")), 5
PAUSE_SECONDS = 0.5  # so that the other stages of the last image are over
MAKE_KEY = """
from accounts import keys; from accounts.access import SCOPES, principal_for; from accounts.models import User
user = User.objects.create_user("bench@localhost")
principal = principal_for(user, user.organisations.get().slug)
print("KEY", keys.make(principal=principal, name="bench", scopes=sorted(SCOPES), per_minute=10000)[1])
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), LOG_LEVEL="INFO")
        site.run("migrate", "-v0")
        secret = site.run("shell", "-v0", "-c", MAKE_KEY).rpartition("KEY ")[2].strip()
        with site.started("serve", "--port", "0") as server:
            address = server.says("CIFAKE is ready: open ").split("open ")[1].split(" ")[0]
            server.says("model process of the fast lane is ready")
            server.says("model process of the slow lane is ready")
            found = _measure(address, secret)
    added = [wall - model for wall, model in found]
    report = {
        "images": len(found),
        "answer_ms_p50": median(wall for wall, _ in found),
        "model_ms_p50": median(model for _, model in found),
        "added_ms_p50": median(added),
        "added_ms_p95": quantiles(added, n=20)[18],
    }
    print(json.dumps({name: round(value, 1) for name, value in report.items()}))


def _measure(address: str, secret: str) -> list[tuple[float, float]]:
    from detection.bench import pictures

    found = []
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
        for place, data in enumerate(pictures(COUNT + WARM)):
            start = time.perf_counter()
            answer = client.post("api/v1/detections/?wait=5", files={"file": (f"{place}.jpg", data)})
            wall = (time.perf_counter() - start) * 1000
            assert answer.status_code == 201, answer.text
            stages = {each["stage"]: each for each in answer.json()["stages"]}
            found.append((wall, stages["verdict"]["run_ms"]))
            time.sleep(PAUSE_SECONDS)
    return found[WARM:]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    main()
