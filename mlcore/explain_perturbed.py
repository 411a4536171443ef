"""Heat maps from many questions: what the answer becomes where parts of the picture lose their detail.

The picture is divided into 8 × 8 squares of 4 px: at 32 px, segments by colour are no more a
person's parts than squares are. A square that is left out is blurred, as in
:mod:`mlcore.faithfulness`. Nothing of the network's inside is used, so both work for any model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from mlcore.degrade import blur
from mlcore.explain_gradients import scaled
from mlcore.explain_network import Floats, Network, Pixels
from mlcore.faithfulness import BLUR

Progress = Callable[[float], None]  # 0 to 1
Masks = NDArray[np.floating]
Score = Callable[[Masks], NDArray[np.float64]]
CELLS = 8  # a side
LIME_SAMPLES, SHAP_SAMPLES = 1000, 1024
KERNEL_WIDTH = 0.25  # that of the authors' implementation for pictures
PART = 64  # questions between two reports of progress


def lime(network: Network, pixels: Pixels, progress: Progress) -> Floats:
    """Ribeiro, Singh & Guestrin, "Why Should I Trust You?", KDD 2016, section 3.

    A ridge regression of the announced class's logit on which squares are there, in which samples
    count by their likeness to the whole picture.
    """
    return _each(network, pixels, progress, LIME_SAMPLES, _lime)


def shap(network: Network, pixels: Pixels, progress: Progress) -> Floats:
    """Kernel SHAP (Lundberg & Lee, NeurIPS 2017, section 4.1) of the squares, by the ``shap`` package."""
    return _each(network, pixels, progress, SHAP_SAMPLES, _shap)


def _lime(score: Score) -> NDArray[np.float64]:
    from sklearn.linear_model import Ridge

    masks = np.random.default_rng(0).integers(0, 2, (LIME_SAMPLES, CELLS**2)).astype(float)
    masks[0] = 1.0
    distance = 1.0 - np.sqrt(masks.mean(axis=1))  # cosine distance to the whole, for masks of 0 and 1
    weights = np.sqrt(np.exp(-(distance**2) / KERNEL_WIDTH**2))
    return np.asarray(Ridge(alpha=1.0).fit(masks, score(masks), sample_weight=weights).coef_)


def _shap(score: Score) -> NDArray[np.float64]:
    from shap import KernelExplainer

    logging.getLogger("shap").setLevel(logging.WARNING)  # it tells each of its numbers
    nothing, everything = np.zeros((1, CELLS**2)), np.ones((1, CELLS**2))
    with _seeded():
        explainer = KernelExplainer(score, nothing)
        found = explainer.shap_values(everything, nsamples=SHAP_SAMPLES, l1_reg=0, silent=True)
    return np.asarray(found)[0]


def _each(network: Network, pixels: Pixels, progress: Progress, samples: int, attribute: Callable) -> Floats:
    announced, rows = network.announced(pixels), []
    for number, (picture, sign) in enumerate(zip(pixels, announced, strict=True)):
        done = _Counted(progress, number, len(pixels), samples)
        rows.append(attribute(lambda masks, p=picture, s=sign, d=done: _scores(network, p, s, masks, d)))
    return scaled(np.stack(rows).reshape(-1, CELLS, CELLS))


class _Counted:
    """Turns answered questions about one of many pictures into progress."""

    def __init__(self, progress: Progress, number: int, pictures: int, questions: int) -> None:
        self.progress, self.number, self.pictures, self.questions = progress, number, pictures, questions
        self.answered = 0

    def add(self, count: int) -> None:
        # A library may ask a few questions more than it was told to.
        self.answered = min(self.questions, self.answered + count)
        self.progress((self.number + self.answered / self.questions) / self.pictures)


def _scores(
    network: Network, picture: Pixels, sign: float, masks: Masks, done: _Counted
) -> NDArray[np.float64]:
    """(m,) logits of the announced class for (m, 64) masks, 1 where a square is there."""
    cell, empty = picture.shape[0] // CELLS, blur(picture, BLUR)
    answers = []
    for start in range(0, len(masks), PART):
        part = masks[start : start + PART].reshape(-1, CELLS, CELLS) > 0.5
        there = part.repeat(cell, axis=1).repeat(cell, axis=2)[..., None]
        answers.append(network.announced_logits(np.where(there, picture, empty), np.array([sign])))
        done.add(len(part))
    return np.concatenate(answers)


@contextmanager
def _seeded() -> Iterator[None]:
    """The package draws from NumPy's global generator: the same picture must get the same map."""
    before = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(before)
