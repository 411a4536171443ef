"""manage.py evaluate: what a model is worth on a labelled folder."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore import evaluation, registry
from mlcore.errors import MlcoreError


class Command(BaseCommand):
    help = "Evaluate a model on a folder or zip that holds REAL and FAKE. FAKE is the positive class."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--model", default=settings.DETECTION_MODEL)
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument(
            "--held-out",
            action="store_true",
            help="only the part of the training data that training did not see (the card's split)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            card = registry.card(options["model"])
            seed = card["data"]["split_seed"] if options["held_out"] else None
            found = evaluation.evaluate_source(options["data"], options["model"], held_out_seed=seed)
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        for name in found.unreadable:
            self.stderr.write(f"{name}: not readable as an image, left out")
        result = {**found.metrics.as_dict(), "unreadable": len(found.unreadable)}
        model = registry.describe(options["model"])
        result["model"] = {"name": model.name, "version": model.version, "sha256": model.sha256}
        self.stdout.write(json.dumps(result) if options["json"] else _words(result))


def _words(result: dict[str, Any]) -> str:
    confusion = result["confusion"]
    lines = [f"{result['model']['name']} {result['model']['version']} on {result['n']:,} images"]
    for key in ("accuracy", "precision", "recall", "f1", "auroc", "ece"):
        lines.append(f"  {key:<10}{result[key]:.4f}")
    lines += ["", f"  {'':<8}{'said real':>12}{'said fake':>12}"]
    lines += [f"  {truth:<8}{row['real']:>12,}{row['fake']:>12,}" for truth, row in confusion.items()]
    return "\n".join(lines)
