"""What the settings do to the machine they are loaded on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

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


def load_settings(folder: Path) -> None:
    environment = {**os.environ, "DATA_DIR": str(folder)}
    program = [sys.executable, "-c", "import cifake_site.settings"]
    subprocess.run(program, cwd=ROOT, env=environment, check=True)
