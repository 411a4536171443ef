"""Nobody else on the machine reads what the product writes, whatever the shell's umask is."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import run_checks

from cifake_site import checks

WORK = """
import os
os.umask(0o022)
import django
django.setup()
from django.core.mail import send_mail
from django.core.management import call_command
call_command("migrate", interactive=False, verbosity=0)
from accounts.access import principal_for
from accounts.models import User
from detection import services
from tests.hostile import png
user = User.objects.create_user("ada@example.org", "x")
services.submit(principal=principal_for(user, user.organisations.get().slug), data=png(), name="cat.png")
send_mail("Hello", "Hello", None, ["ada@example.org"])
"""


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*")}


@pytest.fixture
def shared(tmp_path) -> Path:
    """A folder that everybody may write to, as /tmp: it is not ours to close."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def test_no_file_in_a_shared_folder_is_readable_for_others(shared):
    environment = {**os.environ, "DATA_DIR": str(shared), "DJANGO_SETTINGS_MODULE": "cifake_site.settings"}
    for name in ("DATABASE_URL", "SECRET_KEY", "EMAIL_HOST", "EMAIL_BACKEND"):
        environment.pop(name, None)
    subprocess.run([sys.executable, "-c", WORK], env=environment, check=True, timeout=300)
    found = modes(shared)
    parts = {name.partition("/")[0] for name in found}
    assert {"cifake.sqlite3", "secret_key", "media", "mail"} <= parts
    assert len([name for name in found if name.startswith("media/")]) >= 6
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


def test_what_an_earlier_version_left_open_is_closed(settings, shared):
    settings.DATA_DIR = shared
    (shared / "media").mkdir()
    (shared / "media").chmod(0o755)
    (shared / "cifake.sqlite3").touch()
    (shared / "cifake.sqlite3").chmod(0o644)
    (shared / "notes.txt").touch()
    (shared / "notes.txt").chmod(0o644)
    assert not [each for each in run_checks(tags=["security"]) if each.id == "cifake.W001"]
    assert modes(shared) == {"media": 0o700, "cifake.sqlite3": 0o600, "notes.txt": 0o644}  # that is not ours


def test_what_cannot_be_closed_is_said(settings, shared, monkeypatch):
    def refuse(*args):
        raise PermissionError

    settings.DATA_DIR = shared
    (shared / "secret_key").touch()
    (shared / "secret_key").chmod(0o644)
    monkeypatch.setattr(checks.os, "chmod", refuse)
    [warning] = [each for each in run_checks(tags=["security"]) if each.id == "cifake.W001"]
    assert "secret_key" in warning.msg
