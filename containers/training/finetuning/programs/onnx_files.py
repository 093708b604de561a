"""ONNX models as programs: what paddle2onnx makes of Paddle's inference models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from finetuning.programs.files import damage_as, read_whole
from finetuning.programs.program import (
    CONVOLUTION,
    FACTOR,
    NORMALISATION,
    POOLING,
    PRODUCT,
    RESHAPING,
    SUMMAND,
    Node,
    Program,
)
from finetuning.weights import Array, WeightsError

DAMAGED = damage_as("The ONNX model is damaged.")
"""For functions that read a part of a model that nobody has looked at before."""

_MOST_BYTES = 512 * 1024**2
_CHARACTERS = "character"
_KINDS = {
    "Conv": CONVOLUTION,
    "BatchNormalization": NORMALISATION,
    "MatMul": PRODUCT,
    "Mul": FACTOR,
    "Add": SUMMAND,
    "AveragePool": POOLING,
    "MaxPool": POOLING,
    "Reshape": RESHAPING,
    "Identity": RESHAPING,
    "Squeeze": RESHAPING,
    "Unsqueeze": RESHAPING,
    "Cast": RESHAPING,
}


def read_onnx(path: Path) -> Any:  # noqa: ANN401  (a protocol buffer)
    """Read a model that is one file. Raises WeightsError when it is damaged or too large."""
    return parse_onnx(read_whole(path, _MOST_BYTES))


@DAMAGED
def parse_onnx(content: bytes) -> Any:  # noqa: ANN401
    """Parse a model. Raises WeightsError when it is damaged or keeps arrays in other files."""
    model = onnx.load_model_from_string(content)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise WeightsError("The ONNX model keeps arrays in other files; only one file is accepted.")
    return model


def listed_characters(model: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Return the characters that the model's metadata lists; none when it lists none."""
    for entry in model.metadata_props:
        if entry.key == _CHARACTERS:
            return tuple(str(entry.value).split("\n"))
    return ()


def list_characters(model: Any, characters: tuple[str, ...]) -> None:  # noqa: ANN401
    """Set the characters that the metadata lists; a space at the end is left out.

    Whoever reads the metadata adds the space, as PaddleOCR does.
    """
    text = "\n".join(characters[:-1] if characters[-1:] == (" ",) else characters)
    for entry in model.metadata_props:
        if entry.key == _CHARACTERS:
            entry.value = text
            return
    model.metadata_props.add(key=_CHARACTERS, value=text)


@DAMAGED
def onnx_program(model: Any) -> Program:  # noqa: ANN401
    """Return the model as a program; single numbers that operators need are left out or not.

    They cannot be told from arrays of one number here. Raises WeightsError when it is damaged.
    """
    graph = model.graph
    constants = {
        name: _array(tensor)
        for name, tensor in _named_tensors(graph)
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    }
    nodes = [
        Node(
            _KINDS.get(node.op_type, str(node.op_type)),
            tuple(node.input),
            tuple(node.output),
            tuple(attribute(node, "strides") or ()),
        )
        for node in graph.node
    ]
    return Program(tuple(nodes), constants, {name: name for name in constants})


def attribute(node: Any, name: str) -> Any:  # noqa: ANN401
    """Return an operator's attribute; None when it has none of that name."""
    for entry in node.attribute:
        if entry.name == name:
            value = onnx.helper.get_attribute_value(entry)
            return list(value) if entry.type == onnx.AttributeProto.INTS else value
    return None


def _named_tensors(graph: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    yield from ((entry.name, entry) for entry in graph.initializer)
    for node in graph.node:
        value = attribute(node, "value") if node.op_type == "Constant" else None
        if isinstance(value, onnx.TensorProto):
            yield node.output[0], value


def _tensors(message: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield every array of the model, those of graphs within its graph too."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)


def _array(tensor: Any) -> Array:  # noqa: ANN401
    return np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
