"""PaddleOCR's config.yml: what is read of it, and what is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]

_MAX_TEXT_LENGTH = 100


class ConfigError(ValueError):
    """config.yml cannot be used; the message is one sentence."""


def read_config(path: Path) -> Config:
    """Read config.yml. Raises ConfigError when it is no PaddleOCR recognition configuration."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path.name} is not YAML.") from error
    if not isinstance(config, dict) or not isinstance(config.get("Architecture"), dict):
        raise ConfigError(f"{path.name} has no Architecture; it is no PaddleOCR configuration.")
    if config["Architecture"].get("model_type") != "rec":
        raise ConfigError(f"{path.name} does not describe a text recognizer (model_type: rec).")
    return config


def write_config(config: Mapping[str, Any], path: Path) -> None:
    """Write config.yml."""
    text = yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False)
    path.write_text(text, encoding="utf-8")


def image_shape_of(config: Config) -> tuple[int, int, int]:
    """Return [channels, height, width] of the network's input. Raises ConfigError when absent."""
    for part in ("Eval", "Train"):
        transforms = config.get(part, {}).get("dataset", {}).get("transforms", [])
        for transform in transforms:
            resize = transform.get("RecResizeImg") if isinstance(transform, dict) else None
            if resize and "image_shape" in resize:
                channels, height, width = (int(size) for size in resize["image_shape"])
                return channels, height, width
    raise ConfigError("config.yml names no RecResizeImg.image_shape, the size of the input.")


def uses_space(config: Config) -> bool:
    """Whether a space is added to the characters that the dictionary file lists."""
    return bool(config.get("Global", {}).get("use_space_char", False))


def recognizer_config(
    architecture: Mapping[str, Any], image_shape: Sequence[int], learning_rate: float = 5e-4
) -> Config:
    """Return a complete configuration that PaddleOCR's train, eval and export tools accept.

    The dictionary lists every character, the space included, so use_space_char stays off.
    """
    return {
        "Global": _global_section(),
        "Optimizer": {
            "name": "AdamW",
            "beta1": 0.9,
            "beta2": 0.999,
            "lr": {"name": "Cosine", "learning_rate": learning_rate, "warmup_epoch": 0},
            "regularizer": {"name": "L2", "factor": 1.0e-4},
        },
        "Architecture": dict(architecture),
        "Loss": {"name": "CTCLoss"},
        "PostProcess": {"name": "CTCLabelDecode"},
        "Metric": {"name": "RecMetric", "main_indicator": "acc", "ignore_space": False},
        "Train": _data_section("train.txt", image_shape, shuffle=True),
        "Eval": _data_section("dev.txt", image_shape, shuffle=False),
    }


def _global_section() -> Config:
    return {
        "use_gpu": False,
        "epoch_num": 3,
        "log_smooth_window": 20,
        "print_batch_step": 10,
        "save_model_dir": "./output",
        "save_epoch_step": 1,
        "eval_batch_step": [0, 2000],
        "cal_metric_during_train": True,
        "pretrained_model": "./best_accuracy",
        "checkpoints": None,
        "save_inference_dir": "./inference",
        "export_with_pir": True,
        "use_visualdl": False,
        "infer_img": None,
        "character_dict_path": "./dict.txt",
        "max_text_length": _MAX_TEXT_LENGTH,
        "infer_mode": False,
        "use_space_char": False,
        "distributed": False,
        "seed": 1,
    }


def _data_section(labels: str, image_shape: Sequence[int], *, shuffle: bool) -> Config:
    return {
        "dataset": {
            "name": "SimpleDataSet",
            "data_dir": "./",
            "label_file_list": [f"./{labels}"],
            "transforms": [
                {"DecodeImage": {"img_mode": "BGR", "channel_first": False}},
                {"CTCLabelEncode": None},
                {"RecResizeImg": {"image_shape": list(image_shape)}},
                {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
            ],
        },
        "loader": {
            "shuffle": shuffle,
            "drop_last": shuffle,
            "batch_size_per_card": 64,
            "num_workers": 0,
            "use_shared_memory": False,
        },
    }
