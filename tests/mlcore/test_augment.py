"""The fused augmentation: what it shows when it is off, and that it stays within its ranges."""

import numpy as np
import pytest

from mlcore import augment
from mlcore.data import Dataset

OFF = augment.Augmentation(rotation=0.0, shift=0.0, shear=0.0, zoom=0.0)


def dataset(n=8):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (n, 32, 32, 3), np.uint8)
    return Dataset(images, np.arange(n, dtype=np.uint8) % 2, np.array([b"%16d" % i for i in range(n)], "S16"))


def first_batch(seed=0, epoch=0, augmentation=OFF, data=None):
    data = data or dataset()
    size = 32 if isinstance(augmentation, augment.Robust) else 128
    batches = augment.epoch_batches(
        data,
        np.arange(len(data)),
        size=size,
        batch=len(data),
        seed=seed,
        epoch=epoch,
        augmentation=augmentation,
    )
    return [np.asarray(part) for part in next(batches)]


def test_switched_off_it_is_the_plain_enlargement_flipped_or_not():
    data = dataset()
    images, _ = first_batch(data=data)
    plain = augment.enlarge(data.images.astype(np.float32) / 255.0, 128).numpy()
    matches = [
        min(abs(image - candidate).max() for each in plain for candidate in (each, each[:, ::-1]))
        for image in images
    ]
    assert max(matches) < 1e-5
    flipped = [any(abs(image - each[:, ::-1]).max() < 1e-5 for each in plain) for image in images]
    assert 0 < sum(flipped) < len(flipped)


def test_labels_stay_with_their_images():
    data = dataset()
    images, labels = first_batch(data=data)
    plain = augment.enlarge(data.images.astype(np.float32) / 255.0, 128).numpy()
    for image, label in zip(images, labels[:, 0], strict=True):
        errors = [min(abs(image - p).max(), abs(image - p[:, ::-1]).max()) for p in plain]
        assert data.labels[int(np.argmin(errors))] == label


def test_an_epoch_is_a_function_of_seed_and_epoch_alone():
    on = augment.Augmentation()
    one, same = first_batch(3, 5, on), first_batch(3, 5, on)
    np.testing.assert_array_equal(one[0], same[0])
    assert abs(one[0] - first_batch(3, 6, on)[0]).max() > 0.1
    assert abs(one[0] - first_batch(4, 5, on)[0]).max() > 0.1


def test_robust_batches_are_a_function_of_seed_and_epoch_alone():
    on = augment.Robust(degraded=1.0)
    one, same = first_batch(3, 5, on), first_batch(3, 5, on)
    np.testing.assert_array_equal(one[0], same[0])
    assert abs(one[0] - first_batch(3, 6, on)[0]).max() > 0.1


def test_without_degradation_robust_batches_only_shift_and_flip():
    """Whole pixels move and none changes: every row of the middle is found in the original."""
    data = dataset()
    images, labels = first_batch(augmentation=augment.Robust(shift=3, degraded=0.0), data=data)
    assert images.shape == (8, 32, 32, 3)
    for number, image in enumerate(np.rint(images * 255).astype(np.uint8)):
        original = data.images[number]
        shifted = [
            np.roll(each, (down, across), (0, 1))[3:-3, 3:-3]
            for each in (original, original[:, ::-1])
            for down in range(-3, 4)
            for across in range(-3, 4)
        ]
        assert any((each == image[3:-3, 3:-3]).all() for each in shifted)
        assert labels[number, 0] == data.labels[number]


def test_the_share_of_degraded_images_is_kept():
    data = dataset(64)
    images, _ = first_batch(augmentation=augment.Robust(shift=0, degraded=0.4), data=data)
    plain = data.images.astype(np.float32) / 255.0
    changed = [
        min(abs(image - each).max(), abs(image - each[:, ::-1]).max()) > 1e-6
        for image, each in zip(images, plain, strict=True)
    ]
    assert 12 <= sum(changed) <= 40


@pytest.mark.parametrize("only", ["rotation", "shift", "shear", "zoom"])
def test_each_transform_moves_pixels_but_not_far(only):
    """A single bright square in the middle stays near the middle under each one alone."""
    images = np.zeros((64, 32, 32, 3), np.uint8)
    images[:, 12:20, 12:20] = 255
    data = Dataset(images, np.zeros(64, np.uint8), np.array([b"%16d" % i for i in range(64)], "S16"))
    ranges = {"rotation": 0.0, "shift": 0.0, "shear": 0.0, "zoom": 0.0}
    ranges[only] = getattr(augment.Augmentation(), only)
    moved, _ = first_batch(augmentation=augment.Augmentation(**ranges), data=data)
    plain = augment.enlarge(images[:1].astype(np.float32) / 255.0, 128).numpy()[0]
    assert max(abs(image - plain).max() for image in moved) > 0.1
    rows, columns = np.mgrid[:128, :128]
    for image in moved:
        weight = image[..., 0] / image[..., 0].sum()
        centre = np.array([(weight * rows).sum(), (weight * columns).sum()])
        assert np.abs(centre - 63.5).max() < (13.5 if only == "shift" else 1.5)
