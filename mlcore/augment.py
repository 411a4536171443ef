"""Training batches: the paper's augmentation, or that of the networks at native size.

The paper's is one affine transform per image, fused with the enlargement.

Rotation, shift, shear, zoom and flip are composed into a single matrix that maps a pixel of
the 128 px output straight to a place in the 32 px original. One bilinear look-up per output
pixel then does what a resize followed by five separate transforms would, without blurring
the high frequencies (where a generator's traces live) five times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import pi
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore import degrade

if TYPE_CHECKING:
    import tensorflow as tf

    from mlcore.data import Dataset


Batches = Iterator[tuple[Any, Any]]


@dataclass(frozen=True)
class Robust:
    """For networks at native size: shifts by whole pixels, flips, and what happens to files."""

    shift: int = 3  # pixels either way, edges mirrored; whole ones, since a part of one would blur
    degraded: float = 0.4  # share of the images that :func:`mlcore.degrade.at_random` worsens


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the paper's augmentation, and the share of images that it is applied to."""

    rotation: float = 20.0  # degrees either way
    shift: float = 0.1  # share of the side, either way
    shear: float = 0.1  # radians either way
    zoom: float = 0.1  # share either way
    share: float = 1.0  # of the images; the others are only flipped


def epoch_batches(
    data: Dataset,
    order: NDArray[np.int64],
    *,
    size: int,
    batch: int,
    seed: int,
    epoch: int,
    augmentation: Augmentation | Robust,
) -> Batches:
    """Batches in the given order: (batch, size, size, 3) float32 in [0, 1], (batch, 1) labels.

    Everything random follows from (seed, epoch) alone, so an epoch is the same whether
    training ran through or was killed and resumed. A last, smaller batch is dropped.
    """
    index = order[: len(order) // batch * batch].reshape(-1, batch)
    if isinstance(augmentation, Robust):
        return _robust_batches(data, index, seed, epoch, augmentation)
    return iter(_affine_batches(data, index, size, seed, epoch, augmentation))


def _robust_batches(
    data: Dataset, index: NDArray[np.int64], seed: int, epoch: int, a: Robust
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Made by one thread some batches ahead: next to a training step it costs little."""

    def make(step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rng = np.random.default_rng([seed, epoch, step])
        images = np.stack([_robust(data.images[pick], rng, a) for pick in index[step]])
        return images.astype(np.float32) / 255.0, data.labels[index[step], None].astype(np.float32)

    with ThreadPoolExecutor(1) as pool:
        ahead = deque(pool.submit(make, step) for step in range(min(4, len(index))))
        for step in range(len(index)):
            if step + 4 < len(index):
                ahead.append(pool.submit(make, step + 4))
            yield ahead.popleft().result()


def _robust(pixels: NDArray[np.uint8], rng: np.random.Generator, a: Robust) -> NDArray[np.uint8]:
    if rng.random() < a.degraded:
        pixels = degrade.at_random(pixels, rng)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    top, left = rng.integers(0, 2 * a.shift + 1, 2)
    side, margin = pixels.shape[0], ((a.shift, a.shift), (a.shift, a.shift), (0, 0))
    return np.pad(pixels, margin, mode="reflect")[top : top + side, left : left + side]


def _affine_batches(
    data: Dataset, index: NDArray[np.int64], size: int, seed: int, epoch: int, a: Augmentation
) -> tf.data.Dataset:
    import tensorflow as tf

    images, labels, batches = tf.constant(data.images), tf.constant(data.labels), tf.constant(index)

    def make(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        picks = batches[step]
        key = tf.stack([tf.cast(seed, tf.int64), epoch * 1_000_003 + step])
        pixels = tf.cast(tf.gather(images, picks), tf.float32) / 255.0
        matrices = _matrices(key, index.shape[1], data.images.shape[1], size, a)
        return _transform(pixels, matrices, size), tf.cast(tf.gather(labels, picks), tf.float32)[:, None]

    return tf.data.Dataset.range(len(index)).map(make, num_parallel_calls=2).prefetch(4)


def enlarge(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """(n, h, w, 3) to (n, size, size, 3), bilinear: what the network sees without augmentation."""
    import tensorflow as tf

    return tf.image.resize(pixels, (size, size), method="bilinear")


def _transform(pixels: tf.Tensor, matrices: tf.Tensor, size: int) -> tf.Tensor:
    import tensorflow as tf

    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=matrices,
        output_shape=[size, size],
        interpolation="BILINEAR",
        fill_mode="NEAREST",
        fill_value=0.0,
    )


def _matrices(key: tf.Tensor, n: int, native: int, size: int, a: Augmentation) -> tf.Tensor:
    """(n, 8) output-to-input transforms, in the order ImageProjectiveTransformV3 wants."""
    import tensorflow as tf

    draw = tf.random.stateless_uniform((8, n), key, -1.0, 1.0)
    on = tf.cast(tf.abs(draw[0]) < a.share, tf.float32)
    angle, shear = on * draw[1] * a.rotation * pi / 180.0, on * draw[2] * a.shear
    zoom_x, zoom_y = 1.0 + on * draw[3] * a.zoom, 1.0 + on * draw[4] * a.zoom
    flip = tf.sign(draw[7])
    cos, sin = tf.cos(angle), tf.sin(angle)
    # Keras' affine order: rotation · shear · zoom, about the centre, then the flip.
    m00, m01 = cos * zoom_x * flip, -tf.sin(angle + shear) * zoom_y
    m10, m11 = sin * zoom_x * flip, tf.cos(angle + shear) * zoom_y
    scale, centre_in, centre_out = native / size, (native - 1) / 2.0, (size - 1) / 2.0
    m00, m01, m10, m11 = (m * scale for m in (m00, m01, m10, m11))
    dx = centre_in + on * draw[5] * a.shift * native - (m00 + m01) * centre_out
    dy = centre_in + on * draw[6] * a.shift * native - (m10 + m11) * centre_out
    zero = tf.zeros_like(dx)
    return tf.stack([m00, m01, dx, m10, m11, dy, zero, zero], axis=1)
