"""manage.py detect as people run it: a process of its own, on real files."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detection.management.commands.detect import as_json
from mlcore import registry
from mlcore.contracts import (
    Classification,
    DetectedObject,
    Gate,
    ModelRef,
    Objects,
    Provenance,
    ProvenanceSummary,
    Verdict,
)
from mlcore.errors import ObjectsUnavailable
from mlcore.files import Refusal, Result, Tools, check
from mlcore.imaging import Limits
from mlcore.provenance_process import ProvenanceFailed
from tests import hostile
from tests.cifake import ROOT, YOLO, held_out

KEYS = [
    *("file", "verdict", "confidence", "p_fake", "time_ms", "objects", "overlay", "model"),
    *("basis", "gate", "provenance", "answer", "expert"),
]


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """No database, no secret, an empty data folder; a database's address that nobody answers at."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "DATA", "TF_"))}
    env |= {"DATA_DIR": str(folder / "data"), "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    env |= {"YOLO_DOWNLOAD": "false", **environment}
    command = [sys.executable, str(ROOT / "manage.py"), "detect", *arguments]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)


def save_with_prompt(path: Path) -> None:
    info = PngInfo()
    info.add_text(
        "parameters", "a cat in space\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"
    )
    Image.open(io.BytesIO(hostile.png(64, 64))).save(path, pnginfo=info)


# --- The real thing -----------------------------------------------------------------------


def test_two_hundred_real_files_and_a_broken_one(tmp_path):
    """In form: every line, in order. In fact: at least 93 % right on pictures that no training saw."""
    files = held_out(200)
    for number, (_, file) in enumerate(files):
        (tmp_path / f"{number}.jpg").write_bytes(file)
    (tmp_path / "broken.jpg").write_bytes(hostile.truncated_jpeg())
    names = [f"{number}.jpg" for number in range(200)]
    names.insert(70, "broken.jpg")
    weights = {"YOLO_WEIGHTS": str(YOLO)} if YOLO.exists() else {}

    done = run(tmp_path, "--json", "--out", "overlays", *names, **weights)

    assert done.returncode == 1, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    broken = lines.pop(70)
    assert list(broken) == ["file", "error"]
    assert broken["error"]["code"] == "truncated"
    assert "broken.jpg" in broken["error"]["detail"]
    for line in lines:
        check_form(line, tmp_path, with_objects=bool(weights))
    right = [
        (line["verdict"] == "fake") == bool(label) for line, (label, _) in zip(lines, files, strict=True)
    ]
    assert np.mean(right) >= 0.93
    if weights:
        assert sum(bool(line["objects"]) for line in lines) >= 20


def check_form(line: dict, folder: Path, *, with_objects: bool) -> None:
    tested = ["stability"] if "stability" in line else []
    assert list(line) == [*KEYS, *tested, *([] if with_objects else ["objects_skipped"])]
    assert line["verdict"] in {"fake", "real", "uncertain"}
    if line["verdict"] == "uncertain":
        assert (line["confidence"], line["answer"]) == (None, "not_sure")
    else:
        assert line["confidence"] == pytest.approx(max(line["p_fake"], 1 - line["p_fake"]), abs=1e-5)
        assert line["stability"]["stable"]
    if line["basis"] == "pixels":
        assert line["p_fake"] == line["expert"]["p_fake"]
        assert Image.open(folder / line["overlay"]).size == (32, 32)
    else:  # outside of what the model knows there is no number to go by
        assert (line["basis"], line["verdict"], line["p_fake"]) == ("none", "uncertain", None)
        assert line["overlay"] is None
        assert line["gate"]["reason"]
    assert line["gate"]["in_domain"] is (line["basis"] == "pixels")
    assert set(line["provenance"]) == {"summary", "findings"}
    assert line["provenance"]["summary"] == "none"
    assert line["time_ms"] > 0
    assert line["model"] == {
        key: registry.card(registry.DEFAULT)[key] for key in ("name", "version", "sha256")
    }
    for found in line["objects"]:
        assert set(found) == {"name", "score", "box", "sure"}
        left, top, right, bottom = found["box"]
        assert 0 <= left < right <= 32
        assert 0 <= top < bottom <= 32


def test_bad_files_of_every_kind_do_not_stop_the_good_one(tmp_path):
    for name, (maker, _) in hostile.BROKEN.items():
        (tmp_path / name).write_bytes(maker())
    (tmp_path / "a folder").mkdir()
    (tmp_path / "good.png").write_bytes(hostile.png())
    os.mkfifo(tmp_path / "pipe.jpg")
    names = [*hostile.BROKEN, "a folder", "missing.jpg", "pipe.jpg", "good.png"]

    done = run(tmp_path, "--json", *names)

    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    codes = [line["error"]["code"] for line in lines[:-1]]
    expected = [code for _, code in hostile.BROKEN.values()]
    assert codes == [*expected, "is_a_folder", "not_found", "unreadable"]
    assert lines[-1]["objects"] == []
    assert lines[-1]["overlay"] is None  # its answer does not rest on the pixels
    assert "YOLO_WEIGHTS" in lines[-1]["objects_skipped"]
    assert "Objects are skipped: Put yolov8n.pt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data" / "cifake.sqlite3").exists()


def test_for_people_it_is_sentences(tmp_path):
    (tmp_path / "large.gif").write_bytes(hostile.saved(hostile.gradient(200, 150), "GIF"))
    (tmp_path / "empty.jpg").write_bytes(b"")
    save_with_prompt(tmp_path / "made.png")

    done = run(tmp_path, "large.gif", "empty.jpg", "made.png", "--no-objects", "--out", "seen")

    assert done.returncode == 1
    assert re.search(r"large.gif: (Probably|Not sure)", done.stdout)
    assert "Overlay" not in done.stdout
    assert "empty.jpg: could not be examined\n    empty.jpg is empty." in done.stdout
    assert "Nothing about its origin in the file" in done.stdout
    assert "Objects" not in done.stdout + done.stderr
    made = done.stdout.partition("made.png: ")[2]
    assert made.startswith("Declared AI-generated: the file says so (")
    assert "%" not in made
    assert "The pixels" not in made


def test_all_well_is_status_0_and_nothing_on_standard_error(tmp_path):
    (tmp_path / "x.png").write_bytes(hostile.png())
    done = run(tmp_path, "x.png", "--json", "--no-objects")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(json.loads(done.stdout)) == KEYS


def test_an_unknown_model_is_a_sentence_and_status_2(tmp_path):
    done = run(tmp_path, "x.png", "--json", "--no-objects", "--model", "nonesuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no model named “nonesuch”. Models here: cifake_resnet" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_but_records_reaches_standard_output():
    """Not even what C code writes there."""
    code = (
        "import os, sys\nfrom mlcore.quiet import own_stdout\n"
        "with own_stdout() as out:\n"
        "    print('chatter'); os.write(1, b'from C\\n'); print('record', file=out)\n"
        "print('after')"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "record\nafter\n"
    assert sorted(done.stderr.split("\n")) == ["", "chatter", "from C"]


# --- The way of files through batches, with a classifier that tells what it was given --------

MODEL = ModelRef("m", "1", "0")


def classify(pictures):
    classify.batches.append(len(pictures))
    return [
        Classification(Verdict.FAKE, 0.9, 0.9, np.ones((4, 4), np.float32), MODEL) for _ in pictures
    ]  # fmt: skip


@pytest.fixture(autouse=True)
def _batches():
    classify.batches = []


def test_batches_are_full_and_the_order_stays(tmp_path):
    names = [str(tmp_path / f"{number}.png") for number in range(70)]
    for name in names:
        Path(name).write_bytes(hostile.png(16, 16))
    outcomes = list(check([*names[:40], "missing.png", *names[40:]], classify))
    assert classify.batches == [32, 31, 7]
    assert [each.file for each in outcomes] == [*names[:40], "missing.png", *names[40:]]
    assert isinstance(outcomes[40], Refusal)


def test_large_pictures_do_not_pile_up_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("mlcore.files.BATCH_PIXELS", 2 * 300 * 200)
    name = tmp_path / "x.png"
    name.write_bytes(hostile.png(300, 200))
    list(check([str(name)] * 5, classify))
    assert classify.batches == [2, 2, 1]


def test_a_file_over_the_limit_is_not_read_whole(tmp_path):
    name = tmp_path / "huge.png"
    with name.open("wb") as file:
        file.truncate(10 * 2**30)  # sparse: ten gigabytes that take no space
    (outcome,) = check([str(name)], classify, limits=Limits(bytes=1000))
    assert outcome.code == "too_large"


def test_overlays_of_one_name_do_not_overwrite_each_other(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(hostile.png())
    files = [str(tmp_path / "a" / "x.png"), str(tmp_path / "b" / "x.png")]
    first, second = check(files, classify, out=tmp_path / "out")
    assert first.overlay.name == "x.png.overlay.png"
    assert second.overlay.name == "x.png-2.overlay.png"
    assert first.overlay.exists()
    assert second.overlay.exists()


def test_an_overlay_s_name_fits_the_file_system(tmp_path):
    name = tmp_path / ("ü" * 125 + ".png")
    name.write_bytes(hostile.png())
    (outcome,) = check([str(name)], classify, out=tmp_path / "out")
    assert isinstance(outcome, Result)
    assert outcome.overlay.exists()


def test_objects_are_drawn_into_the_overlay(tmp_path):
    name = tmp_path / "x.png"
    name.write_bytes(hostile.png(200, 200))
    box = DetectedObject("cat", 0.9, (50.0, 60.0, 150.0, 160.0))
    (plain,) = check([str(name)], classify, out=tmp_path / "plain")
    tools = Tools(detect=lambda pictures: [Objects((box,), MODEL)])
    (drawn,) = check([str(name)], classify, tools, tmp_path / "drawn")
    difference = np.asarray(Image.open(plain.overlay)) != np.asarray(Image.open(drawn.overlay))
    assert difference.any(-1)[60, 50:151].all()
    assert drawn.seen == drawn.sure == (box,)


def test_a_detector_that_fails_costs_the_objects_alone(tmp_path):
    name = tmp_path / "x.png"
    name.write_bytes(hostile.png())

    def fails(pictures):
        raise ObjectsUnavailable("It died.")

    (outcome,) = check([str(name)], classify, Tools(detect=fails))
    assert outcome.found.verdict is Verdict.FAKE
    assert outcome.seen == outcome.sure == ()
    assert outcome.objects.reason == "It died."


# --- Origin, domain and stability ---------------------------------------------------------


def test_a_prompt_in_the_file_is_the_file_s_own_claim(tmp_path):
    save_with_prompt(tmp_path / "made.png")

    (line,) = run(tmp_path, "made.png", "--json", "--no-objects", "--stability").stdout.splitlines()
    found = json.loads(line)

    assert (found["verdict"], found["basis"], found["confidence"]) == ("fake", "declared", None)
    assert found["provenance"]["summary"] == "declared_ai"
    assert found["provenance"]["findings"][0]["source"] == "generator"
    assert (found["answer"], found["p_fake"], found["overlay"]) == ("declared_ai", None, None)
    assert "stability" not in found
    assert 0 <= found["expert"]["stability"]["agree"] <= 1
    assert "what the file says decides here" in found["expert"]["note"]


def origin(summary):
    return lambda data, name: Provenance(summary, "It says so.")


def out_of_domain(pictures):
    return [replace(each, gate=Gate(False, "Too large.")) for each in classify(pictures)]


def test_the_answer_joins_all_that_was_asked(tmp_path):
    name = tmp_path / "x.png"
    name.write_bytes(hostile.png())

    def answer(classify=classify, **tools):
        (outcome,) = check([str(name)], classify, Tools(**tools))
        return outcome.decision.key

    asked = []

    def shaky(picture):
        asked.append(picture)
        return (("mirrored", 0.1),)

    assert answer() == "pixels_fake"
    assert answer(thresholds={"fake": 0.95, "real": 0.1}) == "undecided"
    assert answer(hold=shaky) == "unstable"
    assert len(asked) == 1
    undecided = {"fake": 0.95, "real": 0.1}
    assert answer(thresholds=undecided, hold=shaky) == "undecided"
    assert answer(out_of_domain, hold=shaky) == "out_of_domain"
    assert answer(origin=origin(ProvenanceSummary.CAMERA_SIGNED), hold=shaky) == "signed_camera"
    assert len(asked) == 1  # whose answer needs it not does not pay for it
    answer(out_of_domain, hold=shaky, hold_all=True)
    assert len(asked) == 2


def test_an_origin_that_cannot_be_read_costs_itself_alone(tmp_path):
    name = tmp_path / "x.png"
    name.write_bytes(hostile.png())

    def fails(data, name):
        raise ProvenanceFailed("It took too long.")

    (outcome,) = check([str(name)], classify, Tools(origin=fails))
    assert outcome.decision.key == "pixels_fake"
    line = as_json(outcome, "")
    assert line["provenance"] == {"summary": "none", "findings": [], "error": "It took too long."}
