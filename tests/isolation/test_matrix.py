"""Every address × everybody: who gets in, who is sent away, and how."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.isolation import needs
from tests.isolation.asking import Found, ask
from tests.isolation.expected import (
    EVERYBODY,
    FULL_KEY,
    OUTSIDERS,
    OWNER,
    SINGLE,
    UNSECURED,
    Answer,
    Who,
    elsewhere,
    in_api,
    on_page,
)
from tests.isolation.needs import Need
from tests.isolation.routes import IDS, fill, routes
from tests.isolation.table import GROUPS
from tests.isolation.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(900)]  # thousands of requests, on a busy machine

ANY_OF: dict[Answer, set[str]] = {
    Answer.NONE: {Answer.FORBIDDEN, Answer.NOT_FOUND},
    Answer.NO_NEWS: {Answer.LET_IN, Answer.SIGN_IN, Answer.NOT_FOUND},
}
TOLD = {needs.LINK}  # these name the organisation to people outside of it


@pytest.fixture
def world() -> Iterator[World]:
    logging.disable(logging.ERROR)  # each refusal would be told, with its traceback
    yield World()
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("group", GROUPS)
def test_everybody_everywhere(world, group):
    values = {"admin": world.admin_ids, "site": world.site_ids}.get(group, lambda: world.ids)()
    wrong, cases = [], 0
    for address, method, need, who in _cases(group):
        cases += 1
        found = ask(world, who, method, address, fill(address, values))
        wanted = _wanted(group, who, need, address)
        now = [f"{method} {address} as {who}: {each}" for each in _faults(who, need, wanted, found)]
        wrong += now
    print(f"{group}: {len(GROUPS[group])} routes, {cases} cases")
    assert not wrong, f"{len(wrong)} of {cases}:\n" + "\n".join(wrong)


@pytest.mark.parametrize(("group", "who"), [("pages", OWNER), ("api", FULL_KEY)])
def test_a_method_without_a_word_in_the_table_is_unknown_there(world, group, who):
    wrong = []
    for address, row in GROUPS[group].items():
        for method in set(needs.METHODS) - set(row):
            answer = ask(world, who, method, address, fill(address, world.ids)).answer
            if answer != Answer.NOT_ALLOWED:
                wrong.append(f"{method} {address}: wanted {Answer.NOT_ALLOWED}, got {answer}")
    assert not wrong, "\n".join(wrong)


def _cases(group: str) -> Iterator[tuple[str, str, Need, Who]]:
    for address, row in GROUPS[group].items():
        for method, need in row.items():
            for who in _asking(group, method):
                yield address, method, need, who


def _asking(group: str, method: str) -> list[Who]:
    """HEAD is GET to those who get in. Rights of a person count on the organisation's pages alone."""
    if method == "HEAD":
        return [*OUTSIDERS, UNSECURED, OWNER] if group in ("pages", "api") else []
    return EVERYBODY if group == "pages" else [each for each in EVERYBODY if each not in SINGLE]


def _wanted(group: str, who: Who, need: Need, address: str) -> Answer:
    if group == "pages":
        return on_page(who, need)
    if group == "api":
        return in_api(who, need, names_object=bool(IDS & set(routes()[address].takes)))
    return elsewhere(who, need)


def _faults(who: Who, need: Need, wanted: Answer, found: Found) -> Iterator[str]:
    if found.answer not in ANY_OF.get(wanted, {wanted}):
        yield f"wanted {wanted}, got {found.answer}"
    outside = not who.belongs and (not who.has_key or who.key_is_theirs)
    if found.tells and outside and not who.staff and need not in TOLD:
        yield "was told of the organisation"
    if found.writes and found.answer != Answer.LET_IN:
        yield f"was refused, but something was written: {found.writes}"
