"""Model builders by name. All take (n, size, size, 3) float32 in [0, 1] and give P(fake)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mlcore.models import cifake_resnet, efficientnet, paper_cnn, resnet

if TYPE_CHECKING:
    import keras

BUILDERS: dict[str, Callable[[], keras.Model]] = {
    "cifake_resnet": cifake_resnet.build,
    "efficientnet": efficientnet.build,
    "paper_cnn": paper_cnn.build,
    "resnet": resnet.build,
}

FOR_USE: dict[str, Callable[[], keras.Model]] = {"efficientnet": partial(efficientnet.build, mirrored=True)}
"""How a trained network is published where that differs from how it is trained; the weights fit both."""
