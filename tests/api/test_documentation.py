"""docs/api.md: every sample is run, by a shell or by Python, against a server with a real key."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.hostile import png
from tests.servers import PATIENCE, ROOT, Site

PAGE = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(\w+)( skip)?\n(.*?)^```", PAGE, re.M | re.S)
MAKE_KEY = """
from accounts import access, keys
from accounts.models import User
user = User.objects.create_user("desk@example.org", "correct horse 9")
principal = access.principal_for(user, user.organisations.get().slug)
print("VALUE", keys.make(principal=principal, name="Desk", scopes=sorted(access.SCOPES))[1])
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A folder with photo.png and photos.zip, and the address of a server that gives them."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "photo.png").write_bytes(png())
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        archive.writestr("photo.png", png())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def live(tmp_path_factory, images) -> Iterator[dict[str, str]]:
    """The product with stages that need no model; gives what the samples take from the environment."""
    site = Site(
        tmp_path_factory.mktemp("site"),
        STAGES_MODULE="tests.detection.toy_stages",
        REMOTE_ALLOW_PRIVATE="1",
        REMOTE_PORTS=images[1].rpartition(":")[2],
    )
    site.run("migrate")
    value = site.run("shell", "-c", MAKE_KEY).rpartition("VALUE ")[2].strip()
    with site.started("serve", "--port", "0") as process:
        address = re.search(r"http://[\w.:]+", process.says("in your browser"))
        assert address
        yield {"CIFAKE_URL": address[0], "CIFAKE_KEY": value}


def run(program: list[str], text: str, live: dict[str, str], images: tuple[Path, str]) -> str:
    folder, address = images
    (folder / "cifake_client.py").write_bytes((ROOT / "docs" / "cifake_client.py").read_bytes())
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        program, input=text.replace("https://images.example.org", address), cwd=folder, check=False,
        env={**os.environ, **live, "PATH": path}, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(600)
def test_shell_samples(live, images):
    """In the order of the page and in one shell, for later ones use what earlier ones have kept."""
    blocks = [text for language, skip, text in BLOCKS if language == "sh" and not skip]
    ends = "echo; echo ---"
    told = run(["bash", "-euo", "pipefail"], "\n".join(f"{each}{ends}" for each in blocks), live, images)
    parts = dict(enumerate(told.split("---\n")))
    assert len(blocks) > 6
    assert '"verdict":"fake"' in parts[0]
    assert '"reference":"story-4711"' in parts[0]
    assert '"source_url":"' in parts[2]
    assert '"story-4711"' in parts[3]
    assert '"verdict": "fake"' in parts[4]
    assert '"value":"cfk_' in parts[5]
    assert parts[6].strip() == "304"
    assert '"deleted_by":"' in parts[8]
    assert '"deleted_at":null' in parts[8]
    assert '"words":"made the API key Picture desk"' in parts[9]
    assert "/api/problems/invalid-parameter/" in parts[10]


@pytest.mark.timeout(600)
def test_python_samples(live, images):
    for language, _, text in BLOCKS:
        if language == "python":
            told = run([sys.executable, "-"], text, live, images)
            assert told.startswith("fake ")
            assert len(told.strip().splitlines()) == 2
