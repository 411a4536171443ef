"""Our reading against the package's own writing, bit by bit."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import numpy as np
import pytest
from PIL import Image

from mlcore.contracts import Says, Source
from mlcore.provenance import watermark
from tests import hostile
from tests.cifake import held_out


def package():
    """``imwatermark.maxDct`` by itself: the package as a whole imports torch, and with TensorFlow
    in the same process that ends in a crash."""
    try:
        files = importlib.metadata.files("invisible-watermark") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("invisible-watermark is not installed")
    path = next(each.locate() for each in files if each.name == "maxDct.py")
    spec = importlib.util.spec_from_file_location("max_dct", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EmbedMaxDct


def picture(width: int = 512, height: int = 512, seed: int = 0) -> np.ndarray:
    """Soft shapes in quiet colours: what is embedded in strong ones, 8 bits cannot always hold."""
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(110, 146, (8, 10, 3), dtype=np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float64)
    return np.clip(soft + chance.normal(0, 2, soft.shape), 0, 255).astype(np.uint8)


def marked(rgb: np.ndarray, message: watermark.Message, way: str) -> np.ndarray:
    encoder = package()([int(bit) for bit in message.bits], wmLen=len(message.bits))
    if way == "8 bits":
        return np.ascontiguousarray(encoder.encode(rgb[:, :, ::-1].copy())[:, :, ::-1])
    pixels = rgb.astype(np.float32)
    if way == "floating":
        made = encoder.encode(pixels[:, :, ::-1].copy())[:, :, ::-1]
    else:  # "floating, RGB as BGR"
        made = encoder.encode(pixels.copy())
    return np.ascontiguousarray(np.clip(np.round(made), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("message", watermark.MESSAGES, ids=lambda message: message.name)
@pytest.mark.parametrize("way", ["8 bits", "floating", "floating, RGB as BGR"])
def test_what_the_package_embeds_is_found(message, way):
    (finding,) = watermark.read(Image.fromarray(marked(picture(seed=4), message, way)))
    assert (finding.source, finding.says) == (Source.WATERMARK, Says.AI)
    assert finding.facts["tool"] == message.name
    assert finding.facts["bits_right"] >= message.bits_needed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [(320, 256), (333, 263)])
def test_every_bit_is_read_as_the_package_reads_it(seed, size):
    """On pictures with a mark and without, so that borders and ties count, too."""
    plain = picture(*size, seed)
    for rgb in (plain, marked(plain, watermark.MESSAGES[2], "8 bits")):
        for message in watermark.MESSAGES:
            length = len(message.bits)
            theirs = package()([], wmLen=length).decode(np.ascontiguousarray(rgb[:, :, ::-1]))
            # A message equal to what they read must fit in every bit.
            ours = watermark.fit(watermark.Message("theirs", theirs, length), watermark.readings(rgb)[0])
            assert ours.right == length


def test_the_messages_are_the_published_ones():
    texts = [np.packbits(message.bits).tobytes() for message in watermark.MESSAGES[:2]]
    assert texts == [b"StableDiffusionV1", b"SDV2"]
    assert [len(message.bits) for message in watermark.MESSAGES] == [136, 32, 48, 46]


def test_another_message_is_not_taken_for_one_of_these():
    other = watermark.Message("other", watermark._of_text(b"hello!"), 48)
    assert watermark.read(Image.fromarray(marked(picture(), other, "8 bits"))) == []


@pytest.mark.parametrize("seed", range(6))
def test_a_plain_picture_carries_none(seed):
    match = watermark.best(picture(seed=seed))
    assert not match.found
    assert match.right < len(match.message.bits) * 0.85


@pytest.mark.parametrize("colour", ["black", "white", "grey", "red", "#2040ff"])
def test_a_flat_picture_carries_none(colour):
    """All its bits are equal, and some messages have many equal bits."""
    assert watermark.read(Image.new("RGB", (512, 512), colour)) == []


def test_stripes_as_wide_as_the_blocks_carry_none():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::16] = (40, 90, 250)
    assert watermark.read(Image.fromarray(stripes)) == []


def test_enlarged_cifake_carries_none():
    for _, data in held_out(20):
        image = Image.open(hostile.io.BytesIO(data)).resize((512, 512), Image.Resampling.BICUBIC)
        assert watermark.read(image) == []


def test_what_is_too_small_is_left_alone():
    assert watermark.best(np.zeros((255, 256, 3), np.uint8)) is None
    assert watermark.read(Image.new("L", (20, 20))) == []


def test_a_large_picture_is_read_from_the_top_only(monkeypatch):
    """A mark survives that, since the message runs row by row."""
    monkeypatch.setattr(watermark, "MOST_PIXELS", 512 * 256)
    rgb = marked(picture(), watermark.MESSAGES[2], "8 bits")
    assert all(len(bits) == (512 // 8) * (256 // 8) for bits in watermark.readings(rgb))
    assert watermark.best(rgb).found


def test_a_wide_one_is_read_too():
    assert watermark.read(Image.new("RGB", (70_000, 8), "grey")) == []
