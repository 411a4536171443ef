"""The stages of a site without timers: what a browser or the consumer hears of was pushed to it.

The product knows no such setting, and its timers are too short for a test to tell them from pushes.
"""

import sys

from tests.chaos.stages import STAGES

if "detection.models" in sys.modules:  # in the web process and the consumer; a model process has no Django
    from detection import lane, rereading

    lane.POLL_SECONDS = rereading.REREAD_SECONDS = 3600.0

__all__ = ["STAGES"]
