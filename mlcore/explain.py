"""The explanations that there are, and one of them for one picture, with what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image

from mlcore import explain_gradients, explain_perturbed, faithfulness
from mlcore.contracts import ModelRef
from mlcore.explain_network import Floats, Network, Pixels
from mlcore.explain_perturbed import Progress
from mlcore.gate import seen

FAST, SLOW = "fast", "slow"
DEFAULT = "gradient_detail"


@dataclass(frozen=True)
class Method:
    """``explain`` takes (n, 32, 32, 3) uint8 and gives (n, h, w) float32 in [0, 1], the evidence for the
    class that the network announces; it reports its progress, 0 to 1, where that takes long."""

    label: str
    lane: str
    explain: Callable[[Network, Pixels, Progress], Floats]


def _at_once(explain: Callable[[Network, Pixels], Floats]) -> Callable[[Network, Pixels, Progress], Floats]:
    return lambda network, pixels, _: explain(network, pixels)


METHODS: dict[str, Method] = {
    "gradient_detail": Method("Gradient × detail", FAST, _at_once(explain_gradients.gradient_detail)),
    "gradcam": Method("Grad-CAM", FAST, _at_once(explain_gradients.grad_cam)),
    "gradcam_pp": Method("Grad-CAM++", FAST, _at_once(explain_gradients.grad_cam_pp)),
    "integrated_gradients": Method(
        "Integrated gradients", FAST, _at_once(explain_gradients.integrated_gradients)
    ),
    "lime": Method("LIME", SLOW, explain_perturbed.lime),
    "shap": Method("SHAP", SLOW, explain_perturbed.shap),
}


def silent(share: float) -> None:
    """For those who wait without looking."""


class Explainer:
    """A model by name with all its explanations; each is compiled when it is first asked for."""

    def __init__(self, name: str) -> None:
        """Load the weights.

        Raises:
            ModelUnavailable: see :func:`mlcore.registry.load`.
        """
        self.network = Network.load(name)

    def explain(
        self, method: str, image: Image.Image, progress: Progress = silent
    ) -> tuple[Floats, dict[str, Any], ModelRef]:
        """The (h, w) map of an RGB image, its faithfulness as a dict, and the model that both are of.

        Raises:
            KeyError: no such method; :data:`METHODS` has them.
        """
        pixels = seen(image)
        heatmap = METHODS[method].explain(self.network, pixels[None], progress)[0]
        found = faithfulness.measure(self.network.p_fake, pixels, heatmap)
        return heatmap, asdict(found), self.network.ref
