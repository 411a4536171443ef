"""How long a person waits: from dropping a file to verdict and heat map in the page.

``python -m tests.e2e.latency`` starts the product and Chromium on this machine, drops CIFAKE
images one at a time on the idle server, and prints JSON with milliseconds.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.acts import wait_done
from tests.e2e.product import chromium, cifake, product, sign_up

# From the drop to the heat map decoded in its card beside the verdict, watched without polling.
MEASURE = """
({ name, body }) => new Promise((resolve) => {
  const bytes = Uint8Array.from(atob(body), (letter) => letter.charCodeAt(0));
  const bag = new DataTransfer();
  bag.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const results = document.getElementById("results");
  const marks = {};
  let start;
  const look = () => {
    const card = [...results.querySelectorAll(".result")].find((each) => each.innerText.includes(name));
    if (!card) return;
    if (card.dataset.verdict) marks.verdict ??= performance.now() - start;
    const heat = card.querySelector(".result__why img");
    if (!card.dataset.verdict || !heat.src || !heat.complete || !heat.naturalWidth) return;
    marks.both = performance.now() - start;
    observer.disconnect();
    resolve(marks);
  };
  const observer = new MutationObserver(look);
  observer.observe(results, { subtree: true, childList: true, attributes: true });
  results.addEventListener("load", look, true);
  start = performance.now();
  dispatchEvent(new DragEvent("drop", { dataTransfer: bag, cancelable: true }));
})
"""


def measure(count: int = 20) -> dict[str, float | int]:
    """Medians and the 95th percentile over ``count`` uploads, after three that warm everything up."""
    with tempfile.TemporaryDirectory() as scratch:
        images = cifake(Path(scratch) / "images", count + 3)
        with product(Path(scratch) / "data") as address, chromium() as browser:
            page = browser.new_page()
            sign_up(page, address)
            marks = [_one(page, images[n % len(images)], n) for n in range(count + 3)][3:]
    both = sorted(mark["both"] for mark in marks)
    return {
        "uploads": count,
        "upload_to_verdict_ms_p50": round(statistics.median(mark["verdict"] for mark in marks), 1),
        "upload_to_verdict_and_heatmap_ms_p50": round(statistics.median(both), 1),
        "upload_to_verdict_and_heatmap_ms_p95": round(both[int(0.95 * (count - 1))], 1),
    }


def _one(page: Page, image: Path, number: int) -> dict[str, float]:
    body = base64.b64encode(image.read_bytes()).decode()
    marks = page.evaluate(MEASURE, {"name": f"{number:02}-{image.name}", "body": body})
    wait_done(page, number + 1)  # idle again before the next
    return marks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=20)
    print(json.dumps(measure(parser.parse_args().uploads)))


if __name__ == "__main__":
    main()
