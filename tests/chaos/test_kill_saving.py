"""kill -9 of a consumer that is saving: files may be left behind, but no row without its file."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from detection.sweeper import GRACE
from tests.chaos.acts import SUBMIT
from tests.chaos.conftest import ChaosSite, fast_model
from tests.servers import eventually

pytestmark = pytest.mark.timeout(400)

CONSUMER = ("inference_consumer", "--lanes", "fast")
KILLS = 2  # fewer than a row has attempts: it may be at work in each of them


def finish(site: ChaosSite, count: int) -> None:
    """A new consumer does what is left, and a sweep the day after removes what no row names."""
    site.expire_leases()
    with site.started(*CONSUMER) as consumer:
        eventually(lambda: site.count("state IN ('queued', 'running')") == 0)
        assert consumer.stop() == 0
    then = time.time() - 2 * GRACE.total_seconds()
    for path in site.files():
        os.utime(path, (then, then))
    site.shell("import json; from detection import sweeper; print(json.dumps(sweeper.sweep()))")
    site.check_all_done(count)


def test_a_consumer_killed_between_files_and_rows(site):
    count = 40
    site.shell(SUBMIT % (count, 0))
    site.hold.touch()
    with site.started(*CONSUMER) as consumer:
        fast_model(consumer, 1)
        # All of them, the batch ahead too: a claim that met the lock would hold up the saving behind it.
        eventually(lambda: site.count("state = 'running'") == count)
        with site.shut():
            site.hold.unlink()
            eventually(lambda: len(site.files()) > 3 * count)  # heat maps are there, and no row is
            consumer.kill()
    assert site.count("state = 'done'") == 0
    left = len(site.files()) - 3 * count
    assert left > 0
    finish(site, count)


def test_consumers_killed_at_random_moments_of_a_burst(site):
    count, moments = 200, random.Random()
    site.shell(SUBMIT % (count, 0))
    for kill in range(KILLS):
        with site.started(*CONSUMER) as consumer:
            eventually(lambda kill=kill: site.count("state = 'done'") >= 80 * kill + 1)
            threading.Event().wait(moments.uniform(0, 0.1))
            consumer.kill()
        site.expire_leases()
        assert site.count() == count  # no row is lost or doubled by a kill
    finish(site, count)
