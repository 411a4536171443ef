"""Organisations take turns: whoever sends most waits for itself."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from detection.turns import Busy, Turns

WORDS, MANY = "Too many just now.", (99, 99)


class Line:
    """Threads that each hold a place of ``turns`` until they are let go, one after the other."""

    def __init__(self, turns: Turns) -> None:
        self.turns, self.served, self.lock = turns, [], threading.Lock()
        self.pool = ThreadPoolExecutor(32)
        self.releases: list[threading.Event] = []

    def come(self, owner: str, patience: float | None = None):
        begun, release = threading.Event(), threading.Event()
        waiting = self.waiting()

        def hold() -> None:
            with self.turns.turn(owner, patience):
                with self.lock:
                    self.served.append(owner)
                    self.releases.append(release)
                begun.set()
                release.wait(30)

        task = self.pool.submit(hold)
        while not begun.is_set() and self.waiting() == waiting and not task.done():
            threading.Event().wait(0.001)
        return task

    def waiting(self) -> int:
        return sum(map(len, self.turns._waiting.values()))

    def let_one_go(self) -> None:
        count = len(self.served)
        self.releases.pop(0).set()
        while len(self.served) == count and self.waiting():
            threading.Event().wait(0.001)

    def end(self) -> None:
        while self.waiting() or self.releases:
            if self.releases:
                self.releases.pop(0).set()
            threading.Event().wait(0.001)
        self.pool.shutdown()


@pytest.fixture
def line():
    made: list[Line] = []

    def make(*given) -> Line:
        made.append(Line(Turns(*given)))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_one_place_is_left_to_others(line):
    there = line(2, 1, MANY, WORDS)
    for _ in range(6):
        there.come("flood")
    there.come("one")
    assert there.served == ["flood", "one"]


def test_who_comes_later_waits_for_one_piece_of_work_at_most(line):
    there = line(1, 1, MANY, WORDS)
    for owner in ["flood"] * 6 + ["one", "flood", "two", "one"]:
        there.come(owner)
    for _ in range(5):
        there.let_one_go()
    assert there.served == ["flood", "flood", "one", "two", "flood", "one"]


def test_of_one_owner_who_came_first_is_first_and_all_places_are_used(line):
    there = line(3, 2, MANY, WORDS)
    for owner in ("a", "a", "a", "b"):
        there.come(owner)
    assert there.served == ["a", "a", "b"]
    there.let_one_go()
    assert there.served == ["a", "a", "b", "a"]


def test_who_would_wait_longer_than_their_patience_is_told_at_once_when_to_come_again(line):
    there = line(2, 1, MANY, WORDS)
    there.turns._pace = 10.0
    there.come("flood", 15.0)
    there.come("flood", 15.0)  # waits for some 10 seconds
    with pytest.raises(Busy, match=WORDS) as busy:
        there.come("flood", 15.0).result(5)
    assert busy.value.wait == 20
    there.come("one", 5.0)
    assert there.served == ["flood", "one"]


def test_the_line_has_an_end_for_those_who_have_no_patience_without_one(line):
    there = line(1, 1, (2, 2), WORDS)
    there.come("a")
    for owner in ("b", "c"):
        there.come(owner, 9.0)
    with pytest.raises(Busy):
        there.come("d", 9.0).result(5)
    there.come("d", None)
    assert there.waiting() == 3


def test_each_has_a_line_of_its_own(line):
    there = line(1, 1, (1, 9), WORDS)
    for owner in ("a", "a", "b"):
        there.come(owner, 9.0)
    with pytest.raises(Busy):
        there.come("a", 9.0).result(5)
    assert there.waiting() == 2


def test_whose_patience_ends_leaves_no_gap(line):
    there = line(1, 1, MANY, WORDS)
    there.turns._pace = 0.0
    there.come("a")
    with pytest.raises(Busy):
        there.come("b", 0.01).result(5)
    there.come("c")
    there.let_one_go()
    assert there.served == ["a", "c"]


def test_a_place_is_given_back_whatever_happens_at_it():
    turns = Turns(1, 1, MANY, WORDS)
    with pytest.raises(ValueError, match="x"), turns.turn("a", None):
        raise ValueError("x")
    with turns.turn("b", 0.1):
        assert turns._held == {"b": 1}
    assert not turns._held
