"""``manage.py serve`` as a real process: small without a model, clean when it stops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from detection.management.commands import serve
from tests.servers import ROOT, Process, Site, eventually, running

MODEL_LIBRARIES = ("tensorflow", "openvino", "torch", "ultralytics", "cv2", "keras")
# What each of them maps into a process that imports it.
MAPPED = ("libtensorflow", "_pywrap_tensorflow", "libtorch", "cv2.abi3", "cv2/")
MAX_RESIDENT_MB = 250


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site", STAGES_MODULE="tests.detection.toy_stages")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()


def address(server: Process) -> str:
    return server.says("is ready").split("open ")[1].split()[0]


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.status


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_it_names_an_address_at_which_passkeys_work(host):
    """They belong to a domain, and an IP address is none (WebAuthn, 5.1.2)."""
    listener = SimpleNamespace(getsockname=lambda: (host, 8000))
    assert serve._address(host, listener) == "http://localhost:8000/"
    assert serve._address("10.0.0.7", listener) == "http://10.0.0.7:8000/"


def test_one_command_migrates_serves_and_stops_without_leaving_anything_behind(site):
    with site.started("serve", "--port", "0") as server:
        base = address(server)
        assert get(base) == 200
        assert get(f"{base}accounts/signup/") == 200
        models = eventually(lambda: len(server.model_processes()) == 2 and server.model_processes())
        children = server.children()
        assert server.stop(signal.SIGINT) == 0
        assert not any(running(pid) for pid in models)
        eventually(lambda: not any(running(pid) for pid in children))
        assert "Traceback" not in server.text()
        assert server.text().rstrip().endswith("Stopped.")


def test_the_web_process_stays_small_and_maps_no_model_library(site):
    with site.started("serve", "--port", "0") as server:
        base = address(server)
        for path in ("", "accounts/login/", "accounts/signup/", "admin/login/", "health/"):
            assert get(base + path) == 200
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert not [name for name in MAPPED if name in maps]
        assert resident_mb(server.pid) <= MAX_RESIDENT_MB
        assert server.stop() == 0


def test_no_module_of_the_web_process_imports_a_model_library():
    """Everything the server, the consumer, the admin and the pages import, by name."""
    program = f"""
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from cifake_site.asgi import build
build(consumer=True)
from django.urls import get_resolver
from django.test import Client
get_resolver().reverse_dict
import detection.model_process, detection.management.commands.serve, detection.bench
print(json.dumps([name for name in {MODEL_LIBRARIES!r} if name in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


KEY_BOUND_TO_ANOTHER_MACHINE = """
from accounts import keys
from accounts.access import principal_for
from accounts.models import User
user = User.objects.create_user("ada@x.org")
principal = principal_for(user, user.organisations.get().slug)
fields = {"name": "k", "scopes": ["organisation:read"], "addresses": ["192.0.2.7"]}
print(keys.make(principal=principal, **fields)[1])
"""


def test_a_forged_header_puts_nobody_on_another_machine(site):
    """uvicorn believes X-Forwarded-For from its own machine, unless it is told not to."""
    with site.started("serve", "--port", "0", "--no-consumer") as server:
        base = address(server)
        value = site.run("shell", "-c", KEY_BOUND_TO_ANOTHER_MACHINE).split()[-1]
        headers = {"Authorization": f"Bearer {value}", "X-Forwarded-For": "192.0.2.7"}
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(f"{base}api/v1/organisation/", headers=headers))
        assert refused.value.code == 403
        assert "127.0.0.1" in json.load(refused.value)["detail"]


def test_a_taken_port_is_a_sentence(site):
    with site.started("serve", "--port", "0", "--no-consumer") as server:
        port = address(server).rstrip("/").rsplit(":", 1)[1]
        with site.started("serve", "--port", port, "--no-consumer") as second:
            assert second.popen.wait(60) == 1
            assert "choose another with --port" in second.text()
            assert "Traceback" not in second.text()
        assert not server.model_processes()


def test_an_unknown_lane_is_a_sentence(site):
    with site.started("inference_consumer", "--lanes", "fast,warp") as consumer:
        assert consumer.popen.wait(60) == 1
        assert "fast, slow" in consumer.text()
