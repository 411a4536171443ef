"""The model process as its consumer sees it, with toy stages: quick, but a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from detection.model_process import ModelProcess, ModelProcessDied
from detection.model_worker import Worker
from detection.stages import Options, Outcome
from detection.work import FAULT, Failure, Item, Work
from mlcore.contracts import Skipped
from tests.detection import toy_stages
from tests.detection.toy_stages import EAT, HANG, KILL, RAISE
from tests.hostile import png, truncated_jpeg
from tests.servers import eventually

STAGES = "tests.detection.toy_stages"


def work(*sizes: tuple[int, int]) -> Work:
    return Work("verdict", tuple(Item(f"{size}.png", png(*size)) for size in sizes))


@pytest.fixture
def process(tmp_path: Path):
    process = ModelProcess(STAGES, "fast", Options("toy", tmp_path))
    process.start()
    yield process
    process.close()


def gone(pid: int) -> bool:
    """Ended, be it as a zombie that its parent has still to collect."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_answers_come_in_the_order_of_the_pictures(process):
    items = (Item("a.png", png()), Item("broken.jpg", truncated_jpeg()), Item("b.png", png()))
    reply = process.run(Work("verdict", items), 30)
    kinds = [type(answer) for answer in reply.answers]
    assert kinds == [Outcome, Failure, Outcome]
    assert (reply.answers[1].code, reply.answers[1].final) == ("truncated", True)
    assert reply.run_ms > 0


def test_what_takes_too_much_memory_fails_by_itself_and_for_good_where_it_is_alone(tmp_path):
    process = ModelProcess(STAGES, "fast", Options("toy", tmp_path, memory=2 * 1024**3))
    process.start()
    together, alone = process.run(work((20, 20), EAT), 30), process.run(work(EAT), 30)
    assert [(each.code, each.final) for each in together.answers] == [("out_of_memory", False)] * 2
    assert [(each.code, each.final) for each in alone.answers] == [("out_of_memory", True)]
    assert isinstance(process.run(work((20, 20)), 30).answers[0], Outcome)
    process.close()


def test_an_exception_is_an_answer_and_the_process_lives_on(process):
    reply = process.run(work((20, 20), RAISE), 30)
    assert [(answer.code, answer.detail) for answer in reply.answers] == [("stage_error", FAULT)] * 2
    assert isinstance(process.run(work((20, 20)), 30).answers[0], Outcome)


def test_the_log_keeps_what_people_are_not_shown_of_an_exception(tmp_path, caplog):
    worker = Worker(toy_stages.STAGES, "fast", Options("toy", tmp_path))
    assert worker.do(work(RAISE)).answers == [Failure("stage_error", FAULT)]
    assert "told to fail" not in FAULT
    assert "RuntimeError: the toy stage was told to fail" in caplog.text  # with its traceback


def test_missing_weights_are_skipped_with_the_remedy_until_they_arrive(tmp_path):
    process = ModelProcess(STAGES, "slow", Options("toy", tmp_path))
    process.start()
    try:
        one = Work("objects", (Item("a.png", png()),))
        assert process.run(one, 30).answers == [
            Skipped("The object detector's weights are missing.", "Put toy_weights into the data folder.")
        ]
        (tmp_path / "toy_weights").touch()
        assert isinstance(process.run(one, 30).answers[0], Outcome)
    finally:
        process.close()


def test_weights_that_cannot_be_used_are_said_when_it_starts(tmp_path):
    (tmp_path / "spoilt_weights").touch()
    process = ModelProcess(STAGES, "fast", Options("toy", tmp_path))
    with pytest.raises(ModelProcessDied, match="Check them out again") as died:
        process.start()
    assert died.value.code == "model_unavailable"
    assert not process.ready
    (tmp_path / "spoilt_weights").unlink()
    process.start()
    assert process.ready
    process.close()


def test_a_picture_that_kills_the_process_is_noticed_at_once(process):
    with pytest.raises(ModelProcessDied) as died:
        process.run(work(KILL), 30)
    assert died.value.code == "model_process_died"
    assert not process.ready  # or the next batch would be sent to the dying process
    process.start()
    assert isinstance(process.run(work((20, 20)), 30).answers[0], Outcome)


def test_a_hanging_picture_is_cut_off(process):
    pid = process.pid
    with pytest.raises(ModelProcessDied) as died:
        process.run(work(HANG), 0.5)
    assert died.value.code == "timed_out"
    assert eventually(lambda: gone(pid))


def test_closing_ends_it(process):
    pid = process.pid
    process.close()
    assert gone(pid)
    assert not process.alive


def test_ctrl_c_in_the_terminal_is_left_to_the_consumer(process):
    os.kill(process.pid, signal.SIGINT)
    assert isinstance(process.run(work((20, 20)), 30).answers[0], Outcome)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_it_does_not_outlive_a_consumer_that_is_killed(tmp_path, busy):
    """Also in the middle of a picture, when it does not read its pipe."""
    program = f"""
import pathlib, threading
from detection.model_process import ModelProcess
from detection.stages import Options
from detection.work import Item, Work
from tests.detection.toy_stages import HANG
from tests.hostile import png
if __name__ == "__main__":
    process = ModelProcess({STAGES!r}, "fast", Options("toy", pathlib.Path({str(tmp_path)!r})))
    process.start()
    work = Work("verdict", (Item("hang.png", png(*HANG)),))
    if {busy}:
        threading.Thread(target=process.run, args=(work, 600), daemon=True).start()
    print(process.pid, flush=True)
    threading.Event().wait()
"""
    script = tmp_path / "parent.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=environment, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not gone(pid)
    parent.kill()
    parent.wait()
    try:
        assert eventually(lambda: gone(pid), 30)
    finally:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


def test_neither_django_nor_a_model_library_comes_with_the_pipe():
    """What the child imports before it loads a stage: the start of a process stays quick."""
    modules = "['django', 'tensorflow', 'openvino', 'torch', 'cv2', 'ultralytics', 'keras']"
    check = f"import sys, detection.model_worker; sys.exit(any(name in sys.modules for name in {modules}))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_stop_while_the_process_is_being_spawned_is_no_error(tmp_path, monkeypatch):
    """It comes from another thread, at any moment."""
    process, start = ModelProcess(STAGES, "fast", Options("toy", tmp_path)), SpawnProcess.start

    def interrupted(spawned):
        process.kill()
        start(spawned)

    monkeypatch.setattr(SpawnProcess, "start", interrupted)
    process.start()
    assert process.ready
    process.close()
