"""manage.py trust: the C2PA trust lists, fetched when an operator asks and never by themselves."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore.errors import MlcoreError
from mlcore.provenance import trust


class Command(BaseCommand):
    help = "The lists of trusted signers of pictures (C2PA): fetch them, or show those that are there."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="update|show")
        update = actions.add_parser("update", help="fetch the official lists, or copy them out of a folder")
        update.add_argument("--from", type=Path, dest="source", metavar="DIR", help="copy them from here")
        show = actions.add_parser("show", help="the lists that are there")
        for each in (update, show):
            each.add_argument(
                "--to", type=Path, dest="folder", metavar="DIR", help="instead of C2PA_TRUST_DIR"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"] or _folder()
        if options["action"] == "update":
            self._update(folder, options["source"])
        self._show(folder)

    def _update(self, folder: Path, source: Path | None) -> None:
        try:
            contents = {name: _content(name, source) for name in trust.FILES}
            trust.install(contents, folder)
        except MlcoreError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{folder} cannot be written to: {error.strerror or error}.") from error

    def _show(self, folder: Path) -> None:
        for name in trust.FILES:
            path = folder / name
            try:
                found = trust.certificates(trust.copied(folder, name), name)
            except MlcoreError as error:
                self.stdout.write(f"{path}: none ({error}) Run manage.py trust update.")
                continue
            self.stdout.write(f"{path}: {_described(path, found)}")


def _folder() -> Path:
    """C2PA_TRUST_DIR, or a folder of the site's own data."""
    given = getattr(settings, "C2PA_TRUST_DIR", None) or os.environ.get("C2PA_TRUST_DIR")
    return Path(given) if given else Path(settings.DATA_DIR) / "c2pa"


def _content(name: str, source: Path | None) -> bytes:
    if source:
        return trust.copied(source, name)
    return trust.fetch(f"{getattr(settings, 'C2PA_TRUST_URL', trust.OFFICIAL).rstrip('/')}/{name}")


def _described(path: Path, found: list[x509.Certificate]) -> str:
    """How many, of whom, how old: one line."""
    now = datetime.now(UTC)
    valid = sum(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in found)
    changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    owners = ", ".join(name for name, _ in Counter(_owner(each) for each in found).most_common())
    return f"{len(found)} certificates, {valid} valid today, of {changed:%Y-%m-%d}: {owners}"


def _owner(certificate: x509.Certificate) -> str:
    from mlcore.provenance.text import clean

    names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return clean(names[0].value) if names else "?"
