"""?wait with files that declare what they are: the answer that comes is the one that stays.

By the product itself: its server, its consumer, its model. As a program it asks more often:
``python -m tests.api.test_final_answers 10``.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests import hostile
from tests.api.test_documentation import MAKE_KEY
from tests.provenance import makers
from tests.servers import Site, eventually

WAIT = 20  # seconds
AI = "trainedAlgorithmicMedia"


def small(number: int) -> Image.Image:
    """Of the size that the model knows: its answer is there long before that of the file."""
    return hostile.gradient(32, 32).rotate(number)


def declared(number: int) -> tuple[str, bytes]:
    """A name and the bytes of a file, of 20 kinds, that says of itself that it was made by AI."""
    source = f"<Iptc4xmpExt:DigitalSourceType>{makers.SOURCE_TYPE}{AI}</Iptc4xmpExt:DigitalSourceType>"
    packet, form = makers.xmp(source), ("JPEG", "PNG", "WEBP", "TIFF")[number % 4]
    made = [
        lambda: makers.xmp_file(form, packet),
        lambda: makers.png(parameters=makers.A1111.replace("42", str(number))),
        lambda: makers.png(prompt=makers.COMFY_PROMPT, workflow=makers.COMFY_WORKFLOW),
        lambda: makers.exif_jpeg(sub={0x9286: makers.user_comment(makers.A1111)}),
        lambda: hostile.saved(small(number), "JPEG", xmp=packet),
    ][number // 4]
    return f"{number}.{form.lower()}", made()


FILES = [declared(number) for number in range(20)]


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[httpx.Client]:
    yield from serving(tmp_path_factory.mktemp("site"))


def serving(folder: Path) -> Iterator[httpx.Client]:
    site = Site(folder, YOLO_DOWNLOAD="false")
    site.run("migrate")
    key = (
        site.run("shell", "-c", MAKE_KEY.replace("name=", "per_minute=10_000, name="))
        .rpartition("VALUE ")[2]
        .strip()
    )
    with site.started("serve", "--port", "0") as process:
        address = re.search(r"http://[\w.:]+", process.says("in your browser"))
        assert address
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=address[0], headers=headers, timeout=120) as client:
            process.says("model process of the fast lane is ready")
            yield client


def sent(client: httpx.Client, number: int, turn: int, wait: int) -> httpx.Response:
    name, data = FILES[number]
    headers = {"Idempotency-Key": f"{turn}-{number}"}
    return client.post(
        "/api/v1/detections/", params={"wait": wait}, files={"file": (name, data)}, headers=headers
    )


def told(response: httpx.Response) -> tuple[int, str, str, str]:
    state = response.json()
    return response.status_code, state["verdict"], state["basis"], state["answer"]


FINAL = (201, "fake", "declared", "declared_ai")


def right(client: httpx.Client, number: int, turn: int) -> bool:
    """Waited for, by the same key again, and at the very end: each time the same answer."""
    if turn % 2:  # whose first wait is over before anything is there
        early = sent(client, number, turn, 0)
        assert told(early) in (FINAL, (202, "", "", None)), early.text
    first = sent(client, number, turn, WAIT)
    again = sent(client, number, turn, WAIT)
    url = first.json()["url"]
    last = eventually(lambda: (found := client.get(url)).json()["status"] in ("done", "failed") and found)
    answers = [told(each) for each in (first, again)] + [(201, *told(last)[1:])]
    if wrong := [each for each in answers if each != FINAL]:
        print(f"{FILES[number][0]}, turn {turn}: {wrong}")
    return not wrong


@pytest.mark.parametrize("turn", [0, 1])
def test_the_answer_that_was_waited_for_stays(client, turn):
    found = {FILES[number][0]: right(client, number, turn) for number in range(turn, 20, 2)}
    assert [name for name, fine in found.items() if not fine] == []


def main(turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for client in serving(Path(folder)):
            found = [right(client, number, turn) for turn in range(turns) for number in range(20)]
            print(f"{sum(found)} of {len(found)} the final answer, each by a repeated key too")


if __name__ == "__main__":
    main(int(sys.argv[1]))
