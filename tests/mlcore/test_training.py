"""Training that was killed goes on to the same curve; two runs never mix."""

import json
import multiprocessing
import os
import signal

import numpy as np
import pytest

from mlcore import data, training
from mlcore.errors import DataError

RECIPE = training.Recipe(epochs=4, batch=16, plain_epochs=1, learning_rate=1e-3)


def toy(n=64):
    """Two classes that differ in texture: enough to learn something in a few steps."""
    rng = np.random.default_rng(0)
    images = rng.integers(96, 160, (n, 32, 32, 3))
    labels = np.arange(n) % 2
    images[labels == 1, ::2] += 60
    hashes = np.array([b"%16d" % i for i in range(n)], "S16")
    return data.Dataset(images.astype(np.uint8), labels.astype(np.uint8), hashes)


def run_in(folder, recipe=RECIPE):
    return training.Run(recipe, toy(64), toy(32), folder)


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


def test_too_few_images_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="do not fill one batch"):
        training.Run(RECIPE, toy(4), toy(4), tmp_path)
