"""How much memory a server takes for a batch: ``python -m tests.e2e.batch_memory 2000`` (docs/batches.md).

A real server with toy stages, on a data folder of its own; the batch comes in through the API.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import tempfile
import time
import uuid
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.acts import picture
from tests.servers import Process, Site

KEY = """
import json
from accounts import keys
from accounts.access import READ, WRITE, principal_for
from accounts.models import User
user = User.objects.create_user("member@example.org")
principal = principal_for(user, user.organisations.get().slug)
key, value = keys.make(principal=principal, name="Importer", scopes=[READ, WRITE], per_minute=10000)
print(json.dumps(value))
"""


def resident(process: Process) -> float:
    """MB of the server process alone, without its model processes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


class Programme:
    """Asks the API as a program does."""

    def __init__(self, base: str, value: str) -> None:
        self.base, self.value = base, value

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> dict:
        connection = http.client.HTTPConnection(urlsplit(self.base).netloc, timeout=300)
        headers = {"Authorization": f"Bearer {self.value}", "Content-Type": kind}
        connection.request(method, f"/api/v1/{path}", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        assert answer.status < 300, content
        return json.loads(content)

    def send(self, name: str, field: str, path: str, data: bytes, mime: str) -> dict:
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        body = (
            head.encode()
            + f"Content-Type: {mime}\r\n\r\n".encode()
            + data
            + f"\r\n--{boundary}--\r\n".encode()
        )
        return self.ask("POST", path, body, f"multipart/form-data; boundary={boundary}")


def archive(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for number in range(count):
            made.writestr(f"{number}.jpg", picture(number))
    return out.getvalue()


def alone(api: Programme) -> float:
    """Seconds until an image that is sent by itself has its verdict."""
    start = time.perf_counter()
    api.send("alone.jpg", "file", "detections/?wait=30", picture(10**6), "image/jpeg")
    return time.perf_counter() - start


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="cifake-batch-") as folder:
        site = Site(Path(folder), STAGES_MODULE="tests.detection.toy_stages", LOG_LEVEL="INFO")
        site.run("migrate", "-v0")
        value = json.loads(site.run("shell", "-v0", "-c", KEY).splitlines()[-1])
        with site.started("serve", "--port", "0") as server:
            api = Programme(server.says("is ready").split("open ")[1].split()[0], value)
            server.says("of the fast lane is ready")
            measure(server, api, count)
            server.stop()


def measure(server: Process, api: Programme, count: int) -> None:
    idle = sorted(alone(api) for _ in range(15))
    small = api.send("warm.zip", "archive", "batches/", archive(100), "application/zip")
    while api.ask("GET", f"batches/{small['id']}/")["state"] not in ("done", "failed"):
        time.sleep(1)
    data, before, start = archive(count), resident(server), time.perf_counter()
    batch = api.send("pictures.zip", "archive", "batches/", data, "application/zip")
    taken, seen, waits = time.perf_counter() - start, [resident(server)], []
    while (found := api.ask("GET", f"batches/{batch['id']}/"))["state"] not in ("done", "failed"):
        if len(waits) < 15:
            waits.append(alone(api))
        seen.append(resident(server))
        print(found["finished"], f"{seen[-1]:.0f} MB", flush=True)
        time.sleep(2)
    seconds = time.perf_counter() - start
    print(json.dumps({
        "images": count, "zip_mb": round(len(data) / 2**20, 1), "taken_in_s": round(taken, 1),
        "done_s": round(seconds, 1), "state": found["state"], "examined": found["examined"],
        "memory_before_mb": round(before), "memory_least_mb": round(min(seen)),
        "memory_most_mb": round(max(seen)), "alone_idle_p50_s": round(idle[7], 3),
        "alone_meanwhile_s": [round(each, 3) for each in sorted(waits)],
    }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
