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

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            parts = publishing.unseen(registry.card(options["model"]), data.load(options["data"]))
            made = publishing.examine(options["model"], *parts, self.stderr.write)
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        metrics = made["metrics"]
        self.stdout.write(
            "accuracy {accuracy:.4f}, ECE {ece:.4f}, coverage {coverage:.4f}, wrong among decided "
            "{decided_error:.4f}, refused {refused:.4f}".format(**metrics)
        )
