"""Recover trainable weights from an inference model.

An inference model stores its arrays under generated names, and each branched convolution fused into
one kernel. Walking its operators in execution order gives the arrays in the order in which the
network uses them, and our own export of the same network gives the names in that order.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Iterator
from pathlib import Path

from finetuning.export import save_static
from finetuning.networks import Network
from finetuning.programs import Program, Use, read_program
from finetuning.reparameterization import fused_state
from finetuning.weights import Array, Weights, WeightsError


def packaged_file(package: str, file: str) -> Path:
    """Return a file of an installed package, which is not imported: only its data is used.

    Raises WeightsError when the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"{package.replace('_', '-')} is missing; install requirements-nodeps.txt."
        )
    return Path(spec.submodule_search_locations[0]) / file


def has_as_many_arrays(program: Program, network: Network) -> bool:
    """Whether the program may be of this fused network: a quick look that tells most others."""
    # Single numbers may be anything: a factor of the network, or an operator's epsilon.
    found = sum(array.size > 1 for array in program.constants.values())
    return found == sum(value.size > 1 for value in fused_state(network).values())


def recover(program: Program, network: Network, shape: tuple[int, int, int]) -> Weights:
    """Return the program's arrays under the network's names; its convolutions must be fused.

    `shape` is that of an image [channels, height, width]. Raises WeightsError when the program is
    not of this network.
    """
    weights: Weights = {}
    found = program.uses()
    for name, expected in _expected_uses(network, shape):
        weights.update(_matched(name, expected, found))
    return weights


def _expected_uses(network: Network, shape: tuple[int, int, int]) -> Iterator[tuple[str, Use]]:
    """Yield the network's name of every array, and how its exported form uses it."""
    channels, height, _ = shape
    with tempfile.TemporaryDirectory() as scratch:
        prefix = Path(scratch) / "network"
        names = save_static(network, [None, channels, height, -1], prefix)
        program = read_program(prefix.with_suffix(".json"))
    for use in program.uses():
        yield names.get(use.name, ""), use


def _matched(name: str, expected: Use, found: Iterator[Use]) -> dict[str, Array]:
    for use in found:
        if use.kind == expected.kind and _same_shape(expected, use):
            if use.array is None or expected.array is None:
                return {}
            return {name: use.array.reshape(expected.array.shape)}
        # Epsilons, exponents and scales, which some formats write as arrays.
        if use.array is not None and use.array.size == 1:
            continue
        raise WeightsError(
            f"The inference model has a {_described(use)} where the network has a "
            f"{_described(expected)}{f' ({name})' if name else ''}."
        )
    raise WeightsError(f"The inference model ends before the network's {_described(expected)}.")


def _same_shape(expected: Use, found: Use) -> bool:
    if expected.strides and expected.strides != (found.strides or expected.strides):
        return False
    if expected.array is None or found.array is None:
        return expected.array is found.array
    # A bias may come ready for broadcasting.
    if expected.array.ndim == 1:
        return expected.array.size == found.array.size
    return expected.array.shape == found.array.shape


def _described(use: Use) -> str:
    size = "" if use.array is None else f" of {list(use.array.shape)}"
    strides = f" by {list(use.strides)}" if use.strides else ""
    return f"{use.kind}{size}{strides}"
