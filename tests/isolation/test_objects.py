"""Ids of another organisation, under one's own address and with one's own key: there is no such thing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import product
from uuid import uuid4

import pytest

from tests.isolation.asking import ask
from tests.isolation.expected import FULL_KEY, KEYS, ROLES, Answer, in_api, on_page
from tests.isolation.needs import Need
from tests.isolation.routes import IDS, fill, routes
from tests.isolation.table import GROUPS
from tests.isolation.world import World

pytestmark = pytest.mark.django_db

KINDS = ("batches", "deliveries", "detections", "domains", "invitations", "keys", "members", "webhooks")
NUMBERED = ("deliveries", "domains", "members")
ASKING = {"pages": ROLES, "api": [FULL_KEY, *KEYS]}


@pytest.fixture
def world() -> Iterator[World]:
    logging.disable(logging.ERROR)
    yield World()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("group", ASKING)
def test_anothers_are_not_found_and_answered_like_what_never_was(world, group):
    wrong = []
    for address, method, need in _named(group):
        for who in ASKING[group]:
            allowed = on_page(who, need) if group == "pages" else in_api(who, need, names_object=True)
            wanted = {Answer.NOT_FOUND} if allowed == Answer.LET_IN else {Answer.NOT_FOUND, Answer.FORBIDDEN}
            nothing = ask(world, who, method, address, fill(address, _unknown(world))).answer
            for url in _theirs(world, address):
                got = ask(world, who, method, address, url).answer
                if got not in wanted or got != nothing:
                    wrong.append(f"{method} {url} as {who}: {got}; what never was: {nothing}")
    assert not wrong, "\n".join(wrong)


def _named(group: str) -> Iterator[tuple[str, str, Need]]:
    """Routes that name an object by its id."""
    for address, row in GROUPS[group].items():
        if IDS & set(routes()[address].takes):
            yield from ((address, method, need) for method, need in row.items() if method != "HEAD")


def _theirs(world: World, address: str) -> set[str]:
    """With another's id for one or both of the objects: another's delivery at one's own webhook, too."""
    mixes = product((world.ids, world.their_ids), repeat=2)
    found = set()
    for delivery, rest in mixes:
        ids = {**world.ids, **{kind: rest[kind] for kind in KINDS}, "deliveries": delivery["deliveries"]}
        found.add(fill(address, ids))
    return found - {fill(address, world.ids)}


def _unknown(world: World) -> dict[str, str]:
    return {**world.ids, **{kind: "999999999" if kind in NUMBERED else str(uuid4()) for kind in KINDS}}
