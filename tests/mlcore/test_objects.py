"""Objects: boxes in the upright picture's pixels, weights found or their absence explained."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlcore import imaging, objects
from mlcore.errors import ObjectsUnavailable
from mlcore.objects import ObjectDetector, find_weights, input_side
from mlcore.objects_process import DetectorProcess
from tests import hostile
from tests.cifake import ROOT, YOLO, needs_yolo


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """As on a bare machine, and never a download."""
    monkeypatch.delenv("YOLO_WEIGHTS", raising=False)
    monkeypatch.setenv("YOLO_DOWNLOAD", "false")


# --- Finding the weights ----------------------------------------------------------------


def test_the_environment_comes_first(tmp_path, monkeypatch):
    named = weights_in(tmp_path / "elsewhere")
    weights_in(tmp_path / "weights")
    monkeypatch.setenv("YOLO_WEIGHTS", str(named))
    assert find_weights(tmp_path) == named


def test_a_wrong_path_in_the_environment_is_an_error_and_not_skipped(tmp_path, monkeypatch):
    weights_in(tmp_path / "weights")
    monkeypatch.setenv("YOLO_WEIGHTS", "/nowhere/y.pt")
    with pytest.raises(ObjectsUnavailable, match="YOLO_WEIGHTS names /nowhere/y"):
        find_weights(tmp_path)


def test_then_the_data_folder(tmp_path):
    there = weights_in(tmp_path / "weights")
    assert find_weights(tmp_path) == there


def test_none_to_be_had_tells_what_to_do(tmp_path):
    with pytest.raises(ObjectsUnavailable) as none:
        find_weights(tmp_path)
    assert str(tmp_path / "weights") in str(none.value)
    assert "YOLO_WEIGHTS" in str(none.value)


def test_a_download_is_tried_once_and_then_not_for_a_while(tmp_path, monkeypatch):
    tries = []
    monkeypatch.setenv("YOLO_DOWNLOAD", "true")
    monkeypatch.setattr(objects, "_last_failure", -objects.RETRY_SECONDS)
    monkeypatch.setattr(objects, "_reachable", lambda host: tries.append(host) or False)
    for _ in range(3):
        with pytest.raises(ObjectsUnavailable):
            find_weights(tmp_path)
    assert tries == ["github.com"]


def test_a_download_that_succeeds_is_used_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_DOWNLOAD", "true")
    monkeypatch.setattr(objects, "_last_failure", -objects.RETRY_SECONDS)
    monkeypatch.setattr(objects, "_reachable", lambda host: True)
    monkeypatch.setattr(objects, "WEIGHTS_SHA256", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr(objects, "_ask_ultralytics", lambda target: weights_in(target.parent))
    assert find_weights(tmp_path) == tmp_path / "weights" / "yolov8n.pt"
    monkeypatch.setattr(objects, "_ask_ultralytics", lambda target: pytest.fail("fetched twice"))
    assert find_weights(tmp_path).is_file()
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["yolov8n.pt"]


def test_a_download_that_is_not_the_published_file_is_not_opened(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("YOLO_DOWNLOAD", "true")
    monkeypatch.setattr(objects, "_last_failure", -objects.RETRY_SECONDS)
    monkeypatch.setattr(objects, "_reachable", lambda host: True)
    monkeypatch.setattr(objects, "_ask_ultralytics", lambda target: weights_in(target.parent))
    with pytest.raises(ObjectsUnavailable, match="Put yolov8n"):
        find_weights(tmp_path)
    assert "another file than the one published" in caplog.text
    assert not list((tmp_path / "weights").iterdir())


def test_ultralytics_keeps_its_settings_where_nobody_else_writes(monkeypatch):
    monkeypatch.delenv("YOLO_CONFIG_DIR", raising=False)
    objects._quieten()
    folder = Path(os.environ["YOLO_CONFIG_DIR"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_network_is_found_out_without_an_error(monkeypatch):
    monkeypatch.setattr(objects, "getproxies", dict)
    assert objects._reachable("no-such-host.invalid") is False


def weights_in(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "yolov8n.pt"
    path.write_bytes(b"weights")
    return path


# --- Sizes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "side"),
    [((32, 32), 128), ((33, 20), 160), ((8, 8), 32), ((160, 90), 640), ((4000, 3000), 640), ((90, 159), 640)],
)
def test_the_network_s_side_is_a_multiple_of_its_stride(size, side):
    assert input_side(size) == side


# --- Detecting, in a process of its own: torch does not get on with TensorFlow -------------


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "weights").mkdir()
    (folder / "weights" / "yolov8n.pt").symlink_to(YOLO)
    with DetectorProcess(folder) as process:
        yield process


def photo(transpose: Image.Transpose | None = None, orientation: int = 1):
    """Ultralytics' own street scene with a bus and people, stored as ``orientation`` says."""
    site = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    image = Image.open(site / "ultralytics" / "assets" / "bus.jpg")
    image = image.transpose(transpose) if transpose is not None else image
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(out, "JPEG", quality=95, exif=exif)
    return imaging.examine(out.getvalue(), "bus.jpg")


@needs_yolo
def test_a_street_scene(detector):
    found = detector.detect([photo()])[0]
    names = [each.name for each in found.objects]
    assert names.count("person") >= 3
    assert names.count("bus") == 1
    scores = [each.score for each in found.objects]
    assert scores == sorted(scores, reverse=True)
    bus = next(each for each in found.objects if each.name == "bus")
    assert bus.box == pytest.approx((22, 230, 808, 753), abs=15)
    assert found.model.name == "yolov8n"
    assert found.model.sha256 == hashlib.sha256(YOLO.read_bytes()).hexdigest()


@needs_yolo
def test_boxes_are_in_pixels_of_the_upright_picture(detector):
    """Stored lying on its side, with the EXIF orientation that says so."""
    lying = photo(Image.Transpose.ROTATE_90, orientation=6)
    assert lying.image.size == (810, 1080)
    found = detector.detect([lying])[0]
    bus = next(each for each in found.objects if each.name == "bus")
    assert bus.box == pytest.approx((22, 230, 808, 753), abs=15)


@needs_yolo
def test_several_of_different_sizes_keep_their_order(detector):
    plain = imaging.examine(hostile.png(32, 32), "x.png")
    wide = imaging.examine(hostile.png(300, 40), "y.png")
    nothing, street, other = detector.detect([plain, photo(), wide])
    assert len(street.objects) >= 4
    assert nothing.objects == other.objects == ()


@needs_yolo
def test_a_process_that_died_idle_is_replaced(detector):
    for process in list(detector._pool._processes.values()):
        process.kill()
        process.join()
    assert detector.detect([photo()])[0].objects


@needs_yolo
def test_a_death_at_work_costs_that_picture_and_not_the_next(detector):
    with pytest.raises(ObjectsUnavailable, match="process died"):
        detector._ask(detector._pool.submit(os._exit, 3))
    assert detector.detect([photo()])[0].objects


def test_a_file_that_holds_no_weights_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("YOLO_WEIGHTS", str(weights_in(tmp_path)))
    with DetectorProcess(None) as process, pytest.raises(ObjectsUnavailable, match="cannot be read as YOLO"):
        process.ready()


@needs_yolo
def test_nothing_is_said_sent_or_left_behind(tmp_path):
    """In a fresh process: no statistics, no output, and no file but Ultralytics' settings."""
    code = (
        "from pathlib import Path; from PIL import Image; from mlcore.objects import ObjectDetector\n"
        f"detector = ObjectDetector(Path({str(YOLO)!r})); detector.warm_up()\n"
        "from ultralytics.utils import ONLINE, events\n"
        "assert not ONLINE and not events.events.enabled"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []


@needs_yolo
def test_runtimes_are_timed_in_turn_and_absent_ones_left_out(monkeypatch):
    class Net:
        def __init__(self, name):
            self.name = name

    order = []
    monkeypatch.setenv("YOLO_WEIGHTS", str(YOLO))
    monkeypatch.setattr(
        objects, "_exported", lambda weights, name, folder: None if name == "absent" else Net(name)
    )
    monkeypatch.setattr(objects, "predict", lambda net, image: order.append(net.name))
    found = objects.time_runtimes([Image.new("RGB", (32, 32))], ("torch", "absent", "onnx"), rounds=3)
    assert list(found) == ["torch", "onnx"]
    assert order == ["torch", "onnx"] * 5
    assert found["torch"]["ratio"] == 1.0
    assert set(found["onnx"]) == {"median_ms", "min_ms", "ratio"}


def test_a_detector_without_weights_says_so():
    with pytest.raises(ObjectsUnavailable):
        ObjectDetector()
