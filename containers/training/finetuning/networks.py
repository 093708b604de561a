"""PaddleOCR recognition networks: build, load, read back, and split into backbone and the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ppocr.modeling.architectures.base_model import BaseModel
from ppocr.modeling.heads import build_head
from ppocr.modeling.necks import build_neck

from finetuning.attention import quicken
from finetuning.configuration import Config, ConfigError
from finetuning.tiny import ARCHITECTURE_NAME as TINY
from finetuning.tiny import TinyBackbone
from finetuning.weights import Array, Weights, WeightsError

Network = Any

PP_OCRV4_ARCHITECTURE: Mapping[str, Any] = {
    "model_type": "rec",
    "algorithm": "SVTR_LCNet",
    "Transform": None,
    "Backbone": {"name": "PPLCNetV3", "scale": 0.95, "conv_kxk_num": 4},
    "Neck": {
        "name": "SequenceEncoder",
        "encoder_type": "svtr",
        "dims": 120,
        "depth": 2,
        "hidden_dims": 120,
        "kernel_size": [1, 3],
        "use_guide": False,
    },
    "Head": {"name": "CTCHead", "fc_decay": 1.0e-05},
}

PP_OCRV3_ARCHITECTURE: Mapping[str, Any] = {
    "model_type": "rec",
    "algorithm": "SVTR_LCNet",
    "Transform": None,
    "Backbone": {
        "name": "MobileNetV1Enhance",
        "scale": 0.5,
        "last_conv_stride": [1, 2],
        "last_pool_type": "avg",
        "last_pool_kernel_size": [2, 2],
    },
    "Neck": {
        "name": "SequenceEncoder",
        "encoder_type": "svtr",
        "dims": 64,
        "depth": 2,
        "hidden_dims": 120,
        "use_guide": False,
    },
    "Head": {"name": "CTCHead", "fc_decay": 1.0e-05},
}

_STUDENTS = ("Student.", "Teacher.")
_DISTILLATION_KEYS = ("pretrained", "freeze_params", "return_all_feats")


def build_network(architecture: Mapping[str, Any], classes: int) -> Network:
    """Build the network with that many outputs (the characters and the blank), in evaluation mode.

    Raises ConfigError when PaddleOCR knows no such network.
    """
    plan = copy.deepcopy(dict(architecture))
    try:
        plan["Head"]["out_channels"] = classes
        network = _build(plan)
    except (AssertionError, KeyError, TypeError, NameError) as error:
        raise ConfigError(
            f"config.yml describes no network that PaddleOCR knows: {error}."
        ) from error
    quicken(network)
    network.eval()
    return network


def _build(plan: Config) -> Network:
    if plan["Backbone"]["name"] != TINY:
        return BaseModel(plan)
    backbone = TinyBackbone(plan["Backbone"]["channels"])
    neck = build_neck({**plan["Neck"], "in_channels": backbone.out_channels})
    return joined(backbone, neck, plan["Head"])


def joined(backbone: Network, neck: Network, head: Mapping[str, Any]) -> Network:
    """Make a network as PaddleOCR makes them, of parts that it does not know.

    `head` describes the head, as in config.yml, with its `out_channels`.
    """
    network = BaseModel({"model_type": "rec"})
    network.backbone = backbone
    network.neck = neck
    network.head = build_head({**head, "in_channels": neck.out_channels})
    network.use_backbone = network.use_neck = network.use_head = True
    return network


def resize_head(network: Network, architecture: Mapping[str, Any], classes: int) -> None:
    """Replace the CTC head by a fresh one with that many outputs."""
    fresh = build_head(
        {
            **architecture["Head"],
            "in_channels": int(network.head.fc.weight.shape[0]),
            "out_channels": classes,
        }
    )
    fresh.training = network.head.training
    for layer in fresh.sublayers():
        layer.training = fresh.training
    network.head = fresh


def single_head(architecture: Mapping[str, Any]) -> Config:
    """Return the architecture with CTC alone when it is PaddleOCR's MultiHead, else a copy.

    Of a distillation it is the student's. The second head only helps training from scratch, and
    `use_guide` cuts the backbone off from the CTC loss: fine-tuning with them destroys a model
    within a few steps.
    """
    plan = _student(copy.deepcopy(dict(architecture)))
    if plan.get("Head", {}).get("name") != "MultiHead":
        return plan
    for entry in plan["Head"]["head_list"]:
        if "CTCHead" in entry:
            neck = dict(entry["CTCHead"]["Neck"])
            head = dict(entry["CTCHead"].get("Head") or {})
            neck = {**neck, "encoder_type": neck.pop("name"), "name": "SequenceEncoder"}
            plan["Neck"] = {**neck, "use_guide": False}
            plan["Head"] = {**head, "name": "CTCHead"}
            return plan
    raise ConfigError(
        "config.yml has a MultiHead without a CTCHead; only CTC models are supported."
    )


def _student(plan: Config) -> Config:
    models = plan.get("Models")
    if not isinstance(models, dict):
        return plan
    for name in _STUDENTS:
        chosen = models.get(name.removesuffix("."))
        if isinstance(chosen, dict):
            return {key: value for key, value in chosen.items() if key not in _DISTILLATION_KEYS}
    raise ConfigError("config.yml describes a distillation without a Student and a Teacher.")


def student_weights(weights: Weights) -> Weights:
    """Return the student of a distillation's checkpoint, or its teacher when it is alone.

    A checkpoint of one network is returned as it is.
    """
    for prefix in _STUDENTS:
        chosen = {
            name.removeprefix(prefix): value
            for name, value in weights.items()
            if name.startswith(prefix)
        }
        if chosen:
            return chosen
    return weights


def single_head_weights(weights: Weights) -> Weights:
    """Rename a MultiHead checkpoint's CTC branch to the plain network's names."""
    renamed = {"head.ctc_encoder.": "neck.", "head.ctc_head.": "head."}
    result: Weights = {}
    for name, value in weights.items():
        for old, new in renamed.items():
            if name.startswith(old):
                result[new + name.removeprefix(old)] = value
                break
        else:
            if not name.startswith(("head.gtc_head.", "head.before_gtc.", "head.sar_head.")):
                result[name] = value
    return result


def read_weights(network: Network) -> Weights:
    """Return copies of all parameters and statistics by name."""
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def load_into(network: Network, weights: Mapping[str, Array]) -> None:
    """Set all parameters and statistics.

    Raises WeightsError unless names and shapes match: a network that is loaded in part reads noise.
    """
    state = network.state_dict()
    missing = [name for name in state if name not in weights]
    if missing:
        raise WeightsError(
            f"The weights lack {len(missing)} of the network's {len(state)} arrays "
            f"(first: {missing[0]}); they belong to another configuration."
        )
    for name, tensor in state.items():
        value = weights[name]
        if list(value.shape) != list(tensor.shape):
            raise WeightsError(
                f"The weights' {name} has shape {list(value.shape)}, the network of config.yml "
                f"{list(tensor.shape)}; they do not belong together."
            )
        tensor.set_value(value.astype(tensor.numpy().dtype, copy=False))
