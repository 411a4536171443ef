"""Whoever writes at once on PostgreSQL waits in one order: nobody waits for who waits for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Postgres, Site

# Deliveries are claimed and saved, events come in, people replay, rotate, and cancel batches that are
# being claimed: all at once, and many times over.
ACTS = """
import json, random, threading
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from accounts.access import principal_for
from accounts.models import User
from detection import batch_queue, batch_services, deliveries, events, webhooks
from detection.models import Delivery

URL, ROUNDS, failures = "https://192.0.43.8/", 30, []
person = User.objects.create_user("ada@example.org")
who = principal_for(person, person.organisations.get().slug)
hooks = [webhooks.make(principal=who, url=URL, events=["member.*"]) for _ in range(3)]

def deliver():
    if claimed := deliveries.claim(16):
        tries = [deliveries.Try(timezone.now(), random.choice([200, 503]), 1.0) for _ in claimed]
        deliveries.save(list(zip(claimed, tries)))

def tell():
    now, told = timezone.now(), random.sample(hooks, 3)
    with transaction.atomic():
        events.queue(events.delivery(each, "member.joined", events.new_id(), {}, now) for each in told)

def replay():
    if row := Delivery.objects.order_by("?").first():
        webhooks.replay(principal=who, webhook=row.webhook_id, pk=row.pk)

def rotate():
    webhooks.rotate_secret(principal=who, pk=random.choice(hooks).pk)

def order_and_cancel():
    batch = batch_services.create_batch(principal=who, urls=[URL] * 20)
    batch_services.cancel(principal=who, pk=batch.pk)

def repeat(act):
    for _ in range(ROUNDS):
        try:
            act()
        except OperationalError as error:
            failures.append(f"{act.__name__}: {error}".splitlines()[0])
    connection.close()

acts = [deliver, deliver, tell, tell, tell, replay, replay, rotate, order_and_cancel]
acts += [batch_queue.claim, batch_queue.claim]
threads = [threading.Thread(target=repeat, args=(act,)) for act in acts]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(failures))
"""

# Images come in, are examined, deleted, restored, examined again and removed for good.
TRASH = """
import json, random, threading
from datetime import timedelta
from pathlib import Path
from django.conf import settings
from django.db import Error, connection
from django.http import Http404
from accounts.access import principal_for
from accounts.models import User
from detection import queue, results, services, sweeper, trash
from detection.models import Artefact, Detection, StageRun
from detection.stages import Outcome
from tests.detection.conftest import verdict_outcome
from tests.hostile import png

ROUNDS, failures, image = 40, [], png()
trash.KEEP, trash.AT_ONCE = timedelta(0), 3
person = User.objects.create_user("ada@example.org")
who = principal_for(person, person.organisations.get().slug)
outcomes = {"fast": verdict_outcome(), "slow": Outcome({"objects": []})}

def send():
    services.submit(principal=who, data=image, name="cat.png")

def examine(lane):
    if claim := queue.claim(lane):
        results.save(claim, [outcomes[lane] for _ in claim.runs], 1.0)

def one(rows):
    return rows.order_by("?").values_list("pk", flat=True).first()

def delete():
    trash.delete(principal=who, pk=one(Detection.objects))

def restore():
    trash.restore(principal=who, pk=one(Detection.everything))

def empty():
    trash.empty(principal=who)

def again():
    services.retry(principal=who, pk=one(Detection.objects))

def rerun():
    services.rerun(principal=who, pk=one(Detection.objects))

def repeat(act, *given):
    for _ in range(ROUNDS):
        try:
            act(*given)
        except Http404:
            continue
        except Error as error:
            failures.append(f"{act.__name__}: {error}".splitlines()[0])
    connection.close()

acts = [(send,), (send,), (examine, "fast"), (examine, "fast"), (examine, "slow"), (delete,), (delete,)]
acts += [(restore,), (restore,), (trash.remove_old,), (trash.remove_old,), (empty,), (again,), (rerun,)]
threads = [threading.Thread(target=repeat, args=act) for act in acts]
for thread in threads: thread.start()
for thread in threads: thread.join()
named = {file.name for each in Detection.everything.all() for file in services.own_files(each)}
named |= {each.file.name for each in Artefact.objects.all()}
media = Path(settings.MEDIA_ROOT)
stored = {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}
lost, left = named - stored, stored - named
runs = StageRun.objects.exclude(detection__in=Detection.everything.all()).count()
print(json.dumps([failures, sorted(lost), sorted(left), runs, Detection.everything.exists()]))
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    found = Postgres()
    yield found
    found.close()


def test_nobody_waits_for_who_waits_for_them(server: Postgres, tmp_path: Path):
    site = Site(tmp_path, server.database(), WEBHOOK_RETRY_FACTOR="0", LOG_LEVEL="ERROR")
    site.run("migrate", "-v0")
    assert json.loads(site.run("shell", "-v0", "-c", ACTS).splitlines()[-1]) == []


def test_deleting_restoring_and_removing_while_stages_end(server: Postgres, tmp_path: Path):
    """Nobody waits for who waits for them; no file is lost, none is left, and no stage without its row."""
    site = Site(tmp_path, server.database(), STAGES_MODULE="tests.detection.toy_stages", LOG_LEVEL="CRITICAL")
    site.run("migrate", "-v0")
    failures, lost, left, runs, some = json.loads(site.run("shell", "-v0", "-c", TRASH).splitlines()[-1])
    assert (failures, lost, left, runs, some) == ([], [], [], 0, True)
