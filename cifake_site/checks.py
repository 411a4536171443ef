"""What Django's system checks say of this machine: who else may read the data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register

# Made by the product, in DATA_DIR. What lies in a closed folder is closed.
OURS = (
    "cifake.sqlite3",
    "cifake.sqlite3-wal",
    "cifake.sqlite3-shm",
    "secret_key",
    "media",
    "mail",
    "uploads",
)
OTHERS = 0o077


@register(Tags.security)
def data_is_private(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Closes what an earlier version left open to others on this machine; warns of what it may not close."""
    open_ones = [path for path in _loose(Path(settings.DATA_DIR)) if not _closed(path)]
    hint = "Take the rights of others away: chmod go-rwx, as the owner."
    return [Warning(f"Others can read {path}.", hint=hint, id="cifake.W001") for path in open_ones]


def _loose(folder: Path) -> Iterator[Path]:
    for path in (folder / name for name in OURS):
        try:
            if path.lstat().st_mode & OTHERS and not path.is_symlink():
                yield path
        except FileNotFoundError:
            continue


def _closed(path: Path) -> bool:
    try:
        os.chmod(path, path.stat().st_mode & 0o700)
    except OSError:  # another user's
        return False
    return True
