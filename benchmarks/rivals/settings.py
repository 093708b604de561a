"""PaddleOCR's own settings: as its documentation gives them, and as they suit this task best.

official: `configs/rec/PP-OCRv4/ch_PP-OCRv4_rec.yml` as it ships, with what the page "Fine-tune"
(docs/ppocr/model_train/finetune) says of small data: load the pretrained model, scale the learning
rate with the batch (5e-5 for 64 lines), mix in as many general lines as there are new ones.
advised: what the same page recommends for simple scenes, without the second head (GTC) and without
joining lines (RecConAug); the rest as above.
best: what reached most in trials on this task: see BEST.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Config = dict[str, Any]

_SHAPE = [3, 48, 320]
_MAX_TEXT_LENGTH = 25
_RATE_OF_64 = 5e-5
_SHIPPED_EPOCHS, _SHIPPED_WARMUP = 200, 5


@dataclass(frozen=True)
class Inputs:
    """What a training is given. Label files have absolute image names; `general` may be empty.

    grown: whether the dictionary has characters that the pretrained model lacks; PaddleOCR then
    starts with a fresh last layer.
    """

    grown: bool
    new: Path
    general: Path
    pretrained: Path
    multihead: Path
    dictionary: Path
    output: Path


@dataclass(frozen=True)
class Schedule:
    """How long: epochs, the share of the lines that each draws, and every how many is saved."""

    epochs: int
    share: float
    save_every: int
    seed: int


@dataclass(frozen=True)
class Rival:
    """One way to use PaddleOCR's tools/train.py.

    round_of: lines that its sampler takes at a time; an epoch is a number of whole rounds.
    fills_up: whether an incomplete round is filled up with lines again; otherwise it is left out.
    equal_general: as many general lines as new ones; otherwise as many as our training takes.
    """

    name: str
    title: str
    batch: int
    round_of: int
    fills_up: bool
    equal_general: bool
    environment: Mapping[str, str]
    configure: Callable[[Inputs, Schedule], Config]


@dataclass(frozen=True)
class Best:
    """The settings that trials decided (benchmarks.training.search).

    grown_learning_rate: with a grown dictionary. backbone_rate: learning rate of the backbone
    relative to the rest. conv_branches: parallel branches per convolution; the packaged weights
    fill one.
    """

    learning_rate: float = 3e-4
    grown_learning_rate: float = 2e-3
    backbone_rate: float = 1.0
    conv_branches: int = 1
    batch: int = 16
    augment: bool = False


BEST = Best()


def best_with(best: Best, name: str = "best") -> Rival:
    """Return the rival with those settings."""

    def configure(inputs: Inputs, schedule: Schedule) -> Config:
        config = _ctc_config(inputs, schedule, best.batch, augment=best.augment)
        backbone = config["Architecture"]["Backbone"]
        backbone["conv_kxk_num"] = best.conv_branches
        backbone["lr_mult_list"] = [best.backbone_rate] * 6
        config["Optimizer"]["lr"] = {
            "name": "Cosine",
            "learning_rate": best.grown_learning_rate if inputs.grown else best.learning_rate,
            "warmup_epoch": 0,
        }
        config["Optimizer"]["clip_norm_global"] = 5.0
        return config

    return Rival(
        name=name,
        title="PaddleOCR, settings that suit it best",
        batch=best.batch,
        round_of=best.batch,
        fills_up=False,
        equal_general=False,
        environment=_tuned_threads(),
        configure=configure,
    )


def _tuned_threads() -> dict[str, str]:
    cores = str(os.cpu_count() or 1)
    return {
        "OMP_NUM_THREADS": cores,
        "MKL_NUM_THREADS": cores,
        "MKL_DYNAMIC": "FALSE",
        "OMP_WAIT_POLICY": "passive",
        # Without effect on Intel's processors; on others Paddle's library then uses AVX2.
        "MKL_DEBUG_CPU_TYPE": "5",
    }


def _official(inputs: Inputs, schedule: Schedule) -> Config:
    batch = _OFFICIAL_BATCH
    config = _common(inputs, schedule, inputs.multihead)
    config["Architecture"]["Head"] = {
        "name": "MultiHead",
        "head_list": [
            {
                "CTCHead": {
                    "Neck": {"name": "svtr", **_svtr(), "use_guide": True},
                    "Head": {"fc_decay": 1e-5},
                }
            },
            {"NRTRHead": {"nrtr_dim": 384, "max_text_length": _MAX_TEXT_LENGTH}},
        ],
    }
    config["Loss"] = {
        "name": "MultiLoss",
        "loss_config_list": [{"CTCLoss": None}, {"NRTRLoss": None}],
    }
    joined = {
        "prob": 0.5,
        "ext_data_num": 2,
        "image_shape": [48, 320, 3],
        "max_text_length": _MAX_TEXT_LENGTH,
    }
    keys = ["image", "label_ctc", "label_gtc", "length", "valid_ratio"]
    encode = {"MultiLabelEncode": {"gtc_encode": "NRTRLabelEncode"}}
    keep = {"KeepKeys": {"keep_keys": keys}}
    config["Optimizer"]["lr"] = _scaled_rate(batch, schedule)
    config["Train"] = {
        "dataset": {
            "name": "MultiScaleDataSet",
            "ds_width": False,
            "data_dir": "/",
            "ext_op_transform_idx": 1,
            **_label_files(inputs, schedule),
            "transforms": [_decode(), {"RecConAug": joined}, {"RecAug": None}, encode, keep],
        },
        "sampler": {
            "name": "MultiScaleSampler",
            "scales": [[320, 32], [320, 48], [320, 64]],
            "first_bs": batch,
            "fix_bs": False,
            "divided_factor": [8, 16],
            "is_training": True,
        },
        "loader": _loader(batch, training=True),
    }
    config["Eval"] = _eval_section(inputs, [encode, _resize(), keep], batch)
    return config


def _advised(inputs: Inputs, schedule: Schedule) -> Config:
    config = _ctc_config(inputs, schedule, _OFFICIAL_BATCH, augment=True)
    config["Optimizer"]["lr"] = _scaled_rate(_OFFICIAL_BATCH, schedule)
    return config


def _ctc_config(inputs: Inputs, schedule: Schedule, batch: int, *, augment: bool) -> Config:
    config = _common(inputs, schedule, inputs.pretrained)
    neck = {"name": "SequenceEncoder", "encoder_type": "svtr", **_svtr(), "use_guide": False}
    config["Architecture"]["Neck"] = neck
    config["Architecture"]["Head"] = {"name": "CTCHead", "fc_decay": 1e-5}
    config["Loss"] = {"name": "CTCLoss"}
    encode: Config = {"CTCLabelEncode": None}
    keep = {"KeepKeys": {"keep_keys": ["image", "label", "length"]}}
    augmented: list[Config] = [{"RecAug": None}] if augment else []
    config["Train"] = {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": "/",
            **_label_files(inputs, schedule),
            "transforms": [_decode(), *augmented, encode, _resize(), keep],
        },
        "loader": _loader(batch, training=True),
    }
    config["Eval"] = _eval_section(inputs, [encode, _resize(), keep], batch)
    return config


def _common(inputs: Inputs, schedule: Schedule, pretrained: Path) -> Config:
    return {
        "Global": {
            "debug": False,
            "use_gpu": False,
            "epoch_num": schedule.epochs,
            "log_smooth_window": 20,
            # Only the log changes: every step is counted.
            "print_batch_step": 1,
            "save_model_dir": str(inputs.output),
            "save_epoch_step": schedule.save_every,
            "eval_batch_step": [0, 2000],
            "cal_metric_during_train": True,
            "pretrained_model": str(pretrained),
            "checkpoints": None,
            "save_inference_dir": None,
            "use_visualdl": False,
            "infer_img": None,
            "character_dict_path": str(inputs.dictionary),
            "max_text_length": _MAX_TEXT_LENGTH,
            "infer_mode": False,
            # The dictionary lists the space.
            "use_space_char": False,
            "distributed": False,
            "seed": schedule.seed,
        },
        "Architecture": {
            "model_type": "rec",
            "algorithm": "SVTR_LCNet",
            "Transform": None,
            "Backbone": {"name": "PPLCNetV3", "scale": 0.95},
        },
        "Optimizer": {
            "name": "Adam",
            "beta1": 0.9,
            "beta2": 0.999,
            "regularizer": {"name": "L2", "factor": 3.0e-5},
        },
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric", "main_indicator": "acc"},
    }


def _svtr() -> Config:
    return {"dims": 120, "depth": 2, "hidden_dims": 120, "kernel_size": [1, 3]}


def _scaled_rate(batch: int, schedule: Schedule) -> Config:
    return {
        "name": "Cosine",
        "learning_rate": _RATE_OF_64 * batch / 64,
        "warmup_epoch": round(schedule.epochs * _SHIPPED_WARMUP / _SHIPPED_EPOCHS),
    }


def _label_files(inputs: Inputs, schedule: Schedule) -> Config:
    files = [str(inputs.new)]
    if inputs.general.stat().st_size:
        files.append(str(inputs.general))
    return {"label_file_list": files, "ratio_list": [schedule.share] * len(files)}


def _decode() -> Config:
    return {"DecodeImage": {"img_mode": "BGR", "channel_first": False}}


def _resize() -> Config:
    return {"RecResizeImg": {"image_shape": list(_SHAPE)}}


def _eval_section(inputs: Inputs, transforms: list[Config], batch: int) -> Config:
    return {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": "/",
            "label_file_list": [str(inputs.new)],
            "transforms": [_decode(), *copy.deepcopy(transforms)],
        },
        "loader": _loader(batch, training=False),
    }


def _loader(batch: int, *, training: bool) -> Config:
    return {
        "shuffle": training,
        "drop_last": training,
        "batch_size_per_card": batch,
        "num_workers": 0,
        "use_shared_memory": False,
    }


_OFFICIAL_BATCH = 16

RIVALS: Mapping[str, Rival] = {
    rival.name: rival
    for rival in (
        Rival(
            name="official",
            title="PaddleOCR, official fine-tuning settings",
            batch=_OFFICIAL_BATCH,
            # One batch of each scale: 16 of height 32, 10 of 48, 8 of 64.
            round_of=34,
            fills_up=True,
            equal_general=True,
            environment={},
            configure=_official,
        ),
        Rival(
            name="advised",
            title="PaddleOCR, its advice for simple scenes (CTC alone)",
            batch=_OFFICIAL_BATCH,
            round_of=_OFFICIAL_BATCH,
            fills_up=False,
            equal_general=True,
            environment={},
            configure=_advised,
        ),
        best_with(BEST),
    )
}
