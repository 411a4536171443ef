"""Methods of explanation beside one another: faithfulness over many pictures, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcore import faithfulness
from mlcore.explain import METHODS, SLOW, silent
from mlcore.explain_network import BATCH, Floats, Network, Pixels
from mlcore.metrics import interval

Say = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One method over ``n`` pictures. ``random`` is the expectation of both areas by chance."""

    method: str
    label: str
    lane: str
    n: int
    deletion: float
    insertion: float
    random: float
    better: float  # share of the pictures on which it beats random maps in both
    interval: tuple[float, float]  # of that share, 95 %
    ms: float  # one map, in batches, without its faithfulness

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def rows(
    network: Network, pixels: Pixels, methods: Iterable[str], slow_images: int, say: Say
) -> tuple[list[Row], dict[str, Floats]]:
    """A row for each method, and its maps. Slow ones see the first ``slow_images`` pictures."""
    found, maps, chance = [], {}, _Chance(network)
    for name in methods:
        part = pixels[:slow_images] if METHODS[name].lane == SLOW else pixels
        row, maps[name] = _row(network, name, part, chance, say)
        say(f"{row.label}: better than random on {row.better:.1%} of {row.n:,}")
        found.append(row)
    return found, maps


def markdown(found: Iterable[Row]) -> str:
    """As it stands in docs/explanations.md."""
    head = "| method | images | deletion ↓ | insertion ↑ | random | better in both (95 %) | ms a map |"
    lines = [head, "|" + " --- |" * 7]
    for row in found:
        low, high = row.interval
        lines.append(
            f"| {row.label} | {row.n:,} | {row.deletion:.3f} | {row.insertion:.3f} | {row.random:.3f} "
            f"| {row.better:.1%} ({low:.1%}–{high:.1%}) | {row.ms:.1f} |"
        )
    return "\n".join(lines)


class _Chance:
    """Areas of random maps, by grid: methods on the same grid share them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.known: dict[tuple[int, tuple[int, ...]], NDArray[np.floating]] = {}

    def of(self, number: int, pixels: Pixels, grid: tuple[int, ...]) -> NDArray[np.floating]:
        """Of the batch with this number."""
        if len(self.known.get((number, grid), ())) < len(pixels):
            self.known[number, grid] = faithfulness.random_area(self.network.p_fake, pixels, grid)
        return self.known[number, grid][: len(pixels)]


def _row(network: Network, name: str, pixels: Pixels, chance: _Chance, say: Say) -> tuple[Row, Floats]:
    method, maps, measured, spent = METHODS[name], [], [], 0.0
    method.explain(network, pixels[:1], silent)  # compiling is not what a map costs
    for start in range(0, len(pixels), BATCH):
        part, before = pixels[start : start + BATCH], time.perf_counter()
        maps.append(method.explain(network, part, silent))
        spent += time.perf_counter() - before
        by = chance.of(start // BATCH, part, maps[-1].shape[1:])
        measured += faithfulness.measure_all(network.p_fake, part, maps[-1], chance=by)
        say(f"{method.label}: {start + len(part):,}/{len(pixels):,}")
    better = np.array([each.better for each in measured])
    mean = {key: float(np.mean([getattr(each, key) for each in measured])) for key in _AREAS}
    row = Row(
        name, method.label, method.lane, len(pixels), mean["deletion"], mean["insertion"],
        mean["random_deletion"], float(better.mean()), interval(better), 1000 * spent / len(pixels),
    )  # fmt: skip
    return row, np.concatenate(maps)


_AREAS = ("deletion", "insertion", "random_deletion")
