"""manage.py train: train a model by name, resuming where a killed run stopped."""

from __future__ import annotations

import os
import platform
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mlcore import data, publishing, registry, training
from mlcore.errors import MlcoreError
from mlcore.models import BUILDERS

SUMMARIES = {
    "cifake_resnet": "A residual network at CIFAKE's native 32×32 pixels, trained to keep its answer when "
    "a picture is saved again, blurred or resized: the probability that a CIFAKE-like picture was made by "
    "a generator.",
    "efficientnet": "EfficientNet-Lite0 without its last blocks, pre-trained on ImageNet and trained on to "
    "keep its answer when a picture is saved again, blurred or resized: the probability that a CIFAKE-like "
    "picture was made by a generator.",
    "paper_cnn": "The paper's CNN (three convolution blocks, one dense layer, one sigmoid) at 128×128 "
    "pixels: the probability that a CIFAKE-like picture was made by a generator.",
    "resnet": "ResNet-18 at half its width for 32×32 pixels: the probability that a CIFAKE-like picture was "
    "made by a generator.",
}


class Command(BaseCommand):
    help = (
        "Train a model on CIFAKE (a folder or zip with REAL and FAKE). Every epoch ends in a checkpoint; "
        "the same command goes on after a kill. --publish writes weights, curves and card to mlcore/weights."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True)
        parser.add_argument("--model", choices=sorted(BUILDERS), default=registry.DEFAULT)
        parser.add_argument("--out", type=Path, help="run folder (default: data/runs/MODEL)")
        parser.add_argument("--start-from", default="", metavar="NAME", help="begin with a published model")
        parser.add_argument("--epochs", type=int)
        parser.add_argument("--batch", type=int)
        parser.add_argument("--learning-rate", type=float)
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--precision", choices=["auto", "float32", "mixed_bfloat16"], default="auto")
        parser.add_argument("--model-version", default="1.0", help="the version that the card names")
        parser.add_argument("--publish", action="store_true", help="write the best weights and their card")
        parser.add_argument("--stop-after", type=int, help="at most so many epochs this time; go on later")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._train(options)
        except MlcoreError as error:
            raise CommandError(str(error)) from error

    def _train(self, options: dict[str, Any]) -> None:
        recipe = _recipe(options)
        self.parts = parts = data.parts(data.load(options["data"]), seed=recipe.seed)
        folder = options["out"] or settings.DATA_DIR / "runs" / recipe.model
        run = training.Run(recipe, parts.training, parts.calibration, folder)
        self._report(run, f"{len(parts.training)} images to learn from, {len(parts.calibration)} to watch")
        while not run.finished and options["stop_after"] != 0:
            row = _epoch_with_bar(run)
            self._report(run, "epoch {epoch:.0f}: accuracy {val_accuracy:.4f}".format(**row))
            options["stop_after"] = options["stop_after"] and options["stop_after"] - 1
        if options["publish"] and run.history:
            self._publish(run, options)

    def _report(self, run: training.Run, text: str) -> None:
        self.stderr.write(f"{run.recipe.model}, {len(run.history)}/{run.recipe.epochs} epochs: {text}")

    def _publish(self, run: training.Run, options: dict[str, Any]) -> None:
        name = run.recipe.model
        made = publishing.publish(run.folder, name, _facts(run, options), self.parts, self.stderr.write)
        accuracy, auroc = made["metrics"]["accuracy"], made["metrics"]["auroc"]
        self.stdout.write(f"{registry.folder(name)}: accuracy {accuracy:.4f}, AUROC {auroc:.4f}")


def _recipe(options: dict[str, Any]) -> training.Recipe:
    precision = options["precision"]
    chosen = {name: options[name] for name in ("epochs", "batch", "learning_rate") if options[name]}
    if options["start_from"]:
        chosen["start"] = options["start_from"]
    return replace(
        training.RECIPES[options["model"]],
        seed=options["seed"],
        precision=training.fast_precision() if precision == "auto" else precision,
        **chosen,
    )


def _epoch_with_bar(run: training.Run) -> dict[str, float]:
    from tqdm import tqdm

    with tqdm(total=run.steps_of(len(run.history)), unit="batch", desc=f"epoch {len(run.history)}") as bar:

        def advance(step: int, loss: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{loss:.4f}")

        return run.train_epoch(advance)


def _facts(run: training.Run, options: dict[str, Any]) -> dict[str, Any]:
    """What the run itself knows of the card."""
    recipe = run.recipe
    return {
        "name": recipe.model,
        "version": options["model_version"],
        "summary": SUMMARIES[recipe.model],
        "input_size": run.net.input_shape[1],
        "parameters": run.net.count_params(),
        "data": {
            "source": options["data"].name,
            "training": len(run.training),
            "parts": data.PARTS,
            "split": "within each class by keyed content hash; byte-identical twins share a part",
            "split_seed": recipe.seed,
            "use": "training for the gradient; calibration for the choice of the epoch, for calibration, "
            "thresholds and gate; held out for the metrics alone",
        },
        "training": _training(run),
        "command": _command(recipe, options["data"].name),
    }


def _command(recipe: training.Recipe, data_name: str) -> str:
    """The call that makes this run again, with nothing left to defaults that may change."""
    start = f" --start-from {recipe.start}" if recipe.start else ""
    return (
        f"manage.py train --data {data_name} --model {recipe.model} --epochs {recipe.epochs} "
        f"--batch {recipe.batch} --learning-rate {recipe.learning_rate} --seed {recipe.seed} "
        f"--precision {recipe.precision}{start} --publish"
    )


def _training(run: training.Run) -> dict[str, Any]:
    import tensorflow as tf

    recipe, best = run.recipe, run.best
    return {
        "epochs": f"{len(run.history)} of {recipe.epochs}",
        "best_epoch": int(best["epoch"]) + 1,
        "minutes": round(sum(row["seconds"] for row in run.history) / 60),
        "processors": os.cpu_count(),
        "precision": recipe.precision,
        "seed": recipe.seed,
        "optimiser": f"AdamW, {recipe.learning_rate} with warm-up and cosine, "
        f"weight decay {recipe.weight_decay}, batches of {recipe.batch}",
        "weights_kept": f"moving average, momentum {recipe.ema}",
        "augmentation": f"{recipe.augmentation}; the last {recipe.plain_epochs} epochs flips only",
        "pruning": f"InfoBatch, {recipe.prune:.0%} of the easier images left out of an epoch",
        "software": f"TensorFlow {tf.__version__}, Python {platform.python_version()}",
    }
