"""The web process gives back the memory of the pictures that it decoded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers import ROOT

PROGRAM = """
import io, os, threading
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from cifake_site.asgi import build
build(consumer=False)
from detection.intake import take_in
from PIL import Image

def resident_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

out = io.BytesIO()
Image.new("F", (4000, 4000)).save(out, "TIFF", compression="tiff_adobe_deflate")
before = resident_mb()
threads = [threading.Thread(target=take_in, args=(out.getvalue(), "x.tiff")) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux, and mends what glibc does")
def test_pictures_leave_no_memory_behind_in_the_threads_that_decoded_them():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout.splitlines()[-1]) < 150  # MB; without care it is several times that
