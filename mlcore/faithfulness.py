"""Whether a heat map shows what the model looked at: deletion and insertion against chance.

Petsiuk, Das & Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models"
(BMVC 2018), section 4.2. Deletion takes the hottest pixels away first and follows the probability
of the announced class: it should fall fast (a small area under the curve). Insertion puts them
into an emptied picture: it should rise fast (a large area). Neither number means much alone, so
both are held against random maps of the same image and the same smoothness.

Choices of ours:

- A pixel is taken away by blurring it (Gaussian, 4 px: no detail is left, colours and light stay).
  Grey or black patches have edges that no picture of either class has, and a generator's traces,
  which these models read, are detail: the blurred picture is the same scene without them.
- Where a map does not tell pixels apart (all those it calls 0), they go in random order: a map
  gains nothing from an order that it does not show.
- Taking away the hottest share of a random map leaves what putting in the rest would, and the rest
  of a random map is a random map. So both measures have the same expectation over random maps,
  which is estimated once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcore.degrade import blur

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating]
PFake = Callable[[Pixels], Floats]
STEPS = 16  # each takes 64 of 1,024 pixels
RANDOM_MAPS = 8
BLUR = 4.0  # pixels


@dataclass(frozen=True)
class Faithfulness:
    """Areas under the curves, 0 to 1; ``better`` than random maps in both."""

    deletion: float  # the lower the better
    insertion: float  # the higher the better
    random_deletion: float
    random_insertion: float
    better: bool


def measure(p_fake_of: PFake, pixels: Pixels, heatmap: Floats, *, seed: int = 0) -> Faithfulness:
    """Of one (32, 32, 3) uint8 picture and its (h, w) map; 152 pictures go to the model at once."""
    return measure_all(p_fake_of, pixels[None], heatmap[None], seed=seed)[0]


def measure_all(
    p_fake_of: PFake, pixels: Pixels, maps: Floats, *, chance: Floats | None = None, seed: int = 0
) -> list[Faithfulness]:
    """Of (n, 32, 32, 3) uint8 pictures and their (n, h, w) maps.

    ``p_fake_of`` takes (m, 32, 32, 3) uint8 and gives (m,) probabilities of fake. ``chance`` is
    what :func:`random_area` gave for these pictures and this grid, if that is known already.
    """
    side, rng = pixels.shape[1], np.random.default_rng(seed)
    order = ranks(enlarge(maps, side), rng)
    both = np.stack([order, side * side - 1 - order], axis=1)
    areas = _areas(p_fake_of, pixels, both)
    if chance is None:
        chance = random_area(p_fake_of, pixels, maps.shape[1:], seed=seed)
    # Inserting the hottest from nothing is deleting from the coldest on, seen backwards.
    rows = zip(areas[:, 0].tolist(), areas[:, 1].tolist(), chance.tolist(), strict=True)
    return [Faithfulness(low, high, by, by, low < by < high) for low, high, by in rows]


def random_area(p_fake_of: PFake, pixels: Pixels, grid: tuple[int, ...], *, seed: int = 0) -> Floats:
    """(n,) mean areas over ``RANDOM_MAPS`` maps of noise on the same grid, enlarged in the same way."""
    rng = np.random.default_rng([seed, *grid])
    noise = rng.random((len(pixels) * RANDOM_MAPS, *grid))
    order = ranks(enlarge(noise, pixels.shape[1]), rng)
    return _areas(p_fake_of, pixels, order.reshape(len(pixels), RANDOM_MAPS, *order.shape[1:])).mean(axis=1)


def enlarge(maps: Floats, side: int) -> NDArray[np.float64]:
    """(n, h, w) to (n, side, side), bilinear with half-pixel centres, as the page draws them."""
    down, across = _weights(maps.shape[1], side), _weights(maps.shape[2], side)
    return np.asarray(down @ maps.astype(np.float64) @ across.T)


def ranks(maps: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n, side, side) places in the order from the hottest pixel (0) on, ties in random order."""
    flat = np.round(maps.reshape(len(maps), -1), 6)  # enlarging must not order what the map did not
    shuffled = rng.permutation(flat.shape[1])
    order = shuffled[np.argsort(-flat[:, shuffled], axis=1, kind="stable")]
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(flat.shape[1])[None], axis=1)
    return places.reshape(maps.shape)


def _weights(cells: int, side: int) -> NDArray[np.float64]:
    """(side, cells) linear interpolation."""
    at = np.clip((np.arange(side) + 0.5) * cells / side - 0.5, 0, cells - 1)
    return np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(cells)[None]))


def _areas(p_fake_of: PFake, pixels: Pixels, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, k) areas under the deletion curves of k orders (n, k, side, side) a picture.

    The ends of all curves of a picture are the same, the picture itself and the emptied one, and
    are asked for once.
    """
    n, k = order.shape[:2]
    emptied = np.stack([blur(each, BLUR) for each in pixels])
    ends = p_fake_of(np.concatenate([pixels, emptied])).reshape(2, n)
    gone = order[:, :, None] < (np.arange(1, STEPS) * order[0, 0].size / STEPS)[:, None, None]
    mixed = np.where(gone[..., None], emptied[:, None, None], pixels[:, None, None])
    between = p_fake_of(mixed.reshape(-1, *pixels.shape[1:])).reshape(n, k, STEPS - 1)
    announced = ends[0] > 0.5
    ends = np.where(announced, ends, 1.0 - ends)
    between = np.where(announced[:, None, None], between, 1.0 - between)
    return np.asarray((between.sum(axis=2) + ends.mean(axis=0)[:, None]) / STEPS, np.float64)
