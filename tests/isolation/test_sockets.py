"""Every WebSocket address × everybody, and what is no address."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from tests.detection.browser import Browser
from tests.isolation import needs
from tests.isolation.expected import EVERYBODY, Answer, Who, on_page
from tests.isolation.routes import fill
from tests.isolation.table import SOCKETS
from tests.isolation.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world() -> World:
    return World()


async def test_everybody_everywhere(world):
    wrong, cases = [], 0
    for address, need in SOCKETS.items():
        url = fill(address, world.ids) if address else "/ws/nothing/"
        for who in EVERYBODY:
            cases += 1
            wanted = need != needs.NOWHERE and on_page(who, need) == Answer.LET_IN
            if await _connects(world, who, url) != wanted:
                wrong.append(f"{url} as {who}: wanted {'in' if wanted else 'out'}")
    print(f"sockets: {len(SOCKETS)} routes, {cases} cases")
    assert not wrong, "\n".join(wrong)


async def test_anothers_detection_under_ones_own_name_is_not_found(world):
    address = "ws/o/<slug:organisation>/detections/<uuid:pk>/"
    url = fill(address, {**world.ids, "detections": world.their_ids["detections"]})
    assert not any([await _connects(world, who, url) for who in EVERYBODY])


async def _connects(world: World, who: Who, url: str) -> bool:
    """Keys are no way into a socket: they are sent along all the same."""
    browser = Browser(url, world.session(who))
    if secret := world.secrets.get(who.name):
        browser.socket.scope["headers"].append((b"authorization", f"Bearer {secret}".encode()))
    stack = await sync_to_async(world.as_it_is_for)(who)
    try:
        async with browser:
            return browser.connected
    finally:
        stack.close()
