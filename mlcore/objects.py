"""Objects in the scene: YOLOv8n (Jocher, Chaurasia & Qiu, Ultralytics 2023), trained on COCO.

Ultralytics is kept from installing packages, asking for updates and sending statistics. It
and torch are imported only when a detector is made.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import numpy as np
from PIL import Image

from mlcore.contracts import DetectedObject, ModelRef, Objects, Picture
from mlcore.errors import ObjectsUnavailable

if TYPE_CHECKING:
    from ultralytics import YOLO

WEIGHTS_NAME = "yolov8n.pt"
# Of the file in github.com/ultralytics/assets, releases v8.3.0 and v8.4.0 (6,549,796 bytes). Weights are
# pickles, and unpickling runs what they say: nothing else that comes over the network is opened.
WEIGHTS_SHA256 = "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36"
REMEDY = (
    f"Put {WEIGHTS_NAME} (github.com/ultralytics/assets, releases) into {{folder}}, "
    "or set YOLO_WEIGHTS to its path."
)
INPUT_SIDE, STRIDE, ENLARGE = 640, 32, 4
SURE = 0.7  # from which score on an object is told as there
LEAST_SIDE = 64  # pixels, the longer side below which none is: there a high score says nothing
EXPORT_NEEDS = {"onnx": ("onnx", "onnxruntime"), "openvino": ("openvino",)}
RETRY_SECONDS = 600.0
logger = logging.getLogger(__name__)
_last_failure = -RETRY_SECONDS


def find_weights(data_dir: Path | None) -> Path:
    """Where the weights are: ``YOLO_WEIGHTS``, the data folder, or fetched there by Ultralytics.

    Without a data folder, or with ``YOLO_DOWNLOAD=false``, nothing is fetched. A download
    that failed, or is not the published file, is not tried again for ten minutes.

    Raises:
        ObjectsUnavailable: none to be had; the message is the remedy.
    """
    if named := os.environ.get("YOLO_WEIGHTS"):
        if Path(named).is_file():
            return Path(named)
        raise ObjectsUnavailable(f"YOLO_WEIGHTS names {named}, which is no file. Correct it, or unset it.")
    target = (data_dir or Path("data")) / "weights" / WEIGHTS_NAME
    if target.is_file() or (data_dir is not None and _fetched(target)):
        return target
    raise ObjectsUnavailable(REMEDY.format(folder=target.parent))


class ObjectDetector:
    """YOLO weights, loaded once and then called with pictures."""

    def __init__(self, weights: Path | None = None) -> None:
        """Load the weights (by default those of :func:`find_weights`, nothing fetched).

        Raises:
            ObjectsUnavailable: no weights, or a file that Ultralytics cannot read.
        """
        path = weights or find_weights(None)
        self._net = _load(path)
        self.model = ModelRef(
            path.stem, _ultralytics_version(), hashlib.sha256(path.read_bytes()).hexdigest()
        )

    def detect(self, pictures: Sequence[Picture]) -> list[Objects]:
        """Objects of at least 25 % score in each picture, boxes in its upright pixels."""
        # One by one: a batch would be padded to squares, which costs more than it saves.
        return [Objects(self._found(picture.image), self.model) for picture in pictures]

    def warm_up(self) -> None:
        """Pay for the first call now."""
        self._found(Image.new("RGB", (INPUT_SIDE, INPUT_SIDE)))

    def _found(self, image: Image.Image) -> tuple[DetectedObject, ...]:
        boxes = predict(self._net, image).boxes
        rows = zip(boxes.xyxy.tolist(), boxes.conf.tolist(), boxes.cls.tolist(), strict=True)
        found = [DetectedObject(self._net.names[int(kind)], score, tuple(box)) for box, score, kind in rows]
        return tuple(sorted(found, key=lambda each: -each.score))


def is_sure(score: float, size: tuple[int, int]) -> bool:
    """Whether an object of a picture of ``size`` is told as there, rather than as a guess.

    Measured on labelled pictures: docs/objects-runtime.md.
    """
    return score >= SURE and max(size) >= LEAST_SIDE


def predict(net: YOLO, image: Image.Image) -> Any:
    """Ultralytics' result for one RGB image, at the side that :func:`input_side` gives."""
    pixels = np.ascontiguousarray(np.asarray(image)[:, :, ::-1])  # it takes BGR, as OpenCV does
    results: Any = net.predict(pixels, imgsz=input_side(image.size), conf=0.25, device="cpu", verbose=False)
    return results[0]


def input_side(size: tuple[int, int]) -> int:
    """The longer side that the network sees, a multiple of 32 pixels and at most 640.

    Small pictures are enlarged four times at most. At 640 px the network recognises next to
    nothing in 32 px pictures: of 110 CIFAKE photos whose kind COCO knows it named 0 rightly,
    at 96 and 160 px 17, in a fifth of the time (docs/objects-runtime.md).
    """
    return min(INPUT_SIDE, STRIDE * -(-max(size) * ENLARGE // STRIDE))


def time_runtimes(
    images: Sequence[Image.Image], runtimes: Sequence[str] = ("torch", "onnx", "openvino"), rounds: int = 10
) -> dict[str, dict[str, float]]:
    """Milliseconds a picture of each runtime (``median_ms``, ``min_ms``) on RGB images.

    They run in turn, and ``ratio`` is the median of each turn's time over the first
    runtime's, so that other work on the machine weighs on all alike. Runtimes that are not
    installed are left out. Exports are made in a temporary folder.

    Raises:
        ObjectsUnavailable: see :func:`find_weights`.
    """
    weights = find_weights(None)
    with tempfile.TemporaryDirectory() as folder:
        nets = {name: net for name in runtimes if (net := _exported(weights, name, Path(folder)))}
        turns = [[_milliseconds(net, image) for net in nets.values()] for image in _repeated(images, rounds)]
    times = np.array(turns[2 * len(images) :])  # the first two rounds allocate and compile
    return {
        name: {
            "median_ms": float(np.median(row)),
            "min_ms": float(row.min()),
            "ratio": float(np.median(row / times[:, 0])),
        }
        for name, row in zip(nets, times.T, strict=True)
    }


def _repeated(images: Sequence[Image.Image], rounds: int) -> Iterator[Image.Image]:
    return (image for _ in range(rounds + 2) for image in images)


def _milliseconds(net: YOLO, image: Image.Image) -> float:
    started = time.perf_counter()
    predict(net, image)
    return (time.perf_counter() - started) * 1000


def _exported(weights: Path, runtime: str, folder: Path) -> YOLO | None:
    if runtime == "torch":
        return _load(weights)
    if any(find_spec(module) is None for module in EXPORT_NEEDS[runtime]):
        return None
    if runtime == "openvino":
        import mlcore.openvino  # noqa: F401  Ultralytics would import it with its telemetry
    copy = folder / weights.name  # Ultralytics writes its export beside the weights
    copy.write_bytes(weights.read_bytes())
    options = {"simplify": False} if runtime == "onnx" else {}  # simplifying needs onnxslim
    return _load(Path(_load(copy).export(format=runtime, dynamic=True, verbose=False, **options)))


def _quieten() -> None:
    """Must come before Ultralytics is imported, as it reads these once, at import."""
    os.environ.update(YOLO_AUTOINSTALL="false", YOLO_OFFLINE="true", YOLO_VERBOSE="false")
    # Prediction is on the processor; looking for graphics cards warns where there are none.
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    if "YOLO_CONFIG_DIR" not in os.environ:
        # Its settings say from where weights are loaded: no folder that others may write to.
        folder = tempfile.mkdtemp(prefix="cifake-ultralytics-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["YOLO_CONFIG_DIR"] = folder


def _load(path: Path) -> YOLO:
    _quieten()
    from ultralytics import YOLO

    try:
        return YOLO(path, task="detect")
    except Exception as error:  # unpickling a file that is not what it says can raise anything
        raise ObjectsUnavailable(
            f"{path} cannot be read as YOLO weights ({type(error).__name__}). Replace it by {WEIGHTS_NAME} "
            "from github.com/ultralytics/assets, releases."
        ) from error


def _ultralytics_version() -> str:
    from ultralytics import __version__

    return str(__version__)


def _fetched(target: Path) -> bool:
    """Whether Ultralytics' own download brought the weights. Soon over where there is no network."""
    global _last_failure
    wanted = os.environ.get("YOLO_DOWNLOAD", "true").lower() not in {"0", "false", "no", "off"}
    if not wanted or time.monotonic() - _last_failure < RETRY_SECONDS:
        return False
    if _reachable("github.com"):
        _download(target)
    if not target.is_file():
        _last_failure = time.monotonic()
    return target.is_file()


def _download(target: Path) -> None:
    """Nobody reads the file under its own name before it is known to be the published one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        found = Path(folder) / target.name
        _ask_ultralytics(found)
        if not found.is_file():
            return
        if hashlib.sha256(found.read_bytes()).hexdigest() == WEIGHTS_SHA256:
            found.replace(target)
        else:
            logger.error("What was downloaded as %s is another file than the one published.", target.name)


def _ask_ultralytics(target: Path) -> None:
    _quieten()
    from ultralytics.utils.downloads import attempt_download_asset

    # requests, urllib and Ultralytics each raise their own; the caller looks for the file.
    with contextlib.suppress(Exception):
        attempt_download_asset(target, retry=0, progress=False)


def _reachable(host: str) -> bool:
    """A name server that does not answer is waited for very long, so a thread asks, and is left."""
    if getproxies().get("https"):
        return True
    answers: list[bool] = []

    def ask() -> None:
        with contextlib.suppress(OSError), socket.create_connection((host, 443), timeout=3):
            answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(5)
    return bool(answers)
