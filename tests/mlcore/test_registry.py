"""Models by name: cards, and weights that are used only if they are what their card says."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest

from mlcore import registry
from mlcore.contracts import ModelRef
from mlcore.errors import ModelUnavailable


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A registry of its own with one small, untrained model in it."""
    import keras

    folder = tmp_path / "small"
    folder.mkdir()
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(folder / "model.keras")
    write_card(folder)
    monkeypatch.setattr(registry, "WEIGHTS_DIR", tmp_path)
    return folder


def write_card(folder, **changes):
    sha256 = hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    card = {"name": "small", "version": "3", "sha256": sha256, "input_size": 4, "thresholds": {}, **changes}
    (folder / "card.json").write_text(json.dumps(card))
    return card


def test_a_model_is_described_by_its_card_and_loaded(weights):
    assert registry.names() == ["small"]
    assert registry.describe("small") == ModelRef("small", "3", registry.card("small")["sha256"])
    assert registry.load("small").input_shape == (None, 4)


def test_changed_weights_are_not_used(weights):
    path = weights / "model.keras"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ModelUnavailable, match=r"model\.keras is not the file that its card describes"):
        registry.load("small")


def test_missing_weights_are_named(weights):
    (weights / "model.keras").unlink()
    with pytest.raises(ModelUnavailable, match=r"model\.keras cannot be read"):
        registry.load("small")


def test_weights_that_keras_cannot_read_are_named(weights):
    (weights / "model.keras").write_bytes(b"no weights")
    write_card(weights)
    with pytest.raises(ModelUnavailable, match=r"model\.keras is not readable by Keras"):
        registry.load("small")


def test_weights_that_carry_code_are_not_run(weights):
    """A Lambda layer is arbitrary Python; safe mode refuses it."""
    import keras

    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(weights / "model.keras")
    write_card(weights)
    with pytest.raises(ModelUnavailable):
        registry.load("small")


@pytest.mark.parametrize("name", ["other", "../small", "", "small/../small", "Small", "a" * 5000])
def test_an_unknown_name_tells_which_there_are(weights, name):
    with pytest.raises(ModelUnavailable, match="Models here: small"):
        registry.card(name)


def test_a_card_that_lacks_something_is_named(weights):
    (weights / "card.json").write_text('{"name": "small"}')
    with pytest.raises(ModelUnavailable, match=r"card\.json lacks input_size, sha256, thresholds, version"):
        registry.card("small")
    (weights / "card.json").write_text("{")
    with pytest.raises(ModelUnavailable, match=r"card\.json cannot be read"):
        registry.describe("small")


def test_the_committed_model_is_whole():
    assert registry.load("paper_cnn").input_shape == (None, 128, 128, 3)


def test_what_the_web_process_imports_brings_no_model_library():
    code = (
        "import sys; from mlcore import contracts, errors, imaging, registry, overlay; "
        "registry.card('paper_cnn'); "
        "heavy = 'tensorflow', 'openvino', 'keras', 'torch', 'ultralytics', 'cv2', 'matplotlib'; "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
