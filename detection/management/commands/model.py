"""manage.py model list|show|activate|verify: which models there are, and which one answers."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from detection import active
from mlcore import registry
from mlcore.errors import ModelUnavailable

SHOWN = ("accuracy", "auroc", "ece", "coverage", "decided_error")


class Command(BaseCommand):
    help = "List models, show a model's card, choose the active one, or check the weights' hashes."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="list|show|activate|verify")
        what.add_parser("list", help="all models; the active one has a star")
        what.add_parser("show", help="the card of one model").add_argument("name")
        activate = what.add_parser("activate", help="make a model the one that answers, without a restart")
        activate.add_argument("name")
        verify = what.add_parser("verify", help="compare weights with the hashes in the cards")
        verify.add_argument("name", nargs="?", help="one model alone (default: all)")

    def handle(self, *args: Any, what: str, name: str | None = None, **options: Any) -> None:
        try:
            getattr(self, f"_{what}")(name)
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error

    def _list(self, _: None) -> None:
        chosen = active.name()
        for each in registry.names():
            card = registry.card(each)
            accuracy = (card.get("metrics") or {}).get("accuracy")
            words = f"accuracy {accuracy:.2%}" if accuracy is not None else "not measured"
            self.stdout.write(f"{'*' if each == chosen else ' '} {each:<20} {card['version']:<10} {words}")
        if chosen not in registry.names():
            self.stderr.write(f"The active model, {chosen}, is not here. Choose one with “model activate”.")

    def _show(self, name: str) -> None:
        card = registry.card(name)
        lines = [f"{name} {card['version']}{' (active)' if name == active.name() else ''}"]
        lines += [card.get("summary", ""), "", "Limits:", *(f"- {each}" for each in card.get("limits", []))]
        metrics = card.get("metrics") or {}
        lines += ["", *(f"{key}: {metrics[key]:.4f}" for key in SHOWN if key in metrics)]
        for rate, point in (card.get("operating_points") or {"": card["thresholds"]}).items():
            label = f"at most {float(rate):.1%} wrong" if rate else "answers"
            lines.append(f"{label}: AI from {point['fake']:.4f}, photo below {point['real']:.4f}")
        lines.append(f"sha256: {card['sha256']}")
        self.stdout.write("\n".join(lines))

    def _activate(self, name: str) -> None:
        model = active.activate(name)
        self.stdout.write(
            f"{model.name} {model.version} is the active model. Running consumers take it up after the "
            "batch at work; results so far stay as they are."
        )

    def _verify(self, name: str | None) -> None:
        """All are looked at, whatever is wrong with some."""
        wrong = 0
        for each in [name] if name else registry.names():
            try:
                registry.verified(each)
                self.stdout.write(f"{each}: the weights are those of its card.")
            except ModelUnavailable as error:
                wrong += 1
                self.stderr.write(f"{each}: {error}")
        if wrong:
            raise CommandError(f"{wrong} of the models cannot be used as they are.")
