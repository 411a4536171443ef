"""The pictures of a card are drawn from figures, and change with them."""

import numpy as np
import pytest
from PIL import Image

from mlcore import charts
from mlcore.robustness import Row


@pytest.fixture
def figures():
    rng = np.random.default_rng(0)
    p = rng.random(600)
    return p, (rng.random(600) < p).astype(int)


def drawn(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_reliability_shows_miscalibration(tmp_path, figures):
    p, labels = figures
    charts.reliability(p, labels, tmp_path / "a.png")
    charts.reliability(p, 1 - labels, tmp_path / "b.png")
    assert (drawn(tmp_path / "a.png") != drawn(tmp_path / "b.png")).any()


def test_coverage_marks_the_operating_points(tmp_path, figures):
    point = {"fake": 0.9, "real": 0.1, "coverage": 0.7, "decided_error": 0.1}
    charts.coverage(*figures, {}, tmp_path / "a.png")
    charts.coverage(*figures, {"0.01": point}, tmp_path / "b.png")
    assert (drawn(tmp_path / "a.png") != drawn(tmp_path / "b.png")).any()


def test_robustness_has_a_line_for_each_degradation(tmp_path):
    from mlcore.degrade import DEGRADATIONS

    rows = [Row("clean", None, "", 0.98, 0.99, 0.0)]
    rows += [Row(name, s, "", 0.9, 0.9, 8.0) for name, each in DEGRADATIONS.items() for s in each.strengths]
    charts.robustness(rows, tmp_path / "a.png")
    assert drawn(tmp_path / "a.png").std() > 0


def test_curves_are_drawn_from_the_csv(tmp_path):
    source, target = tmp_path / "curves.csv", tmp_path / "curves.png"
    source.write_text("epoch,loss,accuracy,val_loss,val_accuracy\n0,1,0.5,1,0.5\n1,0.5,0.8,0.6,0.7\n")
    charts.curves(source, target)
    assert target.read_bytes().startswith(b"\x89PNG")
