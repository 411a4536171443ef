"""Files are decoded in a process that may hang, crash or run out of memory: that costs one file."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from mlcore import decoding, imaging
from mlcore.decoding import DecodingProcess
from mlcore.errors import ImageRefused
from mlcore.imaging import Limits
from tests import hostile, oddities

SIDES = (1600, 256)


@pytest.fixture(scope="module")
def process():
    made = DecodingProcess()
    yield made
    made.close()


@pytest.mark.parametrize("name", [*hostile.ODD, *oddities.CUT])
def test_it_says_what_is_said_in_this_process(process, name):
    data = hostile.ODD[name]() if name in hostile.ODD else oddities.CUT[name][0]()
    here = imaging.examine(data, name)
    there = process.decode(data, name, Limits(), SIDES)
    assert there.facts == here.facts
    assert there.previews == tuple(imaging.preview(here, side) for side in SIDES)


@pytest.mark.parametrize("name", hostile.BROKEN)
def test_refusals_come_through(process, name):
    maker, code = hostile.BROKEN[name]
    with pytest.raises(ImageRefused) as refused:
        process.decode(maker(), name, Limits(), SIDES)
    assert refused.value.code == code
    with pytest.raises(ImageRefused, match=str(refused.value)[:20].replace("(", r"\(")):
        imaging.examine(maker(), name)


def test_the_limits_given_are_the_ones_that_hold(process):
    with pytest.raises(ImageRefused) as refused:
        process.decode(hostile.png(), "x.png", Limits(pixels=100), SIDES)
    assert refused.value.code == "too_many_pixels"


def test_what_takes_too_long_is_given_up_and_the_next_file_works():
    slow = DecodingProcess(seconds=0.05)
    with pytest.raises(ImageRefused, match=r"^x\.png took too long") as refused:
        slow.decode(hostile.png(3000, 3000), "x.png", Limits(), SIDES)
    assert refused.value.code == "too_complex"
    slow.seconds = 60
    slow.close()
    assert slow.decode(hostile.png(), "y.png", Limits(), SIDES).facts.width == 48
    slow.close()


def test_what_hangs_without_computing_is_given_up_by_the_clock():
    hanging = DecodingProcess(seconds=0.05)
    hanging.start()
    os.kill(hanging.pid, signal.SIGSTOP)
    with pytest.raises(ImageRefused, match=r"^x\.png took too long"):
        hanging.decode(hostile.png(), "x.png", Limits(), SIDES)
    hanging.close()


def test_what_takes_too_much_memory_is_given_up():
    small = DecodingProcess(memory=240 * 1024**2)
    with pytest.raises(ImageRefused, match="memory") as refused:
        small.decode(hostile.png_claiming(7000, 7000), "x.png", Limits(), SIDES)
    assert refused.value.code == "too_complex"
    assert small.decode(hostile.png(), "y.png", Limits(), SIDES).facts.width == 48
    small.close()


def test_a_child_that_is_killed_between_files_costs_none():
    killed = DecodingProcess()
    killed.start()
    os.kill(killed.pid, signal.SIGKILL)
    killed._child.wait()
    assert killed.decode(hostile.png(), "x.png", Limits(), SIDES).facts.width == 48
    killed.close()


def _kill_at_work(process: DecodingProcess) -> None:
    process.start()
    os.kill(process.pid, signal.SIGSTOP)  # so that it is at work for certain
    threading.Timer(0.2, os.kill, (process.pid, signal.SIGKILL)).start()


def test_a_child_that_is_killed_costs_no_file():
    """Somebody else did it, for want of memory perhaps: the file is tried once more."""
    killed = DecodingProcess()
    _kill_at_work(killed)
    assert killed.decode(hostile.png(), "x.png", Limits(), SIDES).facts.width == 48
    killed.close()


def test_a_child_that_is_killed_at_each_try_costs_the_file(monkeypatch):
    killed, start = DecodingProcess(), DecodingProcess.start

    def start_and_kill(process: DecodingProcess) -> None:
        start(process)
        monkeypatch.setattr(DecodingProcess, "start", start)  # which _kill_at_work asks
        _kill_at_work(process)
        monkeypatch.setattr(DecodingProcess, "start", start_and_kill)

    monkeypatch.setattr(DecodingProcess, "start", start_and_kill)
    with pytest.raises(ImageRefused, match="could not be decoded"):
        killed.decode(hostile.png(), "x.png", Limits(), SIDES)
    monkeypatch.setattr(DecodingProcess, "start", start)
    assert killed.decode(hostile.png(), "x.png", Limits(), SIDES).facts.width == 48
    killed.close()


def test_a_child_ends_with_its_parent():
    left = DecodingProcess()
    left.start()
    left._pipe.close()
    assert left._child.wait(20) == 0


def test_a_child_that_does_not_start_is_said(monkeypatch):
    monkeypatch.setattr(decoding, "__name__", "mlcore.no_such_module")
    with pytest.raises(OSError, match="did not start"):
        DecodingProcess().start()
