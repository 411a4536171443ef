"""The card says what was measured, and its hash is that of the file beside it."""

import json

import pytest

from mlcore import card

METRICS = {
    "n": 100, "accuracy": 0.9512, "precision": 0.95, "recall": 0.96, "f1": 0.955, "auroc": 0.99, "ece": 0.01,
    "confusion": {"REAL": {"real": 47, "fake": 3}, "FAKE": {"real": 2, "fake": 48}},
}  # fmt: skip
FACTS = {
    "name": "paper_cnn", "version": "9.9", "summary": "A summary.", "parameters": 1234, "metrics": METRICS,
    "data": {"source": "cifake_train.zip", "training": 400, "held_out": 100, "split_seed": 0},
    "training": {"epochs": "3 of 3"}, "command": "manage.py train --data cifake_train.zip",
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    card.write(tmp_path, FACTS)
    return tmp_path


def test_json_carries_the_hash_of_the_weights_and_the_limits(written):
    content = json.loads((written / "card.json").read_text())
    assert content["sha256"] == card.sha256_of(written / "model.keras")
    assert content["metrics"] == METRICS
    assert len(content["limits"]) >= 4


def test_the_page_puts_limits_before_figures_and_shows_every_figure(written):
    text = (written / "card.md").read_text()
    assert text.index("## Limits") < text.index("## Metrics")
    for expected in ("0.9512", "0.9900", "| **REAL** | 47 | 3 |", "| **FAKE** | 2 | 48 |", FACTS["command"]):
        assert expected in text


def test_the_worst_of_what_was_measured_is_a_limit(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    rows = [
        {"strength": None, "label": "as they are", "lost": 0.0},
        {"strength": 40, "label": "JPEG quality 40", "lost": 3.14},
        {"strength": 1.0, "label": "Gaussian blur 1 px", "lost": 2.0},
    ]
    assert card.NOT_ROBUST in card.limits({})
    assert "JPEG quality 40 cost most, 3.1 points" in card.limits({"robustness": rows})[-1]


def test_a_gate_that_does_not_look_at_what_a_picture_has_been_through_is_a_limit():
    assert card.OLD_GATE in card.limits({"gate": {"pixels": {}}})
    assert card.OLD_GATE not in card.limits({"gate": {"pixels": {}, "least_quality": {}}})
    assert card.OLD_GATE not in card.limits({})


def test_three_answers_are_on_the_page(tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    point = {"fake": 0.91, "real": 0.12, "coverage": 0.953, "decided_error": 0.0088}
    metrics = METRICS | {"coverage": 0.951, "decided_error": 0.0091, "refused": 0.012}
    card.write(tmp_path, {**FACTS, "metrics": metrics, "operating_points": {"0.01": point}})
    text = (tmp_path / "card.md").read_text()
    assert "| 1.0% | 0.9100 | 0.1200 | 95.3% | 0.88% |" in text
    assert "| coverage | 0.9510 |" in text
