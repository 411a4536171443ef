"""Large pictures made small: measured by class, filter and way of saving."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from mlcore import card, reduced
from mlcore.errors import DataError


class Bright:
    """Calls what is bright fake and what is dark real; its gate refuses what was saved without loss."""

    thresholds: ClassVar = {"fake": 0.6, "real": 0.4}

    def p_fake(self, images):
        return images.mean((1, 2, 3)) / 255

    def known(self, images, p_fake):
        return images.std((1, 2, 3)) > 0


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for label, levels in (("REAL", (20, 40)), ("FAKE", (220, 30, 240))):
        (tmp_path / label).mkdir()
        for number, level in enumerate(levels):
            pixels = rng.normal(level, 10, (150, 200, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    Image.new("RGB", (100, 400)).save(tmp_path / "REAL" / "too small.png")
    (tmp_path / "FAKE" / "broken.png").write_bytes(b"\x89PNG")
    return tmp_path


def test_a_row_for_each_class_filter_and_way_of_saving(folder):
    rows = reduced.rows(Bright(), folder)
    assert len(rows) == 2 * len(reduced.FILTERS) * len(reduced.SAVED)
    assert {(row.kind, row.n) for row in rows} == {("REAL", 2), ("FAKE", 3)}
    fake = next(row for row in rows if row.kind == "FAKE")
    assert (fake.passed, fake.said_real, fake.said_fake) == pytest.approx((1, 1 / 3, 2 / 3))


def test_a_folder_without_large_pictures_of_both_classes_is_a_sentence(folder):
    for path in (folder / "REAL").glob("[01].png"):
        path.unlink()
    with pytest.raises(DataError, match="of both classes"):
        reduced.rows(Bright(), folder)


def row(kind: str, said_real: float, quality: int | None, passed: float = 0.9) -> dict:
    return reduced.Row(kind, "bicubic", quality, 600, passed, said_real, 0.1).as_dict()


def test_a_card_tells_the_worst_way_among_its_limits():
    rows = [row("FAKE", 0.1, None, 0.02), row("FAKE", 0.65, 75), row("REAL", 0.99, 75)]
    (said,) = [each for each in card.limits({"reduced": rows}) if "reduced to 32" in each]
    assert "of 600 large AI-generated ones (bicubic, then JPEG quality 75), 90% passed" in said
    assert "65% were called real" in said
    assert "without loss, 2% passed" in said
    assert card.REDUCED in card.limits({})
    assert "| bicubic, then JPEG 75 | FAKE | 600 | 90.0% | 65.0% | 10.0% |" in reduced.table(rows)


def test_a_card_tells_where_its_promise_does_not_hold():
    after = {"degradation": "x", "strength": 1, "lost": 1.0, "coverage": 0.5, "decided_error": 0.01}
    rows = [
        {**after, "label": "kept", "real_error": 0.01},
        {**after, "label": "broken", "real_error": 0.16},
        {**after, "label": "refused", "real_error": 0.5, "coverage": 0.001},
    ]
    said = " ".join(card.limits({"robustness": rows}))
    assert "more often than promised after: broken (16.0%)." in said
