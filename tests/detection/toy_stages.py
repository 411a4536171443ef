"""Stages without a model, for tests that need a real model process but not a real verdict.

The picture's name says what shall happen, so that a test can send any mixture in one batch.
"""

from __future__ import annotations

import io
import os
import signal
import threading

import numpy as np
from PIL import Image

from detection.stages import FAST, SLOW, Options, Outcome, Run, Stage
from mlcore.contracts import Picture
from mlcore.errors import ModelUnavailable, ObjectsUnavailable
from mlcore.overlay import pack

MODEL = {"name": "toy", "version": "1", "sha256": "0" * 64}
KILL = (8, 9)  # width and height of a picture that kills its process, whatever its name
HANG, RAISE, CRASH, EAT = (8, 10), (8, 11), (8, 12), (8, 13)


def load_verdict(options: Options) -> Run:
    if (options.data_dir / "spoilt_weights").exists():
        raise ModelUnavailable("The toy's weights are spoilt. Check them out again.")
    model = {**MODEL, "name": options.model}
    return lambda pictures: [verdict(each, model) for each in pictures]


def verdict(picture: Picture, model: dict[str, str] = MODEL) -> Outcome:
    size = picture.image.size
    if size == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    if size == CRASH:
        os.abort()
    if size == EAT:
        bytearray(4 * 1024**3)
    if size == HANG:
        threading.Event().wait()
    if size == RAISE:
        raise RuntimeError("the toy stage was told to fail")
    numbers = {"verdict": "fake", "p_fake": 0.875, "confidence": 0.875}
    return Outcome(
        result={**numbers, "model": model, "heatmap": pack(np.array([[0.0, 1.0], [0.5, 0.2]], np.float32))},
        artefacts={"heatmap": png()},
        headline={**numbers, **{f"model_{key}": value for key, value in model.items()}},
    )


def png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), "blue").save(out, "PNG")
    return out.getvalue()


def load_objects(options: Options) -> Run:
    if not (options.data_dir / "toy_weights").exists():
        raise ObjectsUnavailable("Put toy_weights into the data folder.")
    found = {"objects": [{"name": "cat", "score": 0.9, "box": [1.0, 2.0, 3.0, 4.0]}], "model": MODEL}
    return lambda pictures: [Outcome(found) for _ in pictures]


STAGES = [
    Stage("verdict", "Verdict and heat map", FAST, 8, load_verdict),
    Stage("objects", "Objects in the scene", SLOW, 2, load_objects),
]
