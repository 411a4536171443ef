"""?wait and server-sent events, through the whole ASGI application."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.models import ApiKey
from detection import afterwards, api_events, api_waiting, push, queue, rereading, results, services, trash
from detection.models import Detection, StageRun
from detection.stages import Outcome
from tests import hostile
from tests.api.asking import Asking, ask, together
from tests.detection.conftest import PATIENCE, finish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toy")]
URL = {"url": "https://example.org/cat.png"}


@pytest.fixture
def toy(settings):
    settings.STAGES_MODULE = "tests.detection.toy_stages"


@pytest.fixture(autouse=True)
def _fetched(monkeypatch):
    monkeypatch.setattr("detection.api_submission.fetch_image", lambda url: (hostile.png(), "cat.png"))


@pytest.fixture
def pushed(monkeypatch):
    """Whatever arrives in these tests was pushed."""
    monkeypatch.setattr(api_waiting, "LOOK_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(api_events, "ADMIT_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(rereading, "REREAD_SECONDS", 10 * PATIENCE)


@pytest.fixture
def lost(monkeypatch):
    """Nothing is pushed: the timers find it."""

    async def silent(*args):
        pass

    monkeypatch.setattr(push, "announce", silent)
    monkeypatch.setattr(api_waiting, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(api_events, "ADMIT_SECONDS", 0.05)
    monkeypatch.setattr(rereading, "REREAD_SECONDS", 0.05)


@pytest.fixture
def detection(principal) -> Detection:
    return services.submit(principal=principal, data=hostile.png(), name="cat.png")


async def until(check) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await sync_to_async(check)():
            await asyncio.sleep(0.01)


async def finish_next() -> None:
    """Finishes the verdict of what comes in next, as a lane does."""
    await until(StageRun.objects.filter(state="queued", lane="fast").exists)
    await push.announce(await sync_to_async(finish)())


async def finish_all() -> None:
    await push.announce(await sync_to_async(finish)())
    await push.announce(await sync_to_async(_finish_objects)())


async def finish_objects() -> None:
    await push.announce(await sync_to_async(_finish_objects)())


def _finish_objects() -> list[push.Change]:
    claim = queue.claim("slow")
    return results.save(claim, [Outcome({"objects": []}) for _ in claim.runs], 1.0)


class TestWaiting:
    async def test_the_result_is_the_answer(self, secret, pushed):
        (status, headers, body), _ = await together(
            ask("POST", "detections/?wait=30", secret, URL), finish_next()
        )
        assert (status, body["verdict"]) == (201, "fake")
        assert headers["location"] == body["url"]
        assert "retry-after" not in headers

    async def test_a_lost_push_costs_a_moment(self, secret, lost):
        (status, _, body), _ = await together(ask("POST", "detections/?wait=30", secret, URL), finish_next())
        assert (status, body["verdict"]) == (201, "fake")

    async def test_what_is_not_ready_in_time_comes_later(self, secret):
        status, headers, body = await ask("POST", "detections/?wait=1", secret, URL)
        assert (status, body["verdict"], headers["retry-after"]) == (202, "", "1")

    async def test_waiting_for_all_stages(self, secret, pushed):
        async def work():
            await until(StageRun.objects.filter(lane="slow").exists)
            await finish_all()

        (status, _, body), _ = await together(
            ask("POST", "detections/?wait=30&until=done", secret, URL), work()
        )
        assert (status, body["status"]) == (201, "done")

    @pytest.mark.parametrize("until", ["verdict", "done"])
    async def test_a_key_that_comes_again_waits_for_what_it_asks(self, secret, pushed, until):
        """Also where its first wait was over too soon, and where it asks for more than is there."""
        once, path = {"Idempotency_Key": "k"}, f"detections/?wait=30&until={until}"
        first = await ask("POST", f"detections/?wait=1&until={until}", secret, URL, **once)
        assert (first[0], first[2]["verdict"]) == (202, "")
        if until == "done":
            await finish_next()

        async def work():
            await (finish_next() if until == "verdict" else finish_objects())

        (status, _, body), _ = await together(ask("POST", path, secret, URL, **once), work())
        assert (status, body["id"], body["verdict"]) == (201, first[2]["id"], "fake")
        assert until == "verdict" or body["status"] == "done"

    async def test_what_was_waited_for_is_what_comes_again(self, secret, pushed):
        once = {"Idempotency_Key": "k"}
        (status, _, body), _ = await together(
            ask("POST", "detections/?wait=30", secret, URL, **once), finish_next()
        )
        again = await ask("POST", "detections/", secret, URL, **once)
        assert (status, body) == (again[0], again[2]) == (201, body)

    async def test_a_retry_of_who_lost_patience_waits_on(self, secret, pushed):
        once = {"Idempotency_Key": "k"}
        first = await ask("POST", "detections/", secret, URL, **once)
        (status, _, body), _ = await together(
            ask("POST", "detections/?wait=30", secret, URL, **once), finish_next()
        )
        assert (first[0], status) == (202, 201)
        assert first[2]["id"] == body["id"]

    async def test_an_error_while_waiting_leaves_the_first_answer(self, secret, monkeypatch):
        def fail(*args):
            raise RuntimeError("no")

        monkeypatch.setattr(api_waiting, "is_ready", fail)
        status, _, body = await ask("POST", "detections/?wait=30", secret, URL)
        assert (status, body["status"]) == (202, "waiting")

    async def test_who_hangs_up_is_not_waited_for(self, secret, pushed):
        async with Asking("POST", "detections/?wait=30", secret, URL):
            await until(Detection.objects.exists)
        assert await Detection.objects.acount() == 1  # and leaving came to its end, long before 30 s

    async def test_a_layer_that_is_down_costs_no_answer(self, secret, monkeypatch):
        class Down:
            async def new_channel(self, *args):
                return "x"

            async def receive(self, *args):
                raise ConnectionError

            group_add = group_discard = group_send = receive

        monkeypatch.setattr("detection.listening.get_channel_layer", Down)
        monkeypatch.setattr(api_waiting, "LOOK_SECONDS", 0.05)
        (status, _, _), _ = await together(ask("POST", "detections/?wait=30", secret, URL), finish_next())
        assert status == 201


async def test_what_failed_behind_the_view_is_told_as_it_is():
    """A middleware that fails after a view that has handed something over: nothing is waited for."""

    async def django(scope, receive, send):
        scope[afterwards.KEY] = None
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b"busy"})

    sent = []

    async def send(message):
        sent.append(message)

    await afterwards.AfterwardsApplication(django)({}, None, send)
    assert [sent[0]["status"], sent[1]["body"]] == [503, b"busy"]


class TestEventsOfOne:
    async def test_states_come_until_all_is_done(self, secret, detection, pushed):
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            assert (asked.status, asked.headers["content-type"]) == (200, "text/event-stream")
            first = await asked.event()
            assert (first["event"], first["id"], first["data"]["status"]) == ("detection", "1", "waiting")
            await finish_all()
            last = first
            while (event := await asked.event()) is not None:
                assert int(event["id"]) > int(last["id"])
                last = event
            assert (last["data"]["status"], last["data"]["verdict"]) == ("done", "fake")
            assert last["data"]["url"].startswith("http://localhost/api/v1/")
        path = f"detections/{detection.pk}/events/"
        status, _, body = await ask("GET", path, secret, last_event_id=last["id"])
        assert (status, body) == (204, None)

    async def test_only_what_was_missed_is_told(self, secret, detection, lost):
        path = f"detections/{detection.pk}/events/"
        async with Asking("GET", path, secret, last_event_id="1") as asked:
            await asked.answered()
            await sync_to_async(services.bump)([detection.pk])
            assert (await asked.event())["id"] == "2"

    async def test_a_deletion_ends_it(self, secret, principal, detection):
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            await asked.event()
            await sync_to_async(trash.delete)(principal=principal, pk=detection.pk)
            event = await asked.event()
            assert (event["event"], event["data"]) == ("deleted", {"id": str(detection.pk)})
            assert await asked.event() is None

    async def test_what_is_restored_is_told_again(self, secret, principal, detection):
        async with Asking("GET", "events/", secret) as asked:
            await asked.answered()
            assert (await asked.event())["data"]["id"] == str(detection.pk)
            await sync_to_async(trash.delete)(principal=principal, pk=detection.pk)
            assert (await asked.event())["event"] == "deleted"
            await sync_to_async(trash.restore)(principal=principal, pk=detection.pk)
            event = await asked.event()
            assert (event["event"], event["data"]["id"]) == ("detection", str(detection.pk))

    async def test_a_revoked_key_hears_nothing_more(self, secret, principal, detection, lost):
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            await asked.event()
            await ApiKey.objects.aupdate(revoked_at=timezone.now())
            assert await asked.event() is None

    async def test_not_even_what_is_pushed_before_the_timer_looks(self, secret, detection, pushed):
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            await asked.event()
            await ApiKey.objects.aupdate(revoked_at=timezone.now())
            await finish_all()
            assert await asked.event() is None

    async def test_so_does_one_that_lost_its_scope(self, secret, detection, lost):
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            await asked.event()
            await ApiKey.objects.aupdate(scopes=[])
            assert await asked.event() is None

    async def test_silence_is_broken_for_proxies(self, secret, detection, monkeypatch):
        monkeypatch.setattr(api_events, "BEAT_SECONDS", 0.05)
        async with Asking("GET", f"detections/{detection.pk}/events/", secret) as asked:
            await asked.answered()
            await asked.event()
            assert (await asked.event())["comment"].startswith(":")

    @pytest.mark.parametrize("path", ["events/", "detections/{pk}/events/"])
    async def test_an_id_that_is_none(self, secret, detection, path):
        status, _, body = await ask("GET", path.format(pk=detection.pk), secret, last_event_id="x")
        assert (status, body["type"]) == (400, "/api/problems/invalid-parameter/")


class TestEventsOfAll:
    async def test_what_is_under_way_and_what_comes(self, secret, principal, detection, pushed):
        async with Asking("GET", "events/", secret) as asked:
            await asked.answered()
            assert (await asked.event())["data"]["id"] == str(detection.pk)
            new = await sync_to_async(services.submit)(
                principal=principal, data=hostile.png(), name="new.png"
            )
            assert (await asked.event())["data"]["id"] == str(new.pk)

    async def test_nothing_of_others(self, secret, make_principal, principal, pushed):
        other = await sync_to_async(make_principal)()
        async with Asking("GET", "events/", secret) as asked:
            await asked.answered()
            for who, name in [(other, "theirs.png"), (principal, "mine.png")]:
                await sync_to_async(services.submit)(principal=who, data=hostile.png(), name=name)
            assert (await asked.event())["data"]["name"] == "mine.png"

    async def test_what_ended_during_a_pause_is_told(self, secret, detection, pushed):
        async with Asking("GET", "events/", secret) as asked:
            await asked.answered()
            last = (await asked.event())["id"]
        await finish_all()
        async with Asking("GET", "events/", secret, last_event_id=last) as asked:
            await asked.answered()
            assert (await asked.event())["data"]["status"] == "done"

    async def test_what_ended_a_moment_before_the_last_event_but_was_saved_after_it(
        self, secret, principal, detection, pushed
    ):
        """Another image's event came in between: its id is later than the end that it knows nothing of."""
        async with Asking("GET", "events/", secret) as asked:
            await asked.answered()
            last = (await asked.event())["id"]
        await finish_all()
        before = datetime.fromisoformat(last) - timedelta(seconds=1)
        await Detection.objects.aupdate(created_at=before, completed_at=before)
        async with Asking("GET", "events/", secret, last_event_id=last) as asked:
            await asked.answered()
            assert (await asked.event())["data"]["status"] == "done"

    @pytest.mark.parametrize("last", ["0001-01-01T00:00:10Z", "9999-12-31T23:59:59-12:00"])
    async def test_ids_at_the_ends_of_time(self, secret, last):
        assert (await ask("GET", "events/", secret, last_event_id=last))[0] == 400


async def test_streams_hold_no_connection_of_their_own(secret, detection):
    """A thousand listeners may not mean a thousand connections: nothing of Django waits."""
    async with Asking("GET", "events/", secret) as asked:
        await asked.answered()
        await asked.event()
        waiting = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
        assert not [name for name in waiting if "ASGIHandler" in name]
