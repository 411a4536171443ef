"""Wear shows in the pixels, whatever the file says; what a file says of itself is read."""

import io
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from mlcore import degrade, gate, imaging, registry, wear
from mlcore.contracts import Saved
from mlcore.gate import GateKeeper
from mlcore.provenance import webp
from tests.cifake import held_out

BORNE = [("jpeg", 75), ("jpeg", 60), ("noise", 2)]
BROKEN = [("jpeg", 40), ("jpeg", 20), ("jpeg", 10), ("webp", 30), ("webp", 10), ("avif", 20), ("heic", 20),
          ("blur", 1.0), ("down_up", 0.5), ("crop", 0.875)]  # fmt: skip


@lru_cache
def cifake() -> np.ndarray:
    return np.stack([np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for _, file in held_out(2600)])


def worn(name: str, strength: float, some: slice = slice(0, 300)) -> np.ndarray:
    return np.stack([degrade.DEGRADATIONS[name].apply(each, strength) for each in cifake()[some]])


@lru_cache
def fitted() -> wear.Wear:
    borne, broken = ([worn(*way, slice(600, 1000)) for way in ways] for ways in (BORNE, BROKEN))
    return wear.Wear(wear.fit(cifake()[1000:], borne, broken, 0.99))


def refused(pixels: np.ndarray) -> float:
    return float((fitted().of(pixels) > 1.0).mean())


def test_untouched_pictures_pass():
    assert refused(cifake()[:600]) <= 0.03


@pytest.mark.parametrize(
    ("name", "strength"), [*BROKEN, ("jpeg", 5), ("jpeg", 25), ("webp", 5), ("webp", 20)]
)
def test_what_it_was_fitted_on_and_strengths_between_are_refused(name, strength):
    assert refused(worn(name, strength)) >= 0.95


@pytest.mark.parametrize(
    ("name", "strength"),
    [("jpeg_full_colour", 20), ("jpeg_twice", 30), ("jpeg_twice", 10), ("webp_jpeg", 20), ("avif", 5),
     ("palette", 16), ("blur", 1.5), ("down_up", 0.75), ("cut", 4)],
)  # fmt: skip
def test_its_siblings_are_refused_unseen(name, strength):
    """Saved again at a high quality, by other codecs, in another way: the traces are of one kind."""
    assert refused(worn(name, strength)) >= 0.9


@pytest.mark.parametrize("filter", [Image.Resampling.BICUBIC, Image.Resampling.BOX, Image.Resampling.NEAREST])
def test_large_photographs_made_small_are_refused(filter):
    crops = [
        Image.fromarray(photo[top : top + 200, left : left + 200]).resize((32, 32), filter)
        for photo in load_sample_images().images
        for top in range(0, 220, 40)
        for left in range(0, 440, 40)
    ]
    assert refused(np.stack([np.asarray(each) for each in crops])) >= 0.95


def test_traces_are_numbers_whatever_the_picture():
    rng = np.random.default_rng(0)
    odd = [np.zeros((32, 32, 3)), np.full((32, 32, 3), 255), rng.integers(0, 256, (32, 32, 3))]
    found = wear.traces(np.stack(odd).astype(np.uint8))
    assert found.shape == (3, 155)
    assert np.isfinite(found).all()
    assert wear.traces(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, 155)


def saved(form: str, size: tuple[int, int] = (32, 32), **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(cifake()[0]).resize(size).save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("quality", [1, 3, 10, 30, 49, 50, 75, 95, 100])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}], ids=str)
def test_a_jpeg_tells_its_quality(quality, options):
    data = saved("JPEG", quality=quality, **options)
    assert imaging.examine(data, "a.jpg").saved == Saved("JPEG", quality)


@pytest.mark.parametrize("method", [0, 4, 6])
@pytest.mark.parametrize("quality", [5, 20, 40, 60, 80, 95])
def test_a_webp_tells_its_quality_roughly(quality, method):
    found = imaging.examine(saved("WEBP", quality=quality, method=method), "a.webp").saved
    assert found is not None
    assert abs(found.quality - quality) <= 15


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("GIF", {}), ("WEBP", {"lossless": True}), ("AVIF", {})]
)
def test_other_files_do_not(form, options):
    assert imaging.examine(saved(form, **options), "a").saved is None


@pytest.mark.parametrize("length", [0, 11, 20, 30, 31, 40, 60])
def test_a_webp_that_ends_early_breaks_nothing(length):
    data = saved("WEBP", quality=20)[:length]
    found = webp.quality(data)
    assert found is None or 1 <= found <= 100


@pytest.fixture(scope="module")
def keeper() -> GateKeeper:
    """The gate of the model that comes with the project."""
    return GateKeeper(registry.card(registry.DEFAULT)["gate"])


@pytest.mark.parametrize(
    ("form", "quality"), [("JPEG", 3), ("JPEG", 30), ("JPEG", 40), ("WEBP", 5), ("WEBP", 30)]
)
def test_a_strongly_compressed_file_is_refused_by_its_own_word(keeper, form, quality):
    picture = imaging.examine(saved(form, quality=quality), "a")
    found = keeper.judge(picture.image, saved=picture.saved)
    assert not found.in_domain
    assert f"about {picture.saved.quality} of 100" in found.reason
    assert found.scores["quality"] == picture.saved.quality


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_and_saved_again_without_loss_by_its_pixels(keeper, form):
    pixels = np.stack([degrade.DEGRADATIONS[form.lower()].apply(each, 20) for each in cifake()[:100]])
    gates = [keeper.judge(Image.fromarray(each)) for each in pixels]
    assert sum(not each.in_domain for each in gates) >= 98
    assert gate.WORN in {each.reason for each in gates}
    assert (keeper.known(pixels, np.ones(len(pixels))) == [each.in_domain for each in gates]).all()


def test_files_as_cifake_has_them_pass(keeper):
    pictures = [imaging.examine(file, "a.jpg") for _, file in held_out(300)]
    assert {each.saved for each in pictures} == {Saved("JPEG", 75)}
    passed = [keeper.judge(each.image, saved=each.saved).in_domain for each in pictures]
    assert sum(passed) >= 288
