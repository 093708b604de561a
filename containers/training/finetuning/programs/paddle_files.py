"""Paddle's inference models: inference.json (Paddle 3) and inference.pdmodel (Paddle 2).

They are parsed as data here; Paddle neither loads nor runs them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paddle.base.proto import framework_pb2

from finetuning.programs.files import damage_as, read_whole
from finetuning.programs.parameters import read_parameters
from finetuning.programs.program import (
    CONVOLUTION,
    FACTOR,
    LAYER_NORMALISATION,
    NORMALISATION,
    POOLING,
    PRODUCT,
    RESHAPING,
    SUMMAND,
    Node,
    Program,
)
from finetuning.weights import WeightsError

_MOST_BYTES = 64 * 1024**2
_KINDS = {
    "conv2d": CONVOLUTION,
    "depthwise_conv2d": CONVOLUTION,
    "batch_norm": NORMALISATION,
    "batch_norm_": NORMALISATION,
    "sync_batch_norm_": NORMALISATION,
    "layer_norm": LAYER_NORMALISATION,
    "matmul": PRODUCT,
    "matmul_v2": PRODUCT,
    "mul": PRODUCT,
    "multiply": FACTOR,
    "elementwise_mul": FACTOR,
    "add": SUMMAND,
    "elementwise_add": SUMMAND,
    "pool2d": POOLING,
    "reshape": RESHAPING,
    "reshape2": RESHAPING,
}
_SLOTS = {
    NORMALISATION: ("X", "Scale", "Bias", "Mean", "Variance"),
    LAYER_NORMALISATION: ("X", "Scale", "Bias"),
    CONVOLUTION: ("Input", "Filter", "Bias"),
}
# Where Paddle 3 keeps what the slots above name: data, mean, variance, scale, bias.
_NORMALISATION_ORDER = (0, 3, 4, 1, 2)


def read_paddle_program(model: Path) -> Program:
    """Read inference.json or inference.pdmodel and the *.pdiparams beside it.

    Raises WeightsError when a file is missing, damaged or too large.
    """
    parse: Callable[[bytes], tuple[list[Node], dict[str, str]]]
    parse = _parse_json if model.suffix == ".json" else _parse_description
    content = read_whole(model, _MOST_BYTES)
    with damage_as(f"{model.name} is damaged or no Paddle inference model."):
        nodes, parameters = parse(content)
    if not parameters:
        raise WeightsError(f"{model.name} is no Paddle inference model: it uses no parameters.")
    arrays = read_parameters(model.with_suffix(".pdiparams"), list(parameters.values()))
    # Numbers of other kinds are no weights: none of a network's own arrays is one.
    constants = {
        value: arrays[name] for value, name in parameters.items() if arrays[name].dtype.kind == "f"
    }
    return Program(tuple(nodes), constants, parameters)


def _parse_json(content: bytes) -> tuple[list[Node], dict[str, str]]:
    """Return the operators, and the parameters' names by the value that stands for them."""
    document = json.loads(content)
    if document["base_code"]["magic"] != "pir":
        raise WeightsError("The inference model is in a format of Paddle's that is not known.")
    ((block,),) = (region["blocks"] for region in document["program"]["regions"])
    nodes: list[Node] = []
    parameters: dict[str, str] = {}
    for operator in block["ops"]:
        if operator["#"] == "p":
            (name,) = (value for value in operator["A"] if isinstance(value, str))
            parameters[str(operator["O"]["%"])] = name
        else:
            nodes.append(_node_of_json(operator))
    return nodes, parameters


def _node_of_json(operator: Mapping[str, Any]) -> Node:
    name = str(operator["#"]).partition(".")[2]
    attributes = {entry["N"]: entry["AT"].get("D") for entry in operator.get("A", [])}
    inputs = tuple(str(entry["%"]) for entry in operator.get("I", []))
    kind = _KINDS.get(name, name)
    if kind == NORMALISATION:
        inputs = tuple(inputs[index] for index in _NORMALISATION_ORDER)
    if kind == POOLING and (attributes.get("adaptive") or attributes.get("global_pooling")):
        kind = "global pooling"
    return Node(
        kind,
        inputs,
        tuple(str(entry["%"]) for entry in operator.get("O", [])),
        tuple(int(entry["D"]) for entry in attributes.get("strides") or ()),
    )


def _parse_description(content: bytes) -> tuple[list[Node], dict[str, str]]:
    program = framework_pb2.ProgramDesc.FromString(content)
    (block,) = program.blocks
    parameters = {
        str(variable.name): str(variable.name)
        for variable in block.vars
        if variable.persistable and variable.name not in ("feed", "fetch")
    }
    return [_node_of_description(operator) for operator in block.ops], parameters


def _node_of_description(operator: Any) -> Node:  # noqa: ANN401  (a protocol buffer)
    kind = _KINDS.get(operator.type, str(operator.type))
    slots = {entry.parameter: list(entry.arguments) for entry in operator.inputs}
    attributes = {entry.name: entry for entry in operator.attrs}
    if kind == POOLING and any(
        attributes[name].b for name in ("adaptive", "global_pooling") if name in attributes
    ):
        kind = "global pooling"
    order = _SLOTS.get(kind, tuple(slots))
    strides = attributes["strides"].ints if "strides" in attributes else ()
    return Node(
        kind,
        tuple(name for slot in order for name in slots.get(slot, [])),
        tuple(name for entry in operator.outputs for name in entry.arguments),
        tuple(int(size) for size in strides),
    )
