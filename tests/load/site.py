"""The product as a process, with two organisations in it, and what can be seen of it from outside."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tests.load.attacks import Target, upload
from tests.servers import Process, Site

PEOPLE = """
import json
from django.conf import settings
from django.test import Client
from accounts import access, keys
from accounts.models import User
def one(name):
    user = User.objects.create_user(f"{name}@example.org", "correct horse 9")
    organisation = user.organisations.get().slug
    principal = access.principal_for(user, organisation)
    client = Client()
    client.force_login(user)
    key = keys.make(principal=principal, name=name, scopes=access.SCOPES, per_minute=10_000)[1]
    return {"key": key, "organisation": organisation, "session": client.cookies["sessionid"].value}
print(json.dumps({name: one(name) for name in ("member", "stranger")}))
"""
WAIT = 30  # seconds at most for one verdict


class Running:
    def __init__(self, process: Process, port: int, people: dict[str, dict[str, str]]) -> None:
        self.process, self.port = process, port
        self.member, self.stranger = (Target(port, **people[name]) for name in ("member", "stranger"))
        self._pictures = np.random.default_rng(0)

    def verdict_seconds(self) -> float:
        """One upload by the member, from its first byte to its answer; ``inf`` where none came."""
        out = io.BytesIO()
        Image.fromarray(self._pictures.integers(0, 256, (32, 32, 3), np.uint8)).save(out, "PNG")
        begun = time.perf_counter()
        try:
            found = upload(self.member.api, self.member.key, out.getvalue(), WAIT)
        except OSError:
            return float("inf")
        return time.perf_counter() - begun if found["verdict"] else float("inf")

    def cpu_seconds(self) -> float:
        """Of the server and all that it has started, since their beginnings."""
        return sum(_cpu(pid) for pid in _tree(self.process.pid))

    @contextmanager
    def memory(self) -> Iterator[list[float]]:
        """What the web process holds, in MB, ten times a second."""
        seen, over = [_resident(self.process.pid)], threading.Event()

        def look() -> None:
            while not over.wait(0.1):
                seen.append(_resident(self.process.pid))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()


@contextmanager
def running(folder: Path, **environment: str) -> Iterator[Running]:
    folder.mkdir(exist_ok=True)
    site = Site(folder, **environment)
    with site.started("serve", "--port", "0") as process:
        address = process.says("is ready").split("open ")[1].split()[0]
        people = json.loads(site.run("shell", "-v0", "-c", PEOPLE).splitlines()[-1])
        for lane in ("fast", "slow", "explain"):
            process.says(f"model process of the {lane} lane is ready")
        yield Running(process, int(address.rstrip("/").rsplit(":", 1)[1]), people)


def _tree(pid: int) -> list[int]:
    children = [
        int(each)
        for tasks in Path(f"/proc/{pid}/task").glob("*/children")
        for each in tasks.read_text().split()
    ]
    return [pid, *(each for child in children for each in _tree(child))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
