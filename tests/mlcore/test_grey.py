"""Pictures with hardly any colours are called AI-generated only where the model is very sure."""

import numpy as np
import pytest
from PIL import Image

from mlcore import degrade, gate, grey
from mlcore.gate import GateKeeper
from tests.mlcore.test_wear import cifake

LIMIT = 0.99


def in_colour() -> np.ndarray:
    return next(each for each in cifake() if np.ptp(each.astype(int), axis=-1).mean() > 30)


def tinted(pixels: np.ndarray) -> np.ndarray:
    return np.clip(degrade.colour(pixels, 0.0).astype(int) + np.array([3, 0, -3]), 0, 255).astype(np.uint8)


PALE = {
    "none": lambda pixels: degrade.colour(pixels, 0.0),
    "hardly any": lambda pixels: degrade.colour(pixels, 0.05),
    "one tint": tinted,
    "saved again": lambda pixels: degrade.jpeg(degrade.colour(pixels, 0.0), 75),
}


def sure(pixels: np.ndarray, p_fake: float) -> bool:
    return bool(grey.sure(pixels[None], np.array([p_fake]), LIMIT)[0])


@pytest.mark.parametrize("pale", PALE.values(), ids=PALE)
def test_without_colours_ai_takes_a_higher_number(pale):
    pixels = pale(in_colour())
    assert [sure(pixels, p_fake) for p_fake in (0.01, 0.49, 0.6, 0.98, 0.995)] == [
        True,
        True,
        False,
        False,
        True,
    ]


def test_in_colour_any_number_will_do():
    assert all(sure(in_colour(), p_fake) for p_fake in (0.01, 0.6, 0.98, 1.0))


def test_the_limit_is_what_hardly_any_real_picture_reaches_without_its_colours():
    real = cifake()[:400]

    def p_fake_of(pixels: np.ndarray) -> np.ndarray:
        assert (np.ptp(pixels, axis=-1) == 0).all()
        return np.linspace(0.0, 1.0, len(pixels))

    assert grey.fit(p_fake_of, real) == pytest.approx(grey.QUANTILE)


def test_the_gate_says_so_and_lets_it_pass_where_nobody_asked_the_model():
    """The same of one picture and of many; without a number there is nothing to be sure of."""
    own = cifake()[:600]
    keeper = GateKeeper(gate.fit(own, grey_limit=LIMIT))
    pixels = degrade.colour(in_colour(), 0.0)
    image = Image.fromarray(pixels)
    assert keeper.judge(image).in_domain
    assert keeper.judge(image, p_fake=0.995).in_domain
    found = keeper.judge(image, p_fake=0.9)
    assert (found.in_domain, found.reason) == (False, gate.GREY)
    assert keeper.known(np.stack([pixels] * 2), np.array([0.9, 0.995])).tolist() == [False, True]


def test_a_gate_from_before_asks_for_no_more():
    old = gate.fit(cifake()[:600])
    del old["grey"]
    assert GateKeeper(old).judge(Image.fromarray(degrade.colour(in_colour(), 0.0)), p_fake=0.6).in_domain
