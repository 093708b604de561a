"""PP-OCRv3 mobile: MobileNetV1Enhance with a light SVTR neck."""

from __future__ import annotations

from finetuning.families.layered import LayeredFamily
from finetuning.networks import Network

BACKBONE = "MobileNetV1Enhance"

# The two blocks with squeeze and excitation, which double the channels.
_LAST_BLOCKS = 2


def _stages(backbone: Network) -> list[Network]:
    return [backbone.conv1, *backbone.block_list, backbone.pool]


PP_OCRV3_MOBILE = LayeredFamily(
    name="pp-ocrv3-mobile",
    model_name="PP-OCRv3_mobile_rec",
    backbone=BACKBONE,
    stages=_stages,
    last_stage=_LAST_BLOCKS + 1,
)
