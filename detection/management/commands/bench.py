"""manage.py bench: speed, as ratios of things timed back to back on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

INNER = "CIFAKE_BENCH"
WORDS = {
    "fused_ms": "prediction + Grad-CAM of one image, fused (ms)",
    "naive_ms": "the same by predict() and an eager tape (ms)",
    "ratio_vs_naive": "  times faster",
    "bare_per_second": "images/s, the bare compiled model in batches",
    "queue_per_second": "verdicts/s, queue to saved result, 200 waiting",
    "queue_vs_bare": "  share of the bare model's rate",
    "upload_to_verdict_ms_p50": "upload → verdict in Chromium, p50 (ms)",
    "upload_to_verdict_and_heatmap_ms_p50": "upload → verdict and heat map in Chromium, p50 (ms)",
    "upload_to_verdict_and_heatmap_ms_p95": "  p95 (ms)",
}


class Command(BaseCommand):
    help = "Measure speed in a data folder of its own. --browser adds upload → verdict in Chromium."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument("--browser", action="store_true", help="measure in Debian's Chromium too")

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get(INNER):
            return self._inner()
        found = _in_a_folder_of_its_own([sys.executable, "manage.py", "bench"])
        if options["browser"]:
            found |= _in_a_folder_of_its_own([sys.executable, "-m", "tests.e2e.latency"])
        lines = (f"{WORDS.get(key, key):<58}{value:>10.2f}" for key, value in found.items())
        self.stdout.write(json.dumps(found) if options["json"] else "\n".join(lines))
        return None

    def _inner(self) -> None:
        from detection import bench
        from mlcore.classifier import BATCH

        call_command("migrate", interactive=False, verbosity=0)
        found = bench.measure(settings.DETECTION_MODEL, BATCH)
        self.stdout.write(json.dumps(found))


def _in_a_folder_of_its_own(command: list[str]) -> dict[str, float]:
    """Runs a command with an empty DATA_DIR and the embedded default; its last line is JSON."""
    kept = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "REDIS_URL"}}
    with tempfile.TemporaryDirectory() as folder:
        env = {**kept, "DATA_DIR": folder, INNER: "1", "TF_CPP_MIN_LOG_LEVEL": "2", "LOG_LEVEL": "ERROR"}
        done = subprocess.run(command, env=env, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise CommandError(f"“{' '.join(command[1:])}” ended with status {done.returncode}.")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
