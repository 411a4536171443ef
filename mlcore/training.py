"""Training by name, reproducible and able to go on after a kill.

Recipe: AdamW (Loshchilov & Hutter 2019) with linear warm-up and cosine decay, binary
cross-entropy at the logit, an exponential moving average of the weights (Polyak & Juditsky
1992) that is what gets validated and kept, and the paper's augmentation, which the last
epochs leave off so that the network ends on pictures as it will meet them.

Every epoch ends in a checkpoint of all that the next one depends on. Randomness is a
function of (seed, epoch, step), so a run that was killed and resumed has the same curve.
"""

from __future__ import annotations

import csv
import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore import registry
from mlcore.augment import Augmentation, Robust, epoch_batches
from mlcore.data import Dataset
from mlcore.errors import DataError
from mlcore.models import imagenet

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

Progress = Callable[[int, float], None]  # (batches done, mean loss so far)
IMAGENET = "imagenet"  # where pre-trained weights exist: efficientnet
FIELDS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")


@dataclass(frozen=True)
class Recipe:
    """All that shapes a run besides the data. Stored with it, and in the model card."""

    model: str = "paper_cnn"
    epochs: int = 16
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    warmup_epochs: float = 1.0
    ema: float = 0.999
    plain_epochs: int = 4  # the last ones, flipped only
    patience: int = 6  # epochs without a better validation loss before stopping early
    seed: int = 0
    precision: str = "float32"  # or mixed_bfloat16, twice as fast where the CPU has it
    start: str = ""  # a published model whose weights it begins with, or IMAGENET; "" from nothing
    prune: float = 0.0  # share of the easier images that an epoch leaves out, see Run._plan
    unpruned_epochs: int = 2  # the last ones
    augmentation: Augmentation | Robust = field(default_factory=Augmentation)

    def augmentation_at(self, epoch: int) -> Augmentation | Robust:
        plain = epoch >= self.epochs - self.plain_epochs
        return Augmentation(0.0, 0.0, 0.0, 0.0) if plain else self.augmentation

    def rate_at(self, epochs: float) -> float:
        """Learning rate after so many epochs: linear warm-up, then half a cosine to zero."""
        if epochs < self.warmup_epochs:
            return self.learning_rate * epochs / self.warmup_epochs
        done = (epochs - self.warmup_epochs) / max(1e-9, self.epochs - self.warmup_epochs)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


RECIPES = {
    "paper_cnn": Recipe(),
    "cifake_resnet": Recipe(
        model="cifake_resnet", epochs=13, learning_rate=2e-3, weight_decay=0.02, plain_epochs=0,
        patience=1000, prune=0.65, unpruned_epochs=0, augmentation=Robust(),
    ),
    "efficientnet": Recipe(
        model="efficientnet", epochs=14, learning_rate=2e-3, weight_decay=0.02, warmup_epochs=0.25,
        plain_epochs=0, patience=1000, prune=0.65, unpruned_epochs=0, start=IMAGENET,
        augmentation=Robust(degraded=0.35),
    ),
    "resnet": Recipe(
        model="resnet", epochs=16, learning_rate=2e-3, weight_decay=0.02, plain_epochs=0, patience=1000,
        prune=0.65, unpruned_epochs=0, augmentation=Robust(),
    ),
}  # fmt: skip


def fast_precision() -> str:
    """``mixed_bfloat16`` on CPUs with native bfloat16, else ``float32``."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "float32"
    return "mixed_bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"


class Run:
    """One training run in a folder of its own: recipe, checkpoints, logs, best weights."""

    def __init__(self, recipe: Recipe, training: Dataset, held_out: Dataset, folder: Path) -> None:
        """Prepare, resuming from ``folder`` if it holds a checkpoint of the same recipe.

        Raises:
            DataError: too few images for one batch, the folder belongs to another recipe, or the
                weights to begin with are of another network.
            ModelUnavailable: there are no weights of the name to begin with.
        """
        if len(training) < recipe.batch:
            raise DataError(f"{len(training)} training images do not fill one batch of {recipe.batch}.")
        import tensorflow as tf

        self.recipe, self.training, self.held_out, self.folder = recipe, training, held_out, folder
        self.losses = np.full(len(training), np.inf, np.float32)  # last seen, by image
        tf.keras.utils.set_random_seed(recipe.seed)
        self.net, self.average, self.optimizer = _build(recipe)
        if recipe.start:
            self._begin_with(recipe.start)
        self.step = _compile_step(self.net, self.average, self.optimizer, recipe.ema)
        self.logits = tf.function(_logit_model(self.average))
        self.history: list[dict[str, float]] = []
        self._claim_folder()
        self.checkpoints = tf.train.CheckpointManager(
            tf.train.Checkpoint(net=self.net, average=self.average, optimizer=self.optimizer),
            str(folder / "checkpoints"),
            max_to_keep=2,
        )
        self._resume()

    def _begin_with(self, name: str) -> None:
        """Training on, in a new run, where one has ended: in a later session, on another machine."""
        if name == IMAGENET:
            imagenet.efficientnet_lite0(self.net)
            self.average.set_weights(self.net.get_weights())
            return
        weights = registry.load(name).get_weights()
        try:
            self.net.set_weights(weights)
        except ValueError as error:
            raise DataError(f"{name} and {self.recipe.model} are not the same network.") from error
        self.average.set_weights(weights)

    @property
    def best(self) -> dict[str, float]:
        return min(self.history, key=lambda row: row["val_loss"])

    @property
    def finished(self) -> bool:
        if not self.history:
            return False
        stale = self.history[-1]["epoch"] - self.best["epoch"]
        return len(self.history) >= self.recipe.epochs or stale >= self.recipe.patience

    def train_epoch(self, progress: Progress | None = None) -> dict[str, float]:
        """Run, record and checkpoint the next epoch; gives its row of the curves."""
        row = self._epoch(len(self.history), progress)
        self._record(row)
        return row

    def steps_of(self, epoch: int) -> int:
        return len(self._plan(epoch)[0]) // self.recipe.batch

    def _plan(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The images of an epoch in order, and the weight of each image's loss.

        Qin et al., "InfoBatch: Lossless Training Speed Up by Unbiased Dynamic Data Pruning"
        (ICLR 2024): of the images whose last loss lay below the mean a random share stays
        away, and those that come count for them, so the gradient's expectation is the same.
        """
        r, n = self.recipe, len(self.training)
        rng = np.random.default_rng([r.seed, epoch])
        weights, here = np.ones(n, np.float32), np.ones(n, bool)
        seen = np.isfinite(self.losses)  # but for those that no full batch had room for yet
        if r.prune and epoch < r.epochs - r.unpruned_epochs and seen.any():
            easy = self.losses < self.losses[seen].mean()
            here = ~easy | (rng.random(n) >= r.prune)
            weights[easy] = 1.0 / (1.0 - r.prune)
        return rng.permutation(np.flatnonzero(here)), weights

    def _epoch(self, epoch: int, progress: Progress | None) -> dict[str, float]:
        started, r = time.monotonic(), self.recipe
        _reseed(self.net, r.seed, epoch)
        order, weights = self._plan(epoch)
        batches = epoch_batches(
            self.training, order, size=self.net.input_shape[1], batch=r.batch, seed=r.seed, epoch=epoch,
            augmentation=r.augmentation_at(epoch),
        )  # fmt: skip
        steps, loss, hits = len(order) // r.batch, 0.0, 0.0
        for number, (images, labels) in enumerate(batches):
            picks = order[number * r.batch : (number + 1) * r.batch]
            self.optimizer.learning_rate = r.rate_at(epoch + number / steps)
            losses, batch_hits = self.step(images, labels, weights[picks, None])
            self.losses[picks] = losses = losses.numpy()[:, 0]
            loss, hits = loss + float(losses.mean()), hits + float(batch_hits)
            if progress:
                progress(number + 1, loss / (number + 1))
        val_loss, val_accuracy = self._validate()
        return {
            "epoch": epoch, "loss": loss / steps, "accuracy": hits / (steps * r.batch),
            "val_loss": val_loss, "val_accuracy": val_accuracy,
            "learning_rate": r.rate_at(epoch + 1), "seconds": time.monotonic() - started,
        }  # fmt: skip

    def _validate(self) -> tuple[float, float]:
        import tensorflow as tf

        from mlcore.augment import enlarge

        loss = hits = 0.0
        for start in range(0, len(self.held_out), 256):
            pixels = tf.cast(self.held_out.images[start : start + 256], tf.float32) / 255.0
            labels = tf.cast(self.held_out.labels[start : start + 256, None], tf.float32)
            logits = self.logits(enlarge(pixels, self.net.input_shape[1]))
            loss += float(tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)))
            hits += float(tf.reduce_sum(tf.cast((logits > 0) == (labels > 0.5), tf.float32)))
        return loss / len(self.held_out), hits / len(self.held_out)

    def _record(self, row: dict[str, float]) -> None:
        """Order matters for a kill in between: best weights, checkpoint, then the history.

        The history names the checkpoint that it belongs to, so a checkpoint that is one
        epoch ahead of it is ignored and that epoch runs again, to the same end.
        """
        self.history.append(row)
        if self.best is row:
            export(self.recipe, self.average, self.folder / "best.keras")
        path = self.checkpoints.save(checkpoint_number=int(row["epoch"]))
        np.save(f"{path}.losses.npy", self.losses)
        state = {"checkpoint": Path(path).name, "history": self.history}
        _write_json(self.folder / "state.json", state)
        self._write_curves()

    def _write_curves(self) -> None:
        """The CSV whole, and the new row for TensorBoard."""
        import tensorflow as tf

        with (self.folder / "curves.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(self.history)
        events = tf.summary.create_file_writer(str(self.folder / "tensorboard"))
        with events.as_default(step=int(self.history[-1]["epoch"])):
            for name in FIELDS[1:]:
                tf.summary.scalar(name, self.history[-1][name])
        events.close()

    def _claim_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        recipe, path = {**asdict(self.recipe), "images": len(self.training)}, self.folder / "recipe.json"
        if path.exists() and json.loads(path.read_text()) != recipe:
            raise DataError(
                f"{self.folder} holds a run with another recipe or other data; choose a new folder."
            )
        _write_json(path, recipe)

    def _resume(self) -> None:
        path = self.folder / "state.json"
        if path.exists():
            state = json.loads(path.read_text())
            saved = str(self.folder / "checkpoints" / state["checkpoint"])
            self.checkpoints.checkpoint.restore(saved).assert_existing_objects_matched()
            self.losses = np.load(f"{saved}.losses.npy")
            self.history = state["history"]


def export(recipe: Recipe, average: keras.Model, path: Path) -> None:
    """Save the averaged weights as a float32 model for use, atomically."""
    from mlcore.models import BUILDERS, FOR_USE

    model = FOR_USE.get(recipe.model, BUILDERS[recipe.model])()
    model.set_weights(average.get_weights())
    part = path.with_name(f"part-{path.name}")
    model.save(part)
    os.replace(part, path)


def _build(recipe: Recipe) -> tuple[keras.Model, keras.Model, keras.Optimizer]:
    import keras

    from mlcore.models import BUILDERS

    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(recipe.precision)
    try:
        net, average = BUILDERS[recipe.model](), BUILDERS[recipe.model]()
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    average.set_weights(net.get_weights())
    optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(net.trainable_variables)
    return net, average, optimizer


def _logit_model(model: keras.Model) -> keras.Model:
    import keras

    return keras.Model(model.input, model.get_layer("logit").output)


def _compile_step(
    net: keras.Model, average: keras.Model, optimizer: keras.Optimizer, momentum: float
) -> tf.types.experimental.GenericFunction:
    import tensorflow as tf

    logits_of, weights = _logit_model(net), net.trainable_variables

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = logits_of(images, training=True)
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(counts * losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        done = tf.cast(optimizer.iterations, tf.float32)
        # A young average follows quickly, or it would carry the random start along.
        keep = tf.minimum(momentum, (1.0 + done) / (10.0 + done))
        for mean, value in zip(average.weights, net.weights, strict=True):
            if mean.dtype == "float32":
                mean.assign(keep * mean + (1.0 - keep) * value)
        return losses, tf.reduce_sum(tf.cast((logits > 0) == (labels > 0.5), tf.float32))

    return step


def _reseed(net: keras.Model, seed: int, epoch: int) -> None:
    """Dropout's random state as a function of (seed, epoch), like all else that is random."""
    for number, layer in enumerate(net.layers):
        if (generator := getattr(layer, "seed_generator", None)) is not None:
            generator.state.assign(np.array([seed * 1009 + number, epoch * 1_000_003], np.uint32))


def _write_json(path: Path, content: Any) -> None:
    part = path.with_name(f"part-{path.name}")
    part.write_text(json.dumps(content, indent=1))
    os.replace(part, path)
