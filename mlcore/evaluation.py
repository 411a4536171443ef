"""Evaluation of a model on labelled pictures, read and prepared just as the product does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore import data, imaging, registry
from mlcore.calibration import Calibration
from mlcore.classifier import gatekeeper, judged
from mlcore.errors import DataError, ImageRefused
from mlcore.gate import seen
from mlcore.logits import logits_of
from mlcore.metrics import Decisions, Metrics, decisions, interval, measure

if TYPE_CHECKING:
    pass

BATCH = 256


@dataclass(frozen=True)
class Scored:
    """(n,) each, in the order of the files. ``sources``: the folder below REAL or FAKE."""

    p_fake: NDArray[np.float64]
    labels: NDArray[np.int64]
    in_domain: NDArray[np.bool_]
    sources: NDArray[np.str_]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceRow:
    """One subfolder: accuracy with its 95 % interval, the share refused, and what was answered."""

    source: str
    n: int
    accuracy: float
    interval: tuple[float, float]
    decisions: Decisions


@dataclass(frozen=True)
class Evaluation:
    """Metrics over all readable images by ``p_fake``, those that the gate refused included."""

    metrics: Metrics
    decisions: Decisions
    interval: tuple[float, float]  # of the accuracy, 95 %
    sources: tuple[SourceRow, ...] = ()
    unreadable: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        rows = [
            {
                **{key: value for key, value in asdict(row).items() if key != "decisions"},
                **asdict(row.decisions),
            }
            for row in self.sources
        ]
        return {
            **self.metrics.as_dict(),
            **asdict(self.decisions),
            "accuracy_interval": self.interval,
            "sources": rows,
            "unreadable": len(self.unreadable),
        }


class Model:
    """A model from the registry as evaluation needs it: calibrated scores, thresholds, gate."""

    def __init__(self, name: str) -> None:
        """Load it.

        Raises:
            ModelUnavailable: no usable weights under that name.
        """
        self.card = registry.card(name)
        self.thresholds: dict[str, float] = self.card["thresholds"]
        self.calibration = Calibration.from_card(self.card)
        self.gate = gatekeeper(self.card)
        self.logits = logits_of(registry.load(name))

    def p_fake(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Calibrated P(fake) of (n, 32, 32, 3) uint8: (n,)."""
        return self.calibration.probabilities(self.logits(images))

    def known(self, images: NDArray[np.uint8], p_fake: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of (n, 32, 32, 3) uint8 with their (n,) P(fake) the gate lets pass: (n,)."""
        return self.gate.known(images, p_fake) if self.gate else np.ones(len(images), bool)


def evaluate(scored: Scored, thresholds: dict[str, float]) -> Evaluation:
    """Everything that ``manage.py evaluate`` prints.

    Raises:
        DataError: a class is missing.
    """
    if len(set(scored.labels.tolist())) < 2:
        raise DataError("Images of both classes are needed, in folders REAL and FAKE.")
    right = (scored.p_fake > 0.5) == (scored.labels == 1)
    return Evaluation(
        measure(scored.p_fake, scored.labels),
        decisions(scored.p_fake, scored.labels, thresholds, scored.in_domain),
        interval(right),
        tuple(_by_source(scored, right, thresholds)),
        scored.unreadable,
    )


def score_folder(source: Path, model: Model) -> Scored:
    """Score a folder or zip that holds REAL and FAKE. Pictures may have any size and format
    that intake accepts; each goes through decoding, gate and reduction as an upload does.

    Raises:
        DataError: not such a folder.
    """
    unreadable: list[str] = []
    rows = list(_read(source, model, unreadable))
    pixels = np.stack([row[0] for row in rows]) if rows else np.empty((0, 32, 32, 3), np.uint8)
    p_fake, passed = model.p_fake(pixels), np.array([row[1] for row in rows], bool)
    return Scored(
        p_fake,
        np.array([row[2] for row in rows], np.int64),
        passed & model.gate.sure(pixels, p_fake) if model.gate else passed,
        np.array([row[3] for row in rows], str),
        tuple(unreadable),
    )


def score_arrays(part: data.Dataset, model: Model) -> Scored:
    """Score CIFAKE's own pictures in memory, gate included."""
    sources = np.array(["REAL", "FAKE"])[part.labels.astype(int)]
    labels = part.labels.astype(np.int64)
    p_fake = model.p_fake(part.images)
    return Scored(p_fake, labels, model.known(part.images, p_fake), sources)


def _by_source(scored: Scored, right: NDArray[np.bool_], thresholds: dict[str, float]) -> Iterator[SourceRow]:
    for source in sorted(set(scored.sources.tolist())):
        mine = scored.sources == source
        made = decisions(scored.p_fake[mine], scored.labels[mine], thresholds, scored.in_domain[mine])
        yield SourceRow(source, int(mine.sum()), float(right[mine].mean()), interval(right[mine]), made)


def _source_of(name: str) -> str:
    """REAL, or REAL/folder: the path from the class's folder to the file's."""
    folders = PurePosixPath(name).parts[:-1]
    last = max(place for place, part in enumerate(folders) if part.upper() in data.LABELS)
    return "/".join((folders[last].upper(), *folders[last + 1 :]))


Row = tuple[NDArray[np.uint8], bool, int, str]


def _read(source: Path, model: Model, unreadable: list[str]) -> Iterator[Row]:
    """Decoded by two threads, in order; fills ``unreadable`` along the way."""

    def read(item: tuple[str, bytes]) -> tuple[str, Row | None]:
        name, content = item
        try:
            picture = imaging.examine(content, name)
        except ImageRefused:
            return name, None
        passed = judged(model.gate, picture).in_domain
        return name, (seen(picture.image), passed, int(data.label_of(name) or 0), _source_of(name))

    files = (item for item in data.read_files(source) if data.label_of(item[0]) is not None)
    with ThreadPoolExecutor(2) as pool:
        for name, row in _in_chunks(pool.map, read, files):
            if row is None:
                unreadable.append(name)
            else:
                yield row


def _in_chunks(mapper: Any, call: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """A pool's map reads all of its input at once: here, some files at a time."""
    rows = iter(items)
    while chunk := list(islice(rows, BATCH)):
        yield from mapper(call, chunk)
