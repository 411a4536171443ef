"""Training that was killed goes on to the same curve; two runs never mix."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from mlcore import data, training
from mlcore.augment import Robust
from mlcore.errors import DataError

RECIPE = training.Recipe(epochs=4, batch=8, plain_epochs=1, learning_rate=1e-3)


def toy(n=64):
    """Two classes that differ in texture: enough to learn something in a few steps."""
    rng = np.random.default_rng(0)
    images = rng.integers(96, 160, (n, 32, 32, 3))
    labels = np.arange(n) % 2
    images[labels == 1, ::2] += 60
    hashes = np.array([b"%16d" % i for i in range(n)], "S16")
    return data.Dataset(images.astype(np.uint8), labels.astype(np.uint8), hashes)


def run_in(folder, recipe=RECIPE, images=32):
    return training.Run(recipe, toy(images), toy(16), folder)


def epochs(run, n):
    return [run.train_epoch() for _ in range(n)]


def curve(rows):
    return [[row[name] for name in ("loss", "accuracy", "val_loss", "learning_rate")] for row in rows]


def _train_and_die(folder):
    """Two epochs, then kill -9 in the middle of the third."""
    run = run_in(folder)
    epochs(run, 2)
    run.train_epoch(lambda done, loss: done >= 2 and os.kill(os.getpid(), signal.SIGKILL))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run = run_in(tmp_path_factory.mktemp("whole"))
    return epochs(run, 4)


def test_a_killed_run_goes_on_to_the_same_curve(tmp_path, uninterrupted):
    child = multiprocessing.get_context("spawn").Process(target=_train_and_die, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    resumed = run_in(tmp_path)
    assert len(resumed.history) == 2
    epochs(resumed, 2)
    np.testing.assert_allclose(curve(resumed.history), curve(uninterrupted), rtol=2e-4, atol=2e-5)


def test_it_learns_and_keeps_the_best(uninterrupted, tmp_path):
    assert uninterrupted[-1]["loss"] < uninterrupted[0]["loss"]
    run = run_in(tmp_path)
    epochs(run, 2)
    import keras

    best = keras.models.load_model(tmp_path / "best.keras", safe_mode=True)
    pixels = toy(32).images.astype(np.float32) / 255.0
    from mlcore.augment import enlarge

    enlarged = enlarge(pixels, 128).numpy()
    np.testing.assert_allclose(best(enlarged), run.average(enlarged), atol=1e-5)
    assert best.compute_dtype == "float32"


def test_it_writes_curves_and_tensorboard(tmp_path):
    run = run_in(tmp_path)
    epochs(run, 1)
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    assert lines[0].split(",") == list(training.FIELDS)
    assert len(lines) == 2
    assert list((tmp_path / "tensorboard").glob("events.*"))


def test_it_stops_early_when_nothing_gets_better(tmp_path):
    run = run_in(tmp_path, training.Recipe(epochs=9, batch=16, patience=2))
    rows = [{"epoch": float(i), "val_loss": loss} for i, loss in enumerate((0.5, 0.4, 0.6, 0.7))]
    run.history = rows[:3]
    assert not run.finished
    run.history = rows
    assert run.finished


def test_a_folder_belongs_to_one_recipe(tmp_path):
    run_in(tmp_path)
    with pytest.raises(DataError, match="another recipe"):
        run_in(tmp_path, training.Recipe(epochs=5, batch=16))


def test_a_checkpoint_ahead_of_the_history_is_ignored(tmp_path, uninterrupted):
    """Killed after the checkpoint was written, before the history was: that epoch runs again."""
    run = run_in(tmp_path)
    epochs(run, 2)
    before = (tmp_path / "state.json").read_text()
    epochs(run, 1)
    (tmp_path / "state.json").write_text(before)
    resumed = run_in(tmp_path)
    assert len(json.loads(before)["history"]) == len(resumed.history) == 2
    epochs(resumed, 1)
    np.testing.assert_allclose(curve(resumed.history), curve(uninterrupted[:3]), rtol=2e-4, atol=2e-5)


PRUNED = replace(
    RECIPE,
    model="cifake_resnet",
    batch=16,
    prune=0.5,
    unpruned_epochs=1,
    plain_epochs=0,
    augmentation=Robust(),
)


def test_easy_images_stay_away_and_those_that_come_count_for_them(tmp_path):
    run = run_in(tmp_path, PRUNED, images=64)
    order, weights = run._plan(0)
    assert len(order) == 64  # nothing is known of any image yet
    assert (weights == 1).all()
    run.losses[:] = np.where(np.arange(64) < 60, 0.01, 5.0)
    order, weights = run._plan(1)
    assert set(range(60, 64)) <= set(order.tolist())  # the hard ones always come
    assert 15 <= len(order) <= 50
    assert set(weights[:60].tolist()) == {2.0}
    assert set(weights[60:].tolist()) == {1.0}
    assert len(run._plan(3)[0]) == 64  # the last epoch sees them all


def test_an_image_that_no_batch_had_room_for_counts_as_hard(tmp_path):
    run = run_in(tmp_path, PRUNED, images=64)
    run.losses[:63] = np.where(np.arange(63) < 60, 0.01, 5.0)
    order, weights = run._plan(1)
    assert 63 in order
    assert weights[63] == 1.0
    assert len(order) < 60


def test_a_pruned_run_goes_on_to_the_same_curve(tmp_path):
    whole, parted = run_in(tmp_path / "whole", PRUNED), run_in(tmp_path / "parted", PRUNED)
    epochs(whole, 3)
    epochs(parted, 2)
    resumed = run_in(tmp_path / "parted", PRUNED)
    epochs(resumed, 1)
    np.testing.assert_allclose(curve(resumed.history), curve(whole.history), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=2e-2, atol=2e-3)


def test_the_rate_warms_up_and_ends_at_zero():
    recipe = training.Recipe(epochs=10, warmup_epochs=2.0, learning_rate=1.0)
    assert recipe.rate_at(0.0) == 0.0
    assert recipe.rate_at(1.0) == 0.5
    assert recipe.rate_at(2.0) == 1.0
    assert recipe.rate_at(6.0) == pytest.approx(0.5)
    assert recipe.rate_at(10.0) == pytest.approx(0.0)


def test_a_run_can_begin_with_published_weights(tmp_path):
    from mlcore import registry

    run = run_in(tmp_path, replace(PRUNED, start="cifake_resnet"))
    wanted = registry.load("cifake_resnet").get_weights()
    for each in (run.net, run.average):
        for found, value in zip(each.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(found, value)
    with pytest.raises(DataError, match="not the same network"):
        run_in(tmp_path / "other", replace(RECIPE, start="cifake_resnet"))


def test_too_few_images_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="do not fill one batch"):
        training.Run(RECIPE, toy(4), toy(4), tmp_path)
