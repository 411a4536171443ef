"""How many may listen at a time, what the next one is told, and that all cost one look at the rows."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from accounts.access import principal_of_key
from detection import places, rereading, selectors, services, sockets
from detection.watching import Look, Watch
from tests.detection.browser import Browser, session_of, stream
from tests.detection.conftest import PATIENCE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("toy")]


@pytest.fixture(autouse=True)
def _nobody():
    assert not places._taken
    yield
    assert not places._taken


async def signed_in(principal) -> str:
    """In another browser: one forgets who was signed in before."""
    client = Client()
    await sync_to_async(client.force_login)(principal.user)
    return session_of(client)


async def opened(stack: AsyncExitStack, path: str, cookie: str) -> Browser:
    return await stack.enter_async_context(Browser(path, cookie))


class TestSockets:
    async def test_one_more_than_a_person_may_have_is_told_why(self, principal, cookie, settings):
        settings.MAX_LISTENERS_PER_PERSON = 2
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await opened(stack, stream(principal), cookie)
            more = await opened(stack, stream(principal), cookie)
            message = await more.socket.receive_output(PATIENCE)
            assert (message["type"], message["code"]) == ("websocket.close", sockets.FULL)
            assert message["reason"] == (
                "Too many of your pages and streams are open (2). Close some, then try again."
            )
            assert len(message["reason"].encode()) <= 123  # RFC 6455, 5.5

    async def test_one_that_leaves_makes_room(self, principal, cookie, settings):
        settings.MAX_LISTENERS_PER_PERSON = 1
        for _ in range(3):
            async with Browser(stream(principal), cookie) as browser:
                assert browser.connected
                assert places._taken["all"] == 1

    @pytest.mark.parametrize("single", [True, False])
    async def test_an_organisation_has_its_share(self, principal, make_principal, cookie, settings, single):
        """Of two organisations the one does not take the other's places."""
        settings.MAX_LISTENERS_PER_ORGANISATION = 1
        inside = None if not single else principal.organisation
        other = await sync_to_async(make_principal)("member" if single else "owner", inside)
        async with AsyncExitStack() as stack:
            await opened(stack, stream(principal), cookie)
            second = await opened(stack, stream(other), await signed_in(other))
            if single:
                assert await second.closed() == sockets.FULL
            else:
                assert places._taken["all"] == 2

    async def test_all_together_have_theirs(self, principal, make_principal, cookie, settings):
        settings.MAX_LISTENERS = 1
        other = await sync_to_async(make_principal)()
        async with AsyncExitStack() as stack:
            await opened(stack, stream(principal), cookie)
            second = await opened(stack, stream(other), await signed_in(other))
            assert await second.closed() == sockets.FULL

    async def test_who_is_refused_takes_none(self, principal):
        async with Browser(stream(principal)) as browser:
            assert not browser.connected
            assert not places._taken


def test_a_key_has_a_share_of_its_own(make_key, settings):
    settings.MAX_LISTENERS_PER_PERSON = 1
    first, second = (principal_of_key(make_key()[0]) for _ in range(2))
    with places.taken(first):
        places.require(second)
        with pytest.raises(places.Full) as full:
            places.require(first)
        assert full.value.own
        settings.MAX_LISTENERS = 1
        with pytest.raises(places.Full) as full:
            places.require(second)
        assert not full.value.own


async def test_all_listeners_of_an_organisation_cost_one_look(principal, cookie, submit, monkeypatch):
    """And each hears of what was never pushed to it; nobody's look is made once all have left."""
    monkeypatch.setattr(rereading, "REREAD_SECONDS", 10 * PATIENCE)
    looks, real = [], selectors.versions

    def versions(principal, **wanted):
        looks.append(wanted)
        return real(principal, **wanted)

    detection = await sync_to_async(submit)()
    async with AsyncExitStack() as stack:
        browsers = [await opened(stack, stream(principal), cookie) for _ in range(5)]
        first = [(await each.hear())["version"] for each in browsers]
        (shared,) = [each for each in rereading._by_loop.values() if each.listeners]
        monkeypatch.setattr(selectors, "versions", versions)
        await sync_to_async(services.bump)([detection.pk])
        await shared.turn()
        assert [(await each.hear())["version"] for each in browsers] == [each + 1 for each in first]
        assert len(looks) == 1
    assert not shared.listeners
    assert shared._task is None


async def test_a_browser_that_asks_in_a_row_waits_for_the_pause_to_end():
    consumer, ids = sockets.DetectionConsumer(), {uuid4() for _ in range(100)}
    consumer.news, consumer.ask_at, consumer.asked = asyncio.Event(), 0.0, set(ids)
    assert await consumer._asked() == ids
    assert consumer.ask_at > time.monotonic()  # as long as it takes to read them
    consumer.asked = set(ids)
    assert await consumer._asked() == set()
    assert consumer.asked == ids
    await asyncio.wait_for(consumer.news.wait(), PATIENCE)  # and then it is looked at again
    assert await consumer._asked() == ids


def test_what_was_asked_for_after_a_look_is_not_taken_for_gone(principal, submit):
    """A look that began before knows nothing of it; one that did look for it does."""
    watch, late = Watch(principal), submit()
    watch.ask([late.pk])
    before = Look(frozenset(), {})
    assert not watch.differs(before)
    assert watch.catch_up(before) == []
    after = Look(frozenset([late.pk]), {})
    assert watch.differs(after)
    assert watch.catch_up(after) == [{"type": "deleted", "id": str(late.pk)}]
    assert not watch.differs(after)


def test_only_its_own_detection_moves_a_page_of_one(principal, submit):
    mine, other = submit(), submit()
    watch = Watch(principal, mine.pk)
    watch.start()
    assert not watch.differs(Look(frozenset([mine.pk]), {mine.pk: mine.version, other.pk: 9}))
    assert watch.differs(Look(frozenset([mine.pk]), {mine.pk: mine.version + 1}))
