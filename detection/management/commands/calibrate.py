"""manage.py calibrate: fit calibration, thresholds and gate of trained weights, and measure them."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore import data, publishing, registry
from mlcore.errors import MlcoreError


class Command(BaseCommand):
    help = (
        "Fit a model's calibration, thresholds and gate anew on data that its training did not see, measure "
        "it on other such data, and write its card and curves. The weights stay as they are."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="what the model was trained on, whole")
        parser.add_argument("--model", default=settings.DETECTION_MODEL)
        parser.add_argument(
            "--gate-only", action="store_true", help="calibration and thresholds stay as they are"
        )
        parser.add_argument(
            "--made-small",
            action="store_true",
            help="fit nothing: measure what the large REAL and FAKE pictures in --data get once made small",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["made_small"]:
                return publishing.examine_reduced(options["model"], options["data"], self.stderr.write)
            made = self._calibrated(options)
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            "accuracy {accuracy:.4f}, ECE {ece:.4f}, coverage {coverage:.4f}, wrong among decided "
            "{decided_error:.4f}, refused {refused:.4f}".format(**made["metrics"])
        )
        return None

    def _calibrated(self, options: dict[str, Any]) -> dict[str, Any]:
        name, gate_only = options["model"], options["gate_only"]
        parts = publishing.unseen(registry.card(name), data.load(options["data"]))
        return publishing.examine(name, *parts, self.stderr.write, gate_only=gate_only)
