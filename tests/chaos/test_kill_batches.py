"""kill -9 of what feeds a batch in, at random moments: every image ends once."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from detection.sweeper import GRACE
from tests.chaos.conftest import ChaosSite
from tests.servers import eventually

pytestmark = pytest.mark.timeout(600)

COUNT, KILLS = 60, 3
MAKE = f"""
import json
from django.core.files.base import ContentFile
from accounts.access import principal_for
from accounts.models import User
from detection import batch_services
from tests.chaos.acts import picture
from tests.zips import zipped
user = User.objects.create_user("member@example.org")
principal = principal_for(user, user.organisations.get().slug)
files = {{f"{{number}}.jpg": picture(number) for number in range({COUNT})}} | {{"bad.txt": b"no image"}}
batch_services.create_batch(principal=principal, archive=ContentFile(zipped(files)))
print(json.dumps(True))
"""
CONSUMER = ("inference_consumer", "--lanes", "fast,slow")


@pytest.fixture
def toy_site(new_site) -> ChaosSite:
    """What is killed here is not the model: one that costs nothing will do."""
    site = new_site(STAGES_MODULE="tests.detection.toy_stages", BATCH_THREADS="3")
    (site.folder / "toy_weights").touch()
    site.shell(MAKE)
    return site


def entries(site: ChaosSite, condition: str) -> int:
    return int(site.rows(f"SELECT count(*) FROM detection_batchentry WHERE {condition}")[0][0])


def expire(site: ChaosSite) -> None:
    """As if the time were up, for entries and for stages."""
    site.expire_leases()
    with site.connected() as connection:
        connection.execute(
            "UPDATE detection_batchentry SET lease_until = '2001-01-01 00:00:00+00:00'"
            " WHERE state = 'running'"
        )


def test_a_batch_survives_kills_of_its_workers(toy_site):
    site, moments = toy_site, random.Random()
    for kill in range(KILLS):
        with site.started(*CONSUMER) as consumer:
            eventually(lambda kill=kill: entries(site, "state = 'accepted'") >= 12 * kill + 1)
            threading.Event().wait(moments.uniform(0, 0.2))
            consumer.kill()
        expire(site)
    assert 0 < entries(site, "state = 'accepted'") < COUNT
    with site.started(*CONSUMER) as consumer:
        eventually(lambda: site.rows("SELECT state FROM detection_batch") == [("done",)])
        assert consumer.stop() == 0
    check_each_once(site)


def check_each_once(site: ChaosSite) -> None:
    assert entries(site, "state = 'accepted'") == COUNT
    assert entries(site, "state = 'refused' AND error_code = 'not_an_image'") == 1
    names = [name for (name,) in site.rows("SELECT name FROM detection_detection")]
    assert sorted(names) == sorted(f"{number}.jpg" for number in range(COUNT))
    assert site.count("state = 'done'") == COUNT
    pairs = "SELECT count(DISTINCT detection_id) FROM detection_batchentry WHERE detection_id IS NOT NULL"
    assert site.rows(pairs) == [(COUNT,)]
    then = time.time() - 2 * GRACE.total_seconds()
    for path in site.files():
        os.utime(path, (then, then))
    site.shell("import json; from detection import sweeper; print(json.dumps(sweeper.sweep()))")
    assert len(site.files()) == 4 * COUNT  # original, preview, thumbnail, heat map; and no zip
