"""A recognizer's ONNX graph, cut into a backbone and an end whose arrays can be exchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from finetuning.programs.onnx_files import DAMAGED, attribute, list_characters, parse_onnx
from finetuning.weights import Array, WeightsError
from recognition.preprocessing import Tensor
from recognition.recognizer import Session, open_session


@dataclass(frozen=True)
class Slot:
    """Where the graph holds an array: what computes with it, its name there, its shape."""

    operator: str
    initializer: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class DividedGraph:
    """A graph [lines, 3, height, width] to [lines, steps, classes] with one narrow place.

    `cut` is the tensor of that place: all that the output depends on goes through it. `slots` are
    the arrays behind it in the order of execution.
    """

    content: bytes
    cut: str
    slots: tuple[Slot, ...]

    @classmethod
    @DAMAGED
    def of(cls, model: Any, pooling: Sequence[int]) -> DividedGraph:  # noqa: ANN401
        """Divide an ONNX model behind its only average pooling of that size [height, width].

        Raises WeightsError when it is no such graph.
        """
        graph = model.graph
        if len(graph.output) != 1 or len(graph.output[0].type.tensor_type.shape.dim) != 3:
            raise WeightsError("The ONNX model is no recognizer: it has no output of lines.")
        cut = _only_pooling(graph, list(pooling))
        end = _nodes_behind(graph, cut)
        initializers = {entry.name: entry for entry in graph.initializer}
        slots = tuple(_slots(end, initializers))
        uses = Counter(name for node in graph.node for name in node.input)
        shared = [slot.initializer for slot in slots if uses[slot.initializer] > 1]
        if shared:
            raise WeightsError(f"The ONNX graph uses {shared[0]} twice; it cannot be exchanged.")
        return cls(model.SerializeToString(), cut, slots)

    @cached_property
    def _backbone(self) -> Session:
        model = parse_onnx(self.content)
        return open_session(_part(model, [model.graph.input[0].name], self.cut))

    @cached_property
    def _end(self) -> Session:
        model = parse_onnx(self.content)
        return open_session(_part(model, [self.cut], model.graph.output[0].name))

    def features(self, images: Tensor) -> Tensor:
        """Run the backbone: [lines, 3, height, width] to [lines, channels, 1, steps]."""
        return _run(self._backbone, images)

    def probabilities(self, features: Tensor) -> Tensor:
        """Run the end: [lines, channels, 1, steps] to [lines, steps, classes]."""
        return _run(self._end, features)

    @DAMAGED
    def arrays(self) -> list[Array]:
        """Return copies of the arrays of the end, in the order of the slots.

        Raises WeightsError when one is damaged.
        """
        initializers = {entry.name: entry for entry in parse_onnx(self.content).graph.initializer}
        return [np.array(numpy_helper.to_array(initializers[s.initializer])) for s in self.slots]

    def grafted(
        self, arrays: Sequence[Array], classes: int, characters: Sequence[str]
    ) -> DividedGraph:
        """Return the graph with other arrays in the slots, and what it says of itself to match.

        Arrays have the shapes of their slots; those of the last operators have `classes` as their
        last dimension, however many the graph had.
        """
        model = parse_onnx(self.content)
        positions = {entry.name: index for index, entry in enumerate(model.graph.initializer)}
        slots: list[Slot] = []
        for slot, array in zip(self.slots, arrays, strict=True):
            model.graph.initializer[positions[slot.initializer]].CopyFrom(
                numpy_helper.from_array(np.ascontiguousarray(array), slot.initializer)
            )
            slots.append(Slot(slot.operator, slot.initializer, array.shape))
        behind = {name for node in _nodes_behind(model.graph, self.cut) for name in node.output}
        _forget_shapes(model.graph, behind, self.slots[-1].shape[-1])
        model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = classes
        list_characters(model, tuple(characters))
        return DividedGraph(model.SerializeToString(), self.cut, tuple(slots))

    def __deepcopy__(self, memo: Mapping[int, Any]) -> DividedGraph:
        # Nothing of it changes, and sessions cannot be copied.
        return self


def _only_pooling(graph: Any, size: list[int]) -> str:  # noqa: ANN401
    found = [
        str(node.output[0])
        for node in graph.node
        if node.op_type == "AveragePool" and attribute(node, "kernel_shape") == size
    ]
    if len(found) != 1:
        raise WeightsError(
            f"The ONNX graph has {len(found)} average poolings of {size[0]}x{size[1]} where the "
            "backbone of this family ends with one; it is another network."
        )
    return found[0]


def _nodes_behind(graph: Any, cut: str) -> list[Any]:  # noqa: ANN401
    """Return the nodes that the output needs when the cut is given, in their order."""
    needed, reached = _ancestors(graph, graph.output[0].name, cut)
    images = {entry.name for entry in graph.input}
    if cut not in reached or images & reached:
        raise WeightsError(
            "The ONNX graph's output does not depend on the backbone's pooling alone; "
            "it is another network."
        )
    return needed


def _ancestors(graph: Any, output: str, stop: str) -> tuple[list[Any], set[str]]:  # noqa: ANN401
    reached = {output}
    needed = []
    # Nodes stand behind those whose results they use.
    for node in reversed(graph.node):
        if reached.intersection(node.output) and stop not in node.output:
            reached.update(node.input)
            needed.append(node)
    return needed[::-1], reached


def _slots(nodes: Sequence[Any], initializers: Mapping[str, Any]) -> Iterator[Slot]:
    for node in nodes:
        for name in node.input:
            entry = initializers.get(name)
            if entry is None or entry.data_type != onnx.TensorProto.FLOAT:
                continue
            # Single numbers (epsilons, exponents, scales) belong to the operator.
            if np.prod(entry.dims) > 1:
                yield Slot(str(node.op_type), str(name), tuple(entry.dims))


def _part(model: Any, inputs: list[str], output: str) -> bytes:  # noqa: ANN401
    """Return the model that computes the output from the inputs, and nothing else."""
    nodes, reached = _ancestors(model.graph, output, inputs[0])
    graph = onnx.helper.make_graph(
        nodes,
        "part",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in inputs],
        [onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)],
        [entry for entry in model.graph.initializer if entry.name in reached],
    )
    part = onnx.helper.make_model(
        graph, opset_imports=model.opset_import, ir_version=model.ir_version
    )
    content: bytes = part.SerializeToString()
    return content


def _run(session: Session, batch: Tensor) -> Tensor:
    (output,) = session.run(None, {session.get_inputs()[0].name: batch})
    return output


def _forget_shapes(graph: Any, tensors: set[str], classes: int) -> None:  # noqa: ANN401
    """Drop what the graph says about the shapes of those tensors that have so many classes."""
    kept = [
        entry
        for entry in graph.value_info
        if entry.name not in tensors
        or all(size.dim_value != classes for size in entry.type.tensor_type.shape.dim)
    ]
    del graph.value_info[:]
    graph.value_info.extend(kept)
