"""What a model looks at over many pictures: mean maps, places of the evidence, kinds, mistakes.

The paper that this platform grew out of says that the model goes by flaws in the background. Here
that is a number: the share of the evidence in the middle quarter of the picture, where CIFAR's
things are, and on edges, each against the quarter that chance would give.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore import data
from mlcore.data import Dataset
from mlcore.faithfulness import enlarge
from mlcore.metrics import interval

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]
# CIFAR-10's classes as CIFAKE numbers them: no number, (2), (3) … (10).
CATEGORIES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
NUMBER = re.compile(r"\d+(?: \((\d+)\))?\.\w+$")
QUARTER = 0.25  # of a picture: what chance gives to the middle, and to edges
WORST = 12
RESAMPLES = 1000


def categories(source: Path, hashes: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """(n,) places in ``CATEGORIES``, -1 where a name gives none, of the files with these hashes.

    Names betray the class, so no model sees them (:mod:`mlcore.data`); here they only sort results.

    Raises:
        DataError: neither a folder nor a zip.
    """
    wanted = {bytes(each).ljust(16, b"\0"): -1 for each in hashes.tolist()}
    for name, content in data.read_files(source):
        key = hashlib.blake2b(content, digest_size=16).digest()
        if key in wanted:
            wanted[key] = category_of(name)
    return np.array([wanted[bytes(each).ljust(16, b"\0")] for each in hashes.tolist()])


def category_of(name: str) -> int:
    """The place in ``CATEGORIES`` that a file's name gives; -1 where it gives none."""
    found = NUMBER.search(name)
    number = int(found[1] or 1) if found else 0
    return number - 1 if 1 <= number <= len(CATEGORIES) else -1


def summarise(
    part: Dataset, kinds: NDArray[np.int64], p_fake: Floats, maps: dict[str, Floats]
) -> dict[str, Any]:
    """Everything but the pictures, as JSON. ``maps`` by method, (n, h, w) each, in the order of ``part``."""
    right = (p_fake > 0.5) == (part.labels == 1)
    return {
        "images": len(part),
        "chance": QUARTER,
        "evidence": {method: _places(part.images, found) for method, found in maps.items()},
        "categories": [_category(kind, kinds, right, part.labels) for kind in range(len(CATEGORIES))],
        "mistakes": {"count": int((~right).sum()), "worst": _worst(part.labels, kinds, p_fake)},
    }


def worst(labels: NDArray[np.integer], p_fake: Floats) -> NDArray[np.int64]:
    """The places of the surest wrong answers, surest first; at most ``WORST``."""
    lost = np.where(labels == 1, 1.0 - p_fake, p_fake)
    order = np.argsort(-lost, kind="stable")[:WORST]
    return np.asarray(order[lost[order] > 0.5])


def middle(side: int) -> NDArray[np.bool_]:
    """(side, side): the middle quarter of a picture."""
    within = np.zeros(side, bool)
    within[side // 4 : side - side // 4] = True
    return np.asarray(within[:, None] & within)


def edges(pixels: Pixels) -> NDArray[np.bool_]:
    """(n, side, side): the quarter of each picture where its brightness changes most."""
    grey = pixels.astype(np.float64).mean(axis=3)
    down, across = np.gradient(grey, axis=(1, 2))
    steep = np.hypot(down, across).reshape(len(pixels), -1)
    order = np.argsort(-steep, axis=1, kind="stable")[:, : round(QUARTER * steep.shape[1])]
    found = np.zeros_like(steep, bool)
    np.put_along_axis(found, order, True, axis=1)
    return found.reshape(grey.shape)


def share_within(maps: Floats, where: NDArray[np.bool_]) -> Floats:
    """(k,) shares of the evidence that lie ``where``, of those maps that show any."""
    total = maps.sum(axis=(1, 2))
    inside = np.where(where, maps, 0.0).sum(axis=(1, 2))
    return np.asarray(inside[total > 0] / total[total > 0])


def _places(pixels: Pixels, maps: Floats) -> dict[str, Any]:
    large = enlarge(maps, pixels.shape[1])
    return {
        "middle": _mean(share_within(large, middle(pixels.shape[1]))),
        "edges": _mean(share_within(large, edges(pixels))),
    }


def _mean(shares: Floats) -> dict[str, float | list[float]]:
    """With its 95 % bootstrap interval."""
    picks = np.random.default_rng(0).integers(0, len(shares), (RESAMPLES, len(shares)))
    low, high = np.percentile(shares[picks].mean(axis=1), [2.5, 97.5])
    return {"share": float(shares.mean()), "interval": [float(low), float(high)]}


def _category(
    kind: int, kinds: NDArray[np.int64], right: NDArray[np.bool_], labels: NDArray[np.integer]
) -> dict[str, Any]:
    mine = kinds == kind
    row: dict[str, Any] = {"category": CATEGORIES[kind], "images": int(mine.sum())}
    if mine.any():
        row |= {"accuracy": float(right[mine].mean()), "interval": interval(right[mine])}
    of_class: Iterable[tuple[str, int]] = (("real", 0), ("fake", 1))
    for name, label in of_class:
        part = right[mine & (labels == label)]
        row[f"accuracy_{name}"] = float(part.mean()) if len(part) else None
    return row


def _worst(labels: NDArray[np.integer], kinds: NDArray[np.int64], p_fake: Floats) -> list[dict[str, Any]]:
    return [
        {
            "truth": "fake" if labels[place] else "real",
            "p_fake": float(p_fake[place]),
            "category": CATEGORIES[kinds[place]] if kinds[place] >= 0 else None,
        }
        for place in worst(labels, p_fake)
    ]
