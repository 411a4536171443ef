"""The benchmark compares what it says: the naive and the fused map show the same evidence."""

import numpy as np

from mlcore import registry, timing
from mlcore.gradcam import fused


def test_both_sides_of_the_ratio_do_the_same_work():
    """P(fake) rises with the logit, so for an announced fake their normalised maps are equal."""
    model = registry.load("paper_cnn")
    rng = np.random.default_rng(0)
    run, naive = fused(model), timing._naive(model)
    for _ in range(50):
        batch = (rng.random((1, 128, 128, 3)) * rng.random() * 255).astype(np.uint8)
        p_fake, maps = run(batch)
        if p_fake[0] > 0.5:
            break
    assert p_fake[0] > 0.5
    np.testing.assert_allclose(naive(batch / np.float32(255.0)), maps[0], atol=1e-3)


def test_it_reports_both_times_and_their_ratio():
    found = timing.one_image("paper_cnn", rounds=1)
    assert found["ratio_vs_naive"] == found["naive_ms"] / found["fused_ms"]
    assert timing.bare_rate("paper_cnn", batch=4, images=8)() > 0
