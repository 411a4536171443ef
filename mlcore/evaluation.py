"""Evaluation of a model on labelled pictures, read and prepared just as the product does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcore import data, imaging, registry
from mlcore.augment import enlarge
from mlcore.classifier import reduce
from mlcore.errors import DataError, ImageRefused
from mlcore.metrics import Metrics, measure

if TYPE_CHECKING:
    import keras

BATCH = 256


@dataclass(frozen=True)
class Evaluation:
    """Metrics over the readable images; ``unreadable`` names the others."""

    metrics: Metrics
    unreadable: tuple[str, ...] = ()


def evaluate_source(source: Path, name: str, *, held_out_seed: int | None = None) -> Evaluation:
    """Evaluate the named model on a folder or zip that holds REAL and FAKE.

    Pictures may have any size and format that intake accepts. With ``held_out_seed`` only the
    held-out part of that split is used, which takes CIFAKE's own 32 px pictures.

    Raises:
        DataError: not such a folder, or a class is missing.
        ModelUnavailable: no usable weights under that name.
    """
    if held_out_seed is not None:
        _, held_out = data.split(data.load(source), seed=held_out_seed)
        return Evaluation(evaluate_arrays(registry.load(name), held_out))
    model = registry.load(name)
    unreadable: list[str] = []
    labels: list[int] = []
    p_fake = probabilities(model, _inputs(source, labels, unreadable))
    if len(set(labels)) < 2:
        raise DataError(f"{source}: images of both classes are needed, in folders REAL and FAKE.")
    return Evaluation(measure(p_fake, np.array(labels)), tuple(unreadable))


def evaluate_arrays(model: keras.Model, part: data.Dataset) -> Metrics:
    """Metrics of a model on images in memory."""
    return measure(probabilities(model, part.images), part.labels)


def probabilities(model: keras.Model, inputs: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """P(fake) of each (32, 32, 3) input, in order: (n,)."""
    import tensorflow as tf

    size = model.input_shape[1]
    run = tf.function(
        lambda batch: model(enlarge(tf.cast(batch, tf.float32) / 255.0, size), training=False),
        autograph=False,
        input_signature=[tf.TensorSpec((None, data.NATIVE_SIZE, data.NATIVE_SIZE, 3), tf.uint8)],
    )
    rows = iter(inputs)
    results = []
    while batch := list(islice(rows, BATCH)):
        results.append(run(np.stack(batch)).numpy()[:, 0].astype(np.float64))
    return np.concatenate(results) if results else np.empty(0)


def _inputs(source: Path, labels: list[int], unreadable: list[str]) -> Iterator[NDArray[np.uint8]]:
    """Decoded by two threads, in order; fills ``labels`` and ``unreadable`` along the way."""

    def read(item: tuple[str, bytes]) -> tuple[str, NDArray[np.uint8] | None]:
        name, content = item
        try:
            return name, reduce(imaging.examine(content, name).image)
        except ImageRefused:
            return name, None

    files = (item for item in data.read_files(source) if data.label_of(item[0]) is not None)
    with ThreadPoolExecutor(2) as pool:
        while chunk := list(islice(files, BATCH)):
            for name, pixels in pool.map(read, chunk):
                if pixels is None:
                    unreadable.append(name)
                else:
                    labels.append(int(data.label_of(name) or 0))
                    yield pixels
