"""The product's own settings, on a data folder that goes away with the test run.

A module of its own because pytest-django reads the settings before any conftest. It changes
nothing else, so that servers which tests start as processes run as they do for people.
"""

import atexit
import os
import shutil
import tempfile

if "DATA_DIR" not in os.environ:
    os.environ["DATA_DIR"] = tempfile.mkdtemp(prefix="cifake-tests-")
    atexit.register(shutil.rmtree, os.environ["DATA_DIR"], ignore_errors=True)

from cifake_site.settings import *  # noqa: F403
