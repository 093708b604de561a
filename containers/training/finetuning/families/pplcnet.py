"""PP-OCRv4 mobile and PP-OCRv5 mobile: one network (PPLCNetV3), two dictionaries."""

from __future__ import annotations

import dataclasses

from paddle import nn

from finetuning.families.layered import LayeredFamily
from finetuning.networks import Network

BACKBONE = "PPLCNetV3"


def _stages(backbone: Network) -> list[Network]:
    # In training PaddleOCR pools every line to 40 steps, whatever its width.
    pool = nn.AvgPool2D([3, 2])
    return [
        backbone.conv1,
        backbone.blocks2,
        backbone.blocks3,
        backbone.blocks4,
        backbone.blocks5,
        backbone.blocks6,
        pool,
    ]


PP_OCRV4_MOBILE = LayeredFamily(
    name="pp-ocrv4-mobile",
    model_name="PP-OCRv4_mobile_rec",
    backbone=BACKBONE,
    stages=_stages,
    last_stage=2,
)
PP_OCRV5_MOBILE = dataclasses.replace(
    PP_OCRV4_MOBILE, name="pp-ocrv5-mobile", model_name="PP-OCRv5_mobile_rec"
)
