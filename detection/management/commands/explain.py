"""manage.py explain: which explanation of a model can be believed, and what the model looks at."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore import data, registry
from mlcore.errors import MlcoreError

if TYPE_CHECKING:
    from mlcore.explain_network import Network


DEVELOPMENT = 48  # the first of the part, on which method and grid were chosen: no figure rests on them


class Command(BaseCommand):
    help = (
        "Measure a model's explanations on pictures that it never saw, and write the table and the global "
        "view into its folder (explanations.json, global_view.png)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="CIFAKE, as it was trained on")
        parser.add_argument("--model", default=settings.DETECTION_MODEL)
        parser.add_argument("--images", type=int, default=1000)
        parser.add_argument("--slow-images", type=int, default=50, help="so many for LIME and SHAP")
        parser.add_argument("--methods", nargs="+", metavar="NAME", help="some methods only")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
        parser.add_argument("--dry-run", action="store_true", help="print only, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        from mlcore.explain_network import Network

        try:
            found, table = self._examine(Network.load(options["model"]), options)
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(found) if options["json"] else table)

    def _examine(self, network: Network, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
        from mlcore import explain_table, global_chart, global_view

        part = _part(options["model"], options["data"], options["images"])
        rows, maps = explain_table.rows(
            network, part.images, _methods(options["methods"]), options["slow_images"], self.stderr.write
        )
        whole = {method: each for method, each in maps.items() if len(each) == len(part)}
        kinds, p_fake = global_view.categories(options["data"], part.hashes), network.p_fake(part.images)
        view = global_view.summarise(part, kinds, p_fake, whole)
        model = {"name": network.ref.name, "version": network.ref.version, "sha256": network.ref.sha256}
        found = {"model": model, "methods": [row.as_dict() for row in rows], "global": view}
        if not options["dry_run"]:
            folder = registry.folder(options["model"])
            (folder / "explanations.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            if whole:
                first = next(iter(whole.values()))
                global_chart.draw(part, kinds, p_fake, first, view, folder / "global_view.png")
        return found, explain_table.markdown(rows)


def _part(name: str, source: Path, count: int) -> data.Dataset:
    """Pictures from the part that neither training nor calibration saw. The parts come shuffled."""
    from mlcore.publishing import unseen

    part = unseen(registry.card(name), data.load(source))[1]
    return part.take(slice(DEVELOPMENT, DEVELOPMENT + count))


def _methods(wanted: list[str] | None) -> list[str]:
    from mlcore.explain import METHODS

    if unknown := set(wanted or ()) - set(METHODS):
        there = ", ".join(METHODS)
        raise CommandError(f"There is no method named “{', '.join(sorted(unknown))}”. There are: {there}.")
    return [name for name in METHODS if wanted is None or name in wanted]
