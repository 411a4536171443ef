"""kill -9 with work in flight, on real processes: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.acts import MAKE_MEMBERS, MEMBERS, SUBMIT, upload
from tests.chaos.conftest import ChaosSite, fast_model
from tests.servers import Process, eventually, running

pytestmark = pytest.mark.timeout(400)

UPLOADS = 200


def kill_in_flight(site: ChaosSite, process: Process, nth: int) -> None:
    """kill -9 of the nth fast model process, in the middle of a batch."""
    pid = fast_model(process, nth)
    eventually(lambda: site.holds(pid))
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not running(pid))


def test_a_burst_survives_two_kills_of_the_model_process(site):
    cookies = site.shell(MAKE_MEMBERS)
    share = UPLOADS // MEMBERS
    with site.started("serve", "--port", "0") as server, ThreadPoolExecutor(MEMBERS) as browsers:
        base = server.says("is ready").split("open ")[1].split()[0]
        fast_model(server, 1)
        uploads = [
            browsers.submit(upload, base, cookie, range(place * share, (place + 1) * share))
            for place, cookie in enumerate(cookies)
        ]
        eventually(lambda: site.count("state = 'done'") > 0)
        site.hold.touch()
        kill_in_flight(site, server, 1)
        kill_in_flight(site, server, 2)
        site.hold.unlink()
        assert [status for each in uploads for status in each.result()] == [201] * UPLOADS
        eventually(lambda: site.count("state IN ('queued', 'running')") == 0)
        site.check_all_done(UPLOADS)
        assert 0 < site.count("attempts > 1") < UPLOADS
        eventually(lambda: not site.rows("SELECT 1 FROM detection_detection WHERE completed_at IS NULL"))
        assert server.stop() == 0


def test_another_consumer_takes_over_from_one_that_was_killed(site):
    site.shell(SUBMIT % (60, 0))
    site.hold.touch()
    with site.started("inference_consumer", "--lanes", "fast") as first:
        model = fast_model(first, 1)
        eventually(lambda: site.holds(model))
        first.kill()
        eventually(lambda: not running(model))  # it does not outlive its consumer
    left = site.count("state = 'running'")
    assert left > 0
    site.hold.unlink()
    site.expire_leases()
    with site.started("inference_consumer", "--lanes", "fast") as second:
        eventually(lambda: site.count("state IN ('queued', 'running')") == 0)
        site.check_all_done(60)
        assert site.count("attempts = 2") == left
        assert second.stop() == 0


def test_two_consumers_share_the_work_and_one_stops_in_the_middle(site):
    """A clean stop costs no attempt: what it held is finished, or given back untouched."""
    site.shell(SUBMIT % (120, 0))
    consumer = ("inference_consumer", "--lanes", "fast")
    with site.started(*consumer) as first, site.started(*consumer) as second:
        fast_model(first, 1)
        eventually(lambda: site.count("state = 'done'") > 0)
        assert first.stop(signal.SIGINT) == 0
        eventually(lambda: site.count("state IN ('queued', 'running')") == 0)
        site.check_all_done(120)
        assert site.count("attempts = 1") == 120
        assert second.stop() == 0


def test_a_poisonous_file_takes_no_other_with_it(site):
    site.shell(SUBMIT % (12, 1))
    with site.started("inference_consumer", "--lanes", "fast") as consumer:
        eventually(lambda: site.count("state IN ('queued', 'running')") == 0)
        assert consumer.stop() == 0
    assert site.count("state = 'done' AND attempts = 2") == 12
    ((attempts, code),) = site.rows(
        "SELECT attempts, error_code FROM detection_stagerun WHERE state = 'failed'"
    )
    assert (attempts, code) == (3, "model_process_died")  # once with the others, twice alone
