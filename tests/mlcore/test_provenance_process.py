"""Provenance in a process of its own: a real child, stopped and killed."""

from __future__ import annotations

import io
import os
import signal

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detection.model_worker import Worker
from detection.stages import STAGES, Failure, Item, Options, Outcome
from detection.work import Work
from mlcore.contracts import Provenance, ProvenanceSummary
from mlcore.provenance_process import (
    DIED,
    TOO_LONG,
    ProvenanceFailed,
    ProvenanceProcess,
    as_json,
    from_json,
)
from tests.hostile import png, truncated_jpeg


def prompted() -> bytes:
    info, out = PngInfo(), io.BytesIO()
    info.add_text("parameters", "a cat in space\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1")
    Image.new("RGB", (64, 64), "teal").save(out, "PNG", pnginfo=info)
    return out.getvalue()


@pytest.fixture(scope="module")
def process():
    with ProvenanceProcess(None, seconds=60) as process:
        yield process


def test_findings_come_through_as_they_are(process):
    assert process.examine(png(), "plain.png").summary is ProvenanceSummary.NONE
    found = process.examine(prompted(), "cät.png")
    assert found.summary is ProvenanceSummary.DECLARED_AI
    assert isinstance(found, Provenance)
    assert from_json(as_json(found)) == found


def test_a_file_that_is_no_picture_still_has_its_say(process):
    assert process.examine(truncated_jpeg(), "broken.jpg").summary is not None
    assert process.examine(b"", "nothing").summary is ProvenanceSummary.NONE


def test_a_file_that_takes_too_long_is_given_up_and_the_next_one_is_read(process, monkeypatch):
    process.start()
    os.kill(process._child.pid, signal.SIGSTOP)
    monkeypatch.setattr(process, "seconds", 0.05)
    with pytest.raises(ProvenanceFailed, match=TOO_LONG[:30]) as failed:
        process.examine(bytes(2**20), "slow.png")  # more than a pipe takes: sending blocks too
    assert failed.value.code == "provenance_timed_out"
    monkeypatch.setattr(process, "seconds", 60)
    assert process.examine(png(), "next.png").summary is ProvenanceSummary.NONE


def test_processor_time_counts_and_not_the_clock(monkeypatch):
    """A hundredth of a second of work is too much here; a minute on the clock would not be."""
    monkeypatch.setattr("mlcore.provenance_process.WALL", 60_000)
    with ProvenanceProcess(None, seconds=0.001) as process:
        with pytest.raises(ProvenanceFailed, match=TOO_LONG[:30]) as failed:
            process.examine(png(3000, 3000), "large.png")
        assert failed.value.code == "provenance_timed_out"


def test_a_child_that_dies_over_a_file_is_replaced(process, monkeypatch):
    process.start()
    process._child.kill()
    process._child.wait()
    with monkeypatch.context() as patch:
        patch.setattr(process, "start", lambda: None)  # it died after it was last seen alive
        with pytest.raises(ProvenanceFailed, match=DIED[:30]) as failed:
            process.examine(png(), "killer.png")
    assert failed.value.code == "provenance_died"
    assert process.examine(png(), "next.png").summary is ProvenanceSummary.NONE


def test_no_child_stays_behind():
    with ProvenanceProcess(None) as process:
        process.start()
        pid = process._child.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# --- As a stage ---------------------------------------------------------------------------


def test_the_stage_answers_in_order_and_one_file_s_trouble_is_its_own(tmp_path, monkeypatch):
    stage = next(each for each in STAGES if each.name == "provenance")
    real = ProvenanceProcess.examine

    def examine(self, data, name):
        if name == "slow.png":
            raise ProvenanceFailed(TOO_LONG, code="provenance_timed_out")
        return real(self, data, name)

    monkeypatch.setattr(ProvenanceProcess, "examine", examine)
    worker = Worker([stage], stage.lane, Options("paper_cnn", tmp_path))
    items = (Item("a.png", prompted()), Item("slow.png", png()), Item("broken.jpg", truncated_jpeg()))
    first, slow, broken = worker.do(Work("provenance", items)).answers
    assert first.result["summary"] == "declared_ai"
    assert slow == Failure("provenance_timed_out", TOO_LONG, final=True)
    assert isinstance(broken, Outcome)
