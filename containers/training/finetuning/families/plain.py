"""The tiny test model: five plain convolutions."""

from __future__ import annotations

from finetuning.families.layered import LayeredFamily
from finetuning.networks import Network
from finetuning.tiny import ARCHITECTURE_NAME as BACKBONE

__all__ = ["BACKBONE", "TINY"]

_LAYERS_OF_A_CONVOLUTION = 3


def _stages(backbone: Network) -> list[Network]:
    return list(backbone.layers)


TINY = LayeredFamily(
    name="tiny",
    model_name="tiny_rec",
    backbone=BACKBONE,
    stages=_stages,
    last_stage=_LAYERS_OF_A_CONVOLUTION,
)
