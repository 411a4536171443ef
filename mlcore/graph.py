"""A trained network as one OpenVINO graph: forwards to its logit, and backwards to the pixels.

TensorFlow calls a kernel for each of some 400 operations of such a pass, and those for gradients
are made for training. For one picture on two cores it takes 7 to 10 ms for what OpenVINO, compiled
as a whole, does in 3 to 5 (docs/inference-runtime.md). Reverse mode is written out here, layer by layer
(:mod:`mlcore.graph_layers`): Baydin et al., "Automatic Differentiation in Machine Learning: a
Survey", JMLR 2018, 3.2.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcore.calibration import Calibration
from mlcore.folding import folded, inputs_of
from mlcore.graph_layers import NONE, Back, Zeros, along_the_sides, constant, enlargement, rule_of
from mlcore.models import efficientnet
from mlcore.openvino import Node, openvino, opset

if TYPE_CHECKING:
    import keras

Gradient = Callable[[], Node]


@dataclass(frozen=True)
class _Step:
    output: int
    inputs: list[int]
    back: Back


def logit(model: keras.Model, values: Node) -> tuple[Node, Gradient]:
    """The network on ``values``, (n, 3, side, side) in [0, 1].

    Gives (n, 1) logits for fake, and a function that adds their gradients by the values,
    (n, 3, side, side); one row for all pictures, (1, …), where the network is linear. A network that
    looks at mirror images too does so here.

    Raises:
        ValueError: it has a layer that :mod:`mlcore.graph_layers` has no rule for.
    """
    fast = folded(model)
    once = efficientnet.unmirrored(fast)
    if once is None:
        start, end = fast.input, fast.get_layer("logit").output
        nodes, steps = _traced(fast.layers, start, end, values)
        return nodes[id(end)], lambda: _reversed(steps, id(start))
    nodes, steps = _traced(fast.layers, *once, opset.concat([values, _flipped(values)], 0))

    def back() -> Node:
        plain, turned = _halves(_reversed(steps, id(once[0])))
        return _mean(plain, _flipped(turned))

    return _mean(*_halves(nodes[id(once[1])])), back


def observed(model: keras.Model, layer: str, values: Node) -> tuple[Node, Node, Node]:
    """The output of a layer, (n, channels, h, w), the (n, 1) logits, and their gradients by that output.

    Raises:
        ValueError: there is no such layer, some way to the logit passes it by, or see :func:`logit`.
    """
    fast = folded(model)
    place, end = fast.get_layer(layer), fast.get_layer("logit").output
    if len(place.output.shape) != 4 or type(place).__name__ == "ZeroPadding2D":
        raise ValueError(f"The output of {layer} is no map of the picture.")
    seen = id(place.output)
    nodes, steps = _traced(fast.layers, fast.input, end, values)
    if seen not in [step.output for step in steps]:
        raise ValueError(f"{layer} is not on the way from the picture to the logit.")
    behind = {seen}
    for step in steps[[step.output for step in steps].index(seen) + 1 :]:
        if not behind >= set(step.inputs):
            raise ValueError(f"Some way from the picture to the logit passes {layer} by.")
        behind.add(step.output)
    return nodes[seen], nodes[id(end)], _reversed(steps, seen)


def _traced(
    layers: list[keras.Layer], start: keras.KerasTensor, end: keras.KerasTensor, values: Node
) -> tuple[dict[int, Node], list[_Step]]:
    """Node by tensor, and the steps from ``start`` to ``end`` in their order."""
    nodes: dict[int, Node] = {id(start): values}
    surrounded: dict[int, Zeros] = {}  # tensors that stand for the one before them, with zeros around it
    steps: list[_Step] = []
    for layer in layers:
        sources, output = [id(each) for each in inputs_of(layer)], id(layer.output)
        if not sources or output in nodes or not nodes.keys() >= set(sources):
            continue  # it comes before the start
        if type(layer).__name__ == "ZeroPadding2D" and sources[0] not in surrounded:
            nodes[output], surrounded[output] = nodes[sources[0]], layer.padding
            back: Back = _unchanged
        else:
            around = [surrounded.get(each, NONE) for each in sources]
            rule = rule_of(layer, around)
            nodes[output], back = rule(layer, [nodes[each] for each in sources], around[0])
        steps.append(_Step(output, sources, back))
        if output == id(end):
            return nodes, steps
    raise ValueError("There is no way from the picture to the logit that has rules for all of it.")


def _unchanged(gradient: Node) -> list[Node]:
    return [gradient]


def _reversed(steps: list[_Step], to: int) -> Node:
    """The gradient of the last step's output by the tensor ``to``. It begins as one row for all pictures:
    where they begin to differ, it becomes as many."""
    gradients: dict[int, Node] = {steps[-1].output: constant([[1.0]])}
    for step in reversed(steps):
        if step.output == to:
            break
        for source, gradient in zip(step.inputs, step.back(gradients[step.output]), strict=True):
            known = gradients.get(source)
            gradients[source] = gradient if known is None else opset.add(known, gradient)
    return gradients[to]


def _halves(both: Node) -> list[Node]:
    return list(opset.split(both, constant(0), 2).outputs())


def _mean(first: Node, second: Node) -> Node:
    return opset.multiply(opset.add(first, second), constant(0.5))


def _flipped(planes: Node) -> Node:
    """Left and right exchanged."""
    last, end = constant([-1]), constant([np.iinfo(np.int64).min])
    return opset.slice(planes, last, end, last, constant([3]))


def pixels(side: int, to: int | None = None) -> tuple[Node, Node]:
    """A place for (n, side, side, 3) uint8, any n, and its values, (n, 3, side, side) in [0, 1].

    Enlarged to another side, (n, 3, to, to), where one is given.
    """
    images = opset.parameter([-1, side, side, 3], np.uint8)
    scaled = opset.multiply(opset.convert(images, np.float32), constant(1.0 / 255.0))
    values = opset.transpose(scaled, constant([0, 3, 1, 2]))
    return images, values if to in (None, side) else along_the_sides(values, enlargement(side, to))


def calibrated(found: Node, by: Calibration) -> Node:
    return opset.add(opset.multiply(found, constant(by.a)), constant(by.b))


def probabilities(calibrated: Node) -> Node:
    """(n,) P(fake) of (n, 1) calibrated logits."""
    return opset.squeeze(opset.sigmoid(calibrated), constant([1]))


def announced(calibrated: Node) -> Node:
    """(n, 1) 1 where the answer is fake, -1 where it is real."""
    return opset.select(opset.greater(calibrated, constant(0.0)), constant(1.0), constant(-1.0))


def scaled(evidence: Node) -> Node:
    """(n, h, w) signed evidence to maps: what speaks against the answer is 0, the most 1."""
    kept = opset.relu(evidence)
    most = opset.reduce_max(kept, constant([1, 2]), True)
    return opset.divide(kept, opset.maximum(most, constant(np.finfo(np.float32).tiny)))


def compiled(outputs: list[Node], images: Node) -> Callable[[NDArray[np.uint8]], Any]:
    """The graph from ``images`` to ``outputs``, as a function of an array that gives a tuple of arrays.

    Any number of threads may call it, with one picture or more, as uint8. It computes in float32
    throughout: on processors with bfloat16 OpenVINO would choose that, and an answer would depend on
    the machine.
    """
    net = openvino.Model(outputs, [images], "pass")
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        # Web server, database and other lanes are at work on the same processors: a thread that is bound
        # to one waits for whoever has it.
        "ENABLE_CPU_PINNING": False,
    }
    made, own = openvino.Core().compile_model(net, "CPU", settings), threading.local()

    def run(batch: NDArray[np.uint8]) -> Any:
        if batch.dtype != np.uint8:  # OpenVINO would cast it
            raise ValueError(f"Pictures are uint8, not {batch.dtype}.")
        if not hasattr(own, "request"):
            own.request = made.create_infer_request()
        found = own.request.infer({0: np.ascontiguousarray(batch)})
        return tuple(np.array(found[number]) for number in range(len(outputs)))

    return run
