"""kill -9 with work in flight, on real processes, with the real model: nothing lost, nothing twice."""

from __future__ import annotations

import http.client
import os
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from tests.chaos.conftest import ChaosSite, fast_model
from tests.hostile import saved
from tests.servers import Process, eventually, running

pytestmark = pytest.mark.timeout(400)

MEMBERS, UPLOADS = 5, 200

MAKE_MEMBERS = f"""
import json
from importlib import import_module
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from accounts.models import Membership, Organisation, User
engine = import_module(settings.SESSION_ENGINE)
organisation = Organisation.objects.create(name="Herald", slug="herald")
def cookie(number):
    user = User.objects.create_user(f"member{{number}}@example.org")
    Membership.objects.create(organisation=organisation, user=user)
    session = engine.SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key
print(json.dumps([cookie(number) for number in range({MEMBERS})]))
"""

SUBMIT = """
import json
from accounts.access import Principal
from accounts.models import Membership, Organisation, User
from detection import services
from tests.chaos.test_kill import picture
from tests.chaos.stages import POISON
from tests.hostile import png
organisation = Organisation.objects.create(name="Herald", slug="herald")
principal = Principal(User.objects.create_user("member@example.org"), organisation, "member")
for number in range(%d):
    services.submit(principal=principal, data=picture(number), name=f"{number}.jpg")
for number in range(%d):
    services.submit(principal=principal, data=png(*POISON), name="poison.png")
print(json.dumps(True))
"""


def picture(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (32, 32, 3), np.uint8)
    return saved(Image.fromarray(pixels), "JPEG", quality=90)


def upload(base: str, cookie: str, numbers: range) -> list[int]:
    """One member's browser: a file a request, over one connection; gives the answers' statuses."""
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=120)
    return [_post(connection, cookie, number) for number in numbers]


def _post(connection: http.client.HTTPConnection, cookie: str, number: int) -> int:
    boundary, token = uuid.uuid4().hex, "t" * 32
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.jpg"\r\n'
    body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + picture(number)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Accept": "application/json",
        "Cookie": f"sessionid={cookie}; csrftoken={token}",
        "X-CSRFToken": token,
    }
    connection.request("POST", "/o/herald/detections/", body + f"\r\n--{boundary}--\r\n".encode(), headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def kill_in_flight(site: ChaosSite, process: Process, nth: int) -> None:
    """kill -9 of the nth fast model process, in the middle of a batch."""
    pid = fast_model(process, nth)
    eventually(lambda: site.count("state = 'running'") > 0)
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
        eventually(lambda: site.count("state = 'running'") > 0)
        first.kill()
        eventually(lambda: not running(model))  # it does not outlive its consumer
    left = site.count("state = 'running'")
    assert left > 0
    site.hold.unlink()
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


def test_a_poisonous_file_takes_no_other_with_it(sqlite_site):
    sqlite_site.shell(SUBMIT % (12, 1))
    with sqlite_site.started("inference_consumer", "--lanes", "fast") as consumer:
        eventually(lambda: sqlite_site.count("state IN ('queued', 'running')") == 0)
        assert consumer.stop() == 0
    assert sqlite_site.count("state = 'done' AND attempts = 2") == 12
    ((attempts, code),) = sqlite_site.rows(
        "SELECT attempts, error_code FROM detection_stagerun WHERE state = 'failed'"
    )
    assert (attempts, code) == (4, "model_process_died")
