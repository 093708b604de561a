"""An inference model as data: operators in the order of execution and the arrays they use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from finetuning.weights import Array

# What an operator's array is for, by whatever name a file format calls the operator.
CONVOLUTION = "convolution"
NORMALISATION = "batch normalisation"
LAYER_NORMALISATION = "layer normalisation"
PRODUCT = "matrix product"
FACTOR = "factor"
SUMMAND = "summand"
POOLING = "pooling"
RESHAPING = "reshaping"


@dataclass(frozen=True)
class Node:
    """One operator; the inputs of normalisations are data, scale, bias, mean, variance."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Use:
    """One array where it is used; `name` is its name in the file. A pooling has neither."""

    kind: str
    name: str
    array: Array | None
    strides: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Operators in the order of execution, and the constant arrays by the value they stand for.

    `names` are the arrays' names outside the program.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    names: Mapping[str, str]

    def uses(self) -> Iterator[Use]:
        """Yield every array in the order of its use, and every pooling."""
        sources = {name: name for name in self.constants}
        for node in self.nodes:
            if node.kind == RESHAPING:
                # A reshaped array is used by what comes next.
                if node.inputs and node.inputs[0] in sources:
                    sources.update(dict.fromkeys(node.outputs, sources[node.inputs[0]]))
                continue
            if node.kind == POOLING:
                yield Use(POOLING, "", None, node.strides)
            yield from self._uses_of(node, sources)

    def _uses_of(self, node: Node, sources: Mapping[str, str]) -> Iterator[Use]:
        kinds = [node.kind] * len(node.inputs)
        if node.kind == LAYER_NORMALISATION:
            # Some formats spell it out.
            kinds = [node.kind, FACTOR, SUMMAND][: len(node.inputs)]
        for kind, name in zip(kinds, node.inputs, strict=True):
            source = sources.get(name)
            if source is not None:
                yield Use(kind, self.names[source], self.constants[source], node.strides)
