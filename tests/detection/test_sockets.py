"""DetectionConsumer: who may listen, and that what arrives is whole, newest and one's own."""

from __future__ import annotations

import asyncio
import json
from unittest.mock import Mock
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone

from accounts.models import Membership
from detection import push, rereading, selectors, services, sockets, trash
from detection.models import Detection
from detection.watching import Watch
from tests.detection.browser import Browser, one, session_of, stream
from tests.detection.conftest import PATIENCE, finish
from tests.hostile import png

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toy")]


@pytest.fixture
def short_timer(monkeypatch):
    monkeypatch.setattr(sockets, "ADMIT_SECONDS", 0.05)
    monkeypatch.setattr(rereading, "REREAD_SECONDS", 0.05)


def listeners() -> list[str]:
    """Groups of sockets that are joined. Consumers of other tests may have left theirs behind."""
    return [name for name in get_channel_layer().groups if name != push.INFERENCE_GROUP]


async def connects(browser: Browser) -> bool:
    async with browser:
        return browser.connected


async def announced_finish() -> None:
    await push.announce(await sync_to_async(finish)())


class TestWhoMayListen:
    async def test_a_member(self, principal, cookie):
        assert await connects(Browser(stream(principal), cookie))

    async def test_not_an_anonymous_visitor(self, principal):
        assert not await connects(Browser(stream(principal)))

    async def test_not_with_a_made_up_session(self, principal):
        assert not await connects(Browser(stream(principal), "x" * 32))

    @pytest.mark.parametrize("single", [False, True])
    async def test_not_an_outsider(self, principal, make_principal, submit, client, single):
        other = await sync_to_async(make_principal)()
        await sync_to_async(client.force_login)(other.user)
        detection = await sync_to_async(submit)()
        path = one(principal, detection.pk) if single else stream(principal)
        assert not await connects(Browser(path, session_of(client)))

    async def test_not_another_organisations_detection_under_ones_own_name(
        self, principal, make_principal, submit, cookie
    ):
        other = await sync_to_async(make_principal)()
        detection = await sync_to_async(submit)(principal=other)
        assert not await connects(Browser(one(principal, detection.pk), cookie))

    async def test_who_is_refused_is_in_no_group_any_more(self, principal, cookie):
        async with Browser(one(principal, uuid4()), cookie) as browser:
            assert not browser.connected
            assert not listeners()

    async def test_whom_an_error_keeps_out_is_in_no_group_any_more(self, principal, cookie, monkeypatch):
        monkeypatch.setattr(Watch, "start", Mock(side_effect=OperationalError))
        browser = Browser(stream(principal), cookie)
        await browser.socket.send_input({"type": "websocket.connect"})
        with pytest.raises(OperationalError):
            await browser.socket.wait(PATIENCE)
        assert not listeners()

    @pytest.mark.parametrize(
        "origin",
        [
            *("https://evil.example", "null", "", None, "localhost:8000", "http://localhost:8000/x"),
            *("http://localhost:8001", "http://localhost", "https://localhost:8000", "http://127.0.0.1:8000"),
            *(
                "http://localhost:8000.evil.example",
                "http://x@localhost:8000",
                "http://localhost:99999",
                "http://[",
            ),
        ],
    )
    async def test_not_from_another_site(self, principal, cookie, origin):
        assert not await connects(Browser(stream(principal), cookie, origin))

    async def test_not_at_another_address(self, cookie):
        assert not await connects(Browser("/ws/nonsense/", cookie))
        assert not await connects(Browser("/ws/o/no-such-organisation/detections/", cookie))

    @pytest.mark.parametrize("ending", ["membership", "account", "session", "expiry", "password"])
    async def test_not_any_longer(self, principal, cookie, short_timer, client, ending):
        async with Browser(stream(principal), cookie) as browser:
            assert browser.connected
            if ending == "membership":
                await Membership.objects.filter(user=principal.user).adelete()
            elif ending == "account":
                principal.user.is_active = False
                await principal.user.asave()
            elif ending == "expiry":
                await Session.objects.aupdate(expire_date=timezone.now())
            elif ending == "password":  # changed elsewhere, which ends all other sessions
                principal.user.set_password("another horse 9")
                await principal.user.asave()
            else:
                await sync_to_async(client.logout)()
            assert await browser.closed() == sockets.NO_LONGER_YOURS


@pytest.mark.usefixtures("long_timer", "layer")
class TestPush:
    async def test_one_detection_from_its_state_on_connect_to_its_verdict(self, principal, cookie, submit):
        detection = await sync_to_async(submit)()
        async with Browser(one(principal, detection.pk), cookie) as browser:
            first = await browser.hear()
            assert (first["type"], first["detection"]["status"]) == ("detection", "waiting")
            await announced_finish()
            second = await browser.hear()
            assert second["detection"]["verdict"] == "fake"
            assert second["version"] == second["detection"]["version"] > first["version"]

    async def test_a_submission_arrives_in_the_organisations_stream_of_every_member(
        self, principal, make_principal, cookie, client
    ):
        colleague = await sync_to_async(make_principal)("member", principal.organisation)
        await sync_to_async(client.force_login)(colleague.user)
        async with Browser(stream(principal), session_of(client)) as browser:
            await sync_to_async(services.submit)(principal=principal, data=png(), name="cat.png")
            assert (await browser.hear())["detection"]["name"] == "cat.png"

    async def test_nothing_of_another_organisation_arrives(self, principal, make_principal, cookie):
        other = await sync_to_async(make_principal)()
        async with Browser(stream(principal), cookie) as browser:
            for submitter, name in ((other, "theirs.png"), (principal, "ours.png")):
                await sync_to_async(services.submit)(principal=submitter, data=png(), name=name)
            assert (await browser.hear())["detection"]["name"] == "ours.png"

    async def test_a_late_joiner_gets_what_is_under_way(self, principal, cookie, submit):
        await sync_to_async(submit)("under way.png")
        async with Browser(stream(principal), cookie) as browser:
            assert (await browser.hear())["detection"]["name"] == "under way.png"

    async def test_watching_asks_for_the_current_state_of_ones_own_only(
        self, principal, make_principal, cookie, submit
    ):
        other = await sync_to_async(make_principal)()
        mine = await sync_to_async(submit)("mine.png")
        theirs = await sync_to_async(submit)("theirs.png", principal=other)
        await Detection.objects.aupdate(completed_at=mine.created_at)  # so that none is under way
        async with Browser(stream(principal), cookie) as browser:
            await browser.say(json.dumps({"type": "watch", "ids": [str(mine.pk), str(theirs.pk)]}))
            assert (await browser.hear())["detection"]["name"] == "mine.png"
            assert await browser.hear() == {"type": "deleted", "id": str(theirs.pk)}

    @pytest.mark.parametrize(
        "nonsense",
        [
            *("", "{", "[]", "null", "[" * 60_000, '{"ids":["x"]}'),
            *('{"type":"watch"}', '{"type":"watch","ids":[1]}', '{"type":"watch","ids":{}}'),
        ],
        ids=lambda nonsense: nonsense[:30],
    )
    async def test_nonsense_from_a_browser_is_ignored(self, principal, cookie, nonsense):
        async with Browser(stream(principal), cookie) as browser:
            await browser.say(nonsense)
            await sync_to_async(services.submit)(principal=principal, data=png(), name="cat.png")
            assert (await browser.hear())["detection"]["name"] == "cat.png"

    async def test_a_deletion_is_told(self, principal, cookie, submit):
        detection = await sync_to_async(submit)()
        async with Browser(one(principal, detection.pk), cookie) as browser:
            await browser.hear()
            await sync_to_async(trash.delete)(principal=principal, pk=detection.pk)
            assert await browser.hear() == {"type": "deleted", "id": str(detection.pk)}

    async def test_what_is_restored_is_told_again(self, principal, cookie, submit):
        detection = await sync_to_async(submit)()
        async with Browser(stream(principal), cookie) as browser:
            known = (await browser.hear())["version"]
            for _ in range(2):
                await sync_to_async(trash.delete)(principal=principal, pk=detection.pk)
                assert await browser.hear() == {"type": "deleted", "id": str(detection.pk)}
                await sync_to_async(trash.restore)(principal=principal, pk=detection.pk)
                found = await browser.hear()
                assert (found["detection"]["id"], found["version"]) == (str(detection.pk), known + 2)
                known = found["version"]

    async def test_a_push_without_news_says_nothing(self, principal, cookie, submit):
        detection = await sync_to_async(submit)("old.png")
        async with Browser(stream(principal), cookie) as browser:
            assert (await browser.hear())["detection"]["name"] == "old.png"
            await push.announce([push.Change(detection.pk, principal.organisation.pk)])
            await sync_to_async(services.submit)(principal=principal, data=png(), name="new.png")
            assert (await browser.hear())["detection"]["name"] == "new.png"

    async def test_versions_only_rise_and_the_last_is_the_truth(self, principal, cookie, submit):
        """A burst of pushes, old ones among them, never shows an older state after a newer one."""
        detection = await sync_to_async(submit)()
        async with Browser(stream(principal), cookie) as browser:
            seen = [(await browser.hear())["version"]]
            change = push.Change(detection.pk, principal.organisation.pk)
            for _ in range(5):
                await sync_to_async(services.bump)([detection.pk])
                await asyncio.gather(*(push.announce([change]) for _ in range(3)))
            while seen[-1] < 6:
                seen.append((await browser.hear())["version"])
            assert seen == sorted(set(seen))


@pytest.mark.usefixtures("short_timer")
class TestTheTimer:
    async def test_members_that_the_layer_forgot_join_again(self, principal, cookie, submit):
        """As the in-memory layer forgets them after a day: here by hand."""
        layer = get_channel_layer()
        await sync_to_async(submit)("first.png")
        async with Browser(stream(principal), cookie) as browser:
            await browser.hear()
            layer.groups.clear()
            while push.organisation_group(principal.organisation.pk) not in layer.groups:
                await asyncio.sleep(0.01)
            assert len(layer.groups[push.organisation_group(principal.organisation.pk)]) == 1

    async def test_an_error_of_the_database_sends_the_browser_to_connect_again(
        self, principal, cookie, submit, monkeypatch
    ):
        def fail(*args, **kwargs):
            raise OperationalError("the database has gone away")

        async with Browser(stream(principal), cookie) as browser:
            monkeypatch.setattr(selectors, "versions", fail)
            assert await browser.closed() == sockets.CONNECT_AGAIN
        monkeypatch.undo()
        await sync_to_async(submit)("cat.png")
        async with Browser(stream(principal), cookie) as browser:
            assert (await browser.hear())["detection"]["name"] == "cat.png"


@pytest.mark.usefixtures("short_timer")
class TestLostPushes:
    """Nothing is announced in these tests: the timer finds it."""

    @pytest.mark.parametrize("single", [False, True])
    async def test_a_changed_state_still_arrives(self, principal, cookie, submit, single):
        detection = await sync_to_async(submit)()
        path = one(principal, detection.pk) if single else stream(principal)
        async with Browser(path, cookie) as browser:
            await browser.hear()
            await sync_to_async(finish)()
            while not (state := (await browser.hear())["detection"])["verdict"]:
                pass
            assert state["verdict_words"] == "Probably AI-generated"

    async def test_a_new_detection_still_arrives(self, principal, cookie, monkeypatch):
        monkeypatch.setattr(push, "queued", lambda changes: None)
        async with Browser(stream(principal), cookie) as browser:
            await sync_to_async(services.submit)(principal=principal, data=png(), name="cat.png")
            assert (await browser.hear())["detection"]["name"] == "cat.png"

    async def test_a_deletion_is_still_told(self, principal, cookie, submit):
        detection = await sync_to_async(submit)()
        async with Browser(one(principal, detection.pk), cookie) as browser:
            await browser.hear()
            await Detection.objects.all().adelete()
            assert await browser.hear() == {"type": "deleted", "id": str(detection.pk)}


async def test_a_channel_layer_that_is_down_loses_no_submission(principal, monkeypatch):
    class Down:
        async def group_send(self, group, message):
            raise ConnectionError("no Redis here")

    monkeypatch.setattr(push, "get_channel_layer", Down)
    detection = await sync_to_async(services.submit)(principal=principal, data=png(), name="cat.png")
    assert await Detection.objects.filter(pk=detection.pk).aexists()
