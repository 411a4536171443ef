"""Evaluation: sources one by one, intervals, refusals, and figures that no gate can flatter."""

import io

import numpy as np
import pytest
from PIL import Image

from mlcore import evaluation
from mlcore.contracts import Gate
from mlcore.errors import DataError
from mlcore.evaluation import Scored, evaluate

THRESHOLDS = {"fake": 0.9, "real": 0.1}


def scored(p, labels, in_domain=None, sources=None):
    n = len(p)
    return Scored(
        np.array(p, float),
        np.array(labels),
        np.ones(n, bool) if in_domain is None else np.array(in_domain),
        np.array(sources or ["REAL" if each == 0 else "FAKE" for each in labels]),
    )


def test_accuracy_counts_what_the_gate_refused():
    p, labels = [0.95, 0.05, 0.95, 0.05], [1, 0, 0, 1]
    for in_domain in ([True] * 4, [True, True, False, False]):
        found = evaluate(scored(p, labels, in_domain), THRESHOLDS)
        assert found.metrics.accuracy == 0.5
    assert found.decisions.refused == 0.5
    assert found.decisions.coverage == 0.5
    assert found.decisions.decided_error == 0.0


def test_each_source_has_its_line_and_its_interval():
    sources = ["FAKE/dalle"] * 50 + ["FAKE/flux"] * 50 + ["REAL"] * 100
    labels = [1] * 100 + [0] * 100
    p = [0.95] * 50 + [0.05] * 50 + [0.05] * 100
    rows = {row.source: row for row in evaluate(scored(p, labels, sources=sources), THRESHOLDS).sources}
    assert list(rows) == ["FAKE/dalle", "FAKE/flux", "REAL"]
    assert [rows[key].accuracy for key in rows] == [1.0, 0.0, 1.0]
    assert rows["FAKE/flux"].decisions.decided_error == 1.0
    assert rows["REAL"].interval == (1.0, 1.0)
    whole = evaluate(scored(p, labels, sources=sources), THRESHOLDS)
    assert whole.interval[0] < whole.metrics.accuracy < whole.interval[1]
    made = whole.as_dict()
    assert made["sources"][0] == {
        "source": "FAKE/dalle", "n": 50, "accuracy": 1.0, "interval": (1.0, 1.0),
        "coverage": 1.0, "decided_error": 0.0, "refused": 0.0,
    }  # fmt: skip


def test_one_class_alone_is_a_sentence():
    with pytest.raises(DataError, match="both classes"):
        evaluate(scored([0.9], [1]), THRESHOLDS)


class SmallAndSure:
    """A gate that lets small pictures pass of which the model is sure."""

    def judge(self, image, *, saved, p_fake):
        return Gate(in_domain=image.width <= 40)

    def sure(self, pixels, p_fake):
        return np.abs(p_fake - 0.5) > 0.2


class Stand:
    """Scores by brightness: what reading a folder needs of a model."""

    gate = SmallAndSure()

    def p_fake(self, images):
        return images.mean((1, 2, 3)) / 255.0


def save(path, value, side=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    Image.new("RGB", (side, side), (value,) * 3).save(file, "PNG")
    path.write_bytes(file.getvalue())


def test_a_folder_is_read_with_its_sources_sizes_and_broken_files(tmp_path):
    save(tmp_path / "REAL" / "camera" / "a.png", 10)
    save(tmp_path / "x" / "FAKE" / "dalle" / "b.png", 250)
    save(tmp_path / "x" / "FAKE" / "c.png", 200, side=300)
    save(tmp_path / "FAKE" / "unsure" / "f.png", 130)
    save(tmp_path / "elsewhere" / "d.png", 200)
    (tmp_path / "REAL" / "e.png").write_bytes(b"\x89PNG broken")
    found = evaluation.score_folder(tmp_path, Stand())
    rows = set(zip(found.sources.tolist(), found.labels.tolist(), found.in_domain.tolist(), strict=True))
    assert rows == {
        ("REAL/camera", 0, True), ("FAKE/dalle", 1, True), ("FAKE", 1, False), ("FAKE/unsure", 1, False),
    }  # fmt: skip
    assert found.unreadable == ("REAL/e.png",)
    assert sorted(np.rint(found.p_fake * 255)) == [10, 130, 200, 250]
