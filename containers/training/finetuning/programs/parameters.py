"""Paddle's combined parameter files (*.pdiparams): arrays one after the other, without names."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from paddle.base.proto import framework_pb2

from finetuning.programs.files import read_whole
from finetuning.weights import Array, Weights, WeightsError

_MOST_BYTES = 2 * 1024**3
_MOST_DIMENSIONS = 8
_TYPES: Mapping[int, np.dtype[Any]] = {
    framework_pb2.VarType.FP32: np.dtype("<f4"),
    framework_pb2.VarType.FP16: np.dtype("<f2"),
    framework_pb2.VarType.FP64: np.dtype("<f8"),
    framework_pb2.VarType.INT32: np.dtype("<i4"),
    framework_pb2.VarType.INT64: np.dtype("<i8"),
    framework_pb2.VarType.UINT8: np.dtype("u1"),
    framework_pb2.VarType.INT8: np.dtype("i1"),
    framework_pb2.VarType.BOOL: np.dtype("?"),
}


def read_parameters(path: Path, names: Sequence[str]) -> Weights:
    """Return the arrays of the file by name; Paddle writes them in the order of their names.

    Half precision becomes single precision. Raises WeightsError when the file is damaged or holds
    another number of arrays.
    """
    reader = _Reader(read_whole(path, _MOST_BYTES), path.name)
    found = {name: reader.array() for name in sorted(set(names))}
    if not reader.is_at_end():
        raise WeightsError(f"{path.name} holds more arrays than the inference model asks for.")
    return found


class _Reader:
    def __init__(self, content: bytes, name: str) -> None:
        self._content = content
        self._name = name
        self._position = 0

    def is_at_end(self) -> bool:
        return self._position == len(self._content)

    def array(self) -> Array:
        """Read version, nesting, version, description and values."""
        if self._number("<I") != 0:
            raise self._damaged()
        for _ in range(self._number("<Q")):
            self._take(self._number("<Q"))
        if self._number("<I") != 0:
            raise self._damaged()
        try:
            tensor = framework_pb2.VarType.TensorDesc.FromString(self._take(self._number("<i")))
        # Protocol buffers' errors share no base class but Exception.
        except Exception as error:
            raise self._damaged() from error
        dimensions = [int(size) for size in tensor.dims]
        if tensor.data_type not in _TYPES or len(dimensions) > _MOST_DIMENSIONS:
            raise self._damaged()
        if any(size < 1 for size in dimensions):
            raise self._damaged()
        kind = _TYPES[tensor.data_type]
        values = np.frombuffer(self._take(math.prod(dimensions) * kind.itemsize), dtype=kind)
        target = np.dtype(np.float32) if kind.kind == "f" else kind
        return np.array(values.reshape(dimensions), dtype=target)

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(value)

    def _take(self, size: int) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._content):
            raise self._damaged()
        taken = self._content[self._position : end]
        self._position = end
        return taken

    def _damaged(self) -> WeightsError:
        return WeightsError(
            f"{self._name} is damaged, or does not belong to the inference model beside it."
        )
