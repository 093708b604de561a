"""Paddle weight files, read without executing what they contain.

A .pdparams file is a pickle, and loading a pickle runs whatever callables it names. The reader here
knows the handful of NumPy constructors that Paddle writes and refuses everything else.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]
Weights = dict[str, Array]

_PARAMETER_NAMES = "StructuredToParameterName@@"


class WeightsError(ValueError):
    """The weight file cannot be used; the message is one sentence."""


def _allowed() -> dict[tuple[str, str], object]:
    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    numeric = np._core.numeric  # type: ignore[attr-defined]
    allowed: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): OrderedDict,
        ("builtins", "tuple"): tuple,
        ("__builtin__", "tuple"): tuple,
        ("_codecs", "encode"): _encode_latin1,
    }
    for package in ("numpy.core", "numpy._core"):
        allowed[f"{package}.multiarray", "_reconstruct"] = multiarray._reconstruct
        allowed[f"{package}.multiarray", "scalar"] = multiarray.scalar
        allowed[f"{package}.numeric", "_frombuffer"] = numeric._frombuffer
    return allowed


def _encode_latin1(text: str, encoding: str) -> bytes:
    # How pickle protocol 2 spells bytes; any other codec would be a foreign one.
    if encoding != "latin1":
        raise _ForbiddenError(f"codec {encoding}")
    return text.encode("latin1")


_ALLOWED = _allowed()


class _ForbiddenError(pickle.UnpicklingError):
    """The file names a callable that no weight file needs."""


class _NumpyUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _ForbiddenError(f"{module}.{name}") from None


def load_weights(path: Path) -> Weights:
    """Return the arrays of a .pdparams file by name.

    Raises WeightsError when the file is no such file, or names anything but NumPy arrays.
    """
    try:
        with path.open("rb") as stream:
            content = _NumpyUnpickler(stream, encoding="latin1").load()
    except OSError as error:
        raise WeightsError(f"{path.name} cannot be read: {error.strerror}.") from error
    except _ForbiddenError as error:
        raise WeightsError(
            f"{path.name} is refused: it holds more than arrays ({error}), "
            "which could run code when loaded."
        ) from error
    # A damaged pickle raises almost anything; none of it says more than "damaged".
    except Exception as error:
        raise WeightsError(f"{path.name} is damaged or no Paddle weight file.") from error
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path.name} is no Paddle weight file: it holds no names.")
    return {
        str(name): _as_array(value, path.name)
        for name, value in content.items()
        if name != _PARAMETER_NAMES
    }


def _as_array(value: object, file: str) -> Array:
    # Paddle writes a tensor as an array, or as the pair (name, array).
    if isinstance(value, tuple) and len(value) == 2:
        value = value[1]
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise WeightsError(f"{file} is no Paddle weight file: it holds more than numeric arrays.")
    return value


def save_weights(weights: Mapping[str, Array], path: Path) -> None:
    """Write what Paddle's own loader reads; atomic."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        pickle.dump(dict(weights), stream, protocol=4)
    partial.replace(path)
