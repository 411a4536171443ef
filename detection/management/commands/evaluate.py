"""manage.py evaluate: what a model is worth on a labelled folder."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore import data, evaluation, registry, report, robustness
from mlcore.data import Dataset
from mlcore.errors import MlcoreError
from mlcore.evaluation import Evaluation, Model, Scored
from mlcore.robustness import Row


class Command(BaseCommand):
    help = (
        "Evaluate a model on a folder or zip that holds REAL and FAKE (FAKE is the positive class); "
        "folders below those are sources, reported one by one."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--model", default=settings.DETECTION_MODEL)
        parser.add_argument("--all", action="store_true", help="every model there is, as one table")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument(
            "--report", type=Path, metavar="DIR", help="write tables and curves to this folder"
        )
        parser.add_argument(
            "--robustness",
            action="store_true",
            help="also after JPEG, WebP, blur, resizing …: accuracy, and what the gate refuses (32 px only)",
        )
        parser.add_argument("--images", type=int, default=2000, help="at most so many for --robustness")
        parser.add_argument(
            "--held-out",
            action="store_true",
            help="only the part of the training data that the model never saw (the card's split)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = [self._evaluate(name, options) for name in self._names(options)]
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(found if options["all"] else found[0]))
        elif options["all"]:
            self.stdout.write(_comparison(found))

    def _names(self, options: dict[str, Any]) -> list[str]:
        return registry.names() if options["all"] else [options["model"]]

    def _evaluate(self, name: str, options: dict[str, Any]) -> dict[str, Any]:
        model = Model(name)
        scored, found = self._scored(model, options)
        rows = self._robustness(model, options) if options["robustness"] or options["all"] else []
        if options["report"]:
            folder = options["report"] / name if options["all"] else options["report"]
            report.write(folder, found, scored, model.card, rows)
        if not options["json"] and not options["all"]:
            self.stdout.write(_words(model, found, rows))
        return _as_json(model, found, rows)

    def _scored(self, model: Model, options: dict[str, Any]) -> tuple[Scored, Evaluation]:
        if options["held_out"]:
            scored = evaluation.score_arrays(_report_part(model, options["data"]), model)
        else:
            scored = evaluation.score_folder(options["data"], model)
        for name in scored.unreadable:
            self.stderr.write(f"{name}: not readable as an image, left out")
        return scored, evaluation.evaluate(scored, model.thresholds)

    def _robustness(self, model: Model, options: dict[str, Any]) -> list[Row]:
        whole = _report_part(model, options["data"]) if options["held_out"] else data.load(options["data"])
        some = data.sample(whole, options["images"])
        return robustness.rows(model, some, lambda label: self.stderr.write(label))


def _report_part(model: Model, source: Path) -> Dataset:
    from mlcore.publishing import unseen

    return unseen(model.card, data.load(source))[1]


def _as_json(model: Model, found: Evaluation, rows: list[Row]) -> dict[str, Any]:
    card = model.card
    robust = {"robustness": [row.as_dict() for row in rows]} if rows else {}
    ref = {key: card[key] for key in ("name", "version", "sha256")}
    return {**found.as_dict(), **robust, "model": ref, "parameters": card.get("parameters")}


def _words(model: Model, found: Evaluation, rows: list[Row]) -> str:
    confusion = found.metrics.confusion
    lines = [
        f"{model.card['name']} {model.card['version']} on {found.metrics.n:,} images", "",
        report.words(found), "",
        f"  {'':<8}{'said real':>12}{'said fake':>12}",
        *(f"  {truth:<8}{row['real']:>12,}{row['fake']:>12,}" for truth, row in confusion.items()), "",
        report.sources(found),
    ]  # fmt: skip
    return "\n".join([*lines, "", robustness.table([row.as_dict() for row in rows])] if rows else lines)


SHOWN = (("jpeg", 60), ("blur", 0.7), ("up_down", 4))


def _comparison(found: list[dict[str, Any]]) -> str:
    """One line for each model, as it stands in docs/models.md."""
    from mlcore.timing import one_image

    head = (
        "| model | parameters | file (MB) | accuracy (95 %) | AUROC | ECE | coverage | JPEG 60 | blur 0.7 "
        "| ×4 up and down | verdict with map (ms) |"
    )
    lines = [head, "|" + " --- |" * 11]
    for each in found:
        name, interval = each["model"]["name"], each["accuracy_interval"]
        lost = {(row["degradation"], row["strength"]): row["lost"] for row in each["robustness"]}
        size = (registry.folder(name) / "model.keras").stat().st_size / 1e6
        cells = [
            name, f"{each['parameters']:,}", f"{size:.1f}",
            f"{each['accuracy']:.4f} ({interval[0]:.4f}–{interval[1]:.4f})",
            f"{each['auroc']:.4f}", f"{each['ece']:.4f}", f"{each['coverage']:.3f}",
            *(f"−{lost[key]:.1f}" for key in SHOWN), f"{one_image(name)['fused_ms']:.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
