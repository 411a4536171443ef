"""What the settings do to the machine they are loaded on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cifake_site.settings import env_number, number
from tests.servers import ROOT


@pytest.mark.parametrize("mode", [None, 0o755])
def test_the_data_folder_is_for_its_owner_alone(tmp_path, mode):
    folder = tmp_path / "site"
    if mode:
        folder.mkdir()
        folder.chmod(mode)
    load_settings(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_all_share_keeps_its_mode(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    folder.chmod(0o1777)
    load_settings(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777


@pytest.mark.parametrize("site", ["", "http://cifake.example.org", "cifake.example.org"])
def test_https_needs_the_sites_address_and_says_so_in_a_sentence(tmp_path, site):
    environment = {**os.environ, "DATA_DIR": str(tmp_path), "HTTPS": "1", "SITE_URL": site}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("HTTPS=1 needs SITE_URL")
    assert len(done.stderr.splitlines()) == 1


def load_settings(folder: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(folder)}
    program = [sys.executable, "-c", "import cifake_site.settings"]
    subprocess.run(program, cwd=ROOT, env=environment, check=True)


@pytest.mark.parametrize("name", ["MAX_UPLOAD_BYTES", "LEASE_SECONDS", "REMOTE_PORTS", "TRUSTED_PROXIES"])
@pytest.mark.parametrize("value", ["9" * 5000, "-1", "nan", "inf", "1e999", "ten", " "])
def test_a_number_that_is_none_ends_in_a_sentence(name, value):
    kind = float if name == "LEASE_SECONDS" else int
    with pytest.raises(ImproperlyConfigured, match=f"{name} has to be a .*number from 0 on"):
        number(name, value, kind)


def test_a_number_of_the_environment_is_taken(monkeypatch):
    monkeypatch.setenv("MAX_UPLOAD_FILES", "12")
    monkeypatch.setenv("LEASE_SECONDS", "2.5")
    assert (env_number("MAX_UPLOAD_FILES", 50), env_number("LEASE_SECONDS", 60.0)) == (12, 2.5)
    assert env_number("SOMETHING_ELSE", 7) == 7
