"""Standard output for our own lines alone, whatever the libraries below print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """Yield the real standard output, while all else written there goes to standard error.

    File descriptors are swapped, so lines that C++ code writes are led away as well.
    """
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(ours, "w", encoding="utf-8", errors="backslashreplace", closefd=False) as stream:
            yield stream
    finally:
        sys.stdout.flush()
        os.dup2(ours, 1)
        os.close(ours)
