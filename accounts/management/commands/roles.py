from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from accounts.roles import markdown


class Command(BaseCommand):
    help = "Prints the table of who may what, as Markdown, for docs/organisations.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(markdown(), ending="")
