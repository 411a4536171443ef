"""What every network promises to the rest: shapes, and the layers that others ask for by name."""

from __future__ import annotations

import numpy as np
import pytest

from mlcore.models import BUILDERS
from mlcore.training import RECIPES


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_network_keeps_the_contract(name):
    net = BUILDERS[name]()
    size = net.input_shape[1]
    batch = np.random.default_rng(0).random((3, size, size, 3), np.float32)
    p_fake = net(batch).numpy()
    assert p_fake.shape == (3, 1)
    assert ((p_fake > 0) & (p_fake < 1)).all()
    assert net.get_layer("logit").output.shape == (None, 1)
    assert len(net.get_layer("final_conv").output.shape) == 4
    assert net.count_params() * 4 <= 20 * 1024**2  # what may lie in the repository
    assert RECIPES[name].model == name


def test_the_default_networks_have_two_million_weights_at_most():
    assert BUILDERS["cifake_resnet"]().count_params() <= 2_000_000
    assert BUILDERS["efficientnet"]().count_params() <= 2_000_000
