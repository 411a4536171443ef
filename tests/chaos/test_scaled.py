"""The scaled set-up: web and consumer are processes of their own, between them PostgreSQL and Redis."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.chaos.acts import MAKE_MEMBERS, post
from tests.chaos.conftest import ChaosSite, fast_model
from tests.cifake import held_out
from tests.servers import PATIENCE, Redis, eventually

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.close()


@pytest.fixture
def scaled(tmp_path: Path, empty_postgres: Callable[[], str], redis: Redis) -> ChaosSite:
    stages = "tests.chaos.pushed_stages"
    return ChaosSite(tmp_path, empty_postgres(), REDIS_URL=redis.url, STAGES_MODULE=stages)


def pushed(socket: ClientConnection, name: str) -> Iterator[dict]:
    """The states of a file as they arrive, up to the first with a verdict."""
    verdict = ""
    while not verdict:
        state = json.loads(socket.recv(PATIENCE))["detection"]
        if state["name"] == name:
            verdict = state["verdict"]
            yield state


def test_an_upload_to_one_process_is_examined_by_another_and_pushed_back(scaled):
    cookie = scaled.shell(MAKE_MEMBERS)[0]
    headers = {"Cookie": f"sessionid={cookie}"}
    web, consumer = ("serve", "--no-consumer", "--port", "0"), ("inference_consumer", "--lanes", "fast")
    with scaled.started(*web) as server, scaled.started(*consumer) as inference:
        place = urlsplit(server.says("is ready").split("open ")[1].split()[0]).netloc
        fast_model(inference, 1)
        assert not server.model_processes()
        browser, headers = (
            http.client.HTTPConnection(place, timeout=PATIENCE),
            {"Cookie": f"sessionid={cookie}"},
        )
        # Both processes put an end to their timers when they first look at the list of stages.
        assert post(browser, cookie, 0) == 201
        eventually(lambda: scaled.count("state = 'done'") == 1)
        address = f"ws://{place}/ws/o/herald/detections/"
        with connect(address, origin=f"http://{place}", additional_headers=headers) as socket:
            # One that the model knows: of others no map leaves.
            assert post(browser, cookie, 1, held_out(1)[0][1]) == 201
            *_, last = pushed(socket, "1.jpg")
        browser.request("GET", last["files"]["heatmap"], headers=headers)
        answer = browser.getresponse()
        assert (answer.status, answer.read()[:4]) == (200, b"\x89PNG"), last["files"]
        scaled.check_all_done(2)
        assert inference.stop() == 0
        assert server.stop() == 0
