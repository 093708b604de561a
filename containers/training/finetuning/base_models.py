"""Base models: the packaged PP-OCRv4 mobile, and models that somebody else trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from finetuning.artefacts import TrainableModel
from finetuning.configuration import (
    Config,
    ConfigError,
    image_shape_of,
    read_config,
    uses_space,
)
from finetuning.networks import (
    PP_OCRV4_ARCHITECTURE,
    build_network,
    load_into,
    single_head,
    single_head_weights,
)
from finetuning.recovery import packaged_model, recover_fused
from finetuning.rendering import GenericLines
from finetuning.reparameterization import fuse, fused_state, unfuse
from finetuning.runtime import paddleocr_directory
from finetuning.weights import Weights, WeightsError, load_weights
from recognition.artefact import CONFIG, DICTIONARY, WEIGHTS
from recognition.dictionary import CharacterDictionary, DictionaryError
from recognition.preprocessing import LineShape, Tensor, scale_line, to_tensor

_PP_OCRV4_SHAPE = (3, 48, 320)
_CALIBRATION_LINES = 16
_CALIBRATION_SEED = 7


def packaged_pp_ocrv4() -> TrainableModel:
    """Recover PP-OCRv4 mobile's recognizer from the inference model that a package ships.

    Raises WeightsError when the package is missing or of another model.
    """
    dictionary = _packaged_dictionary("ppocr/utils/ppocr_keys_v1.txt", space=True)
    single_branch = {
        **PP_OCRV4_ARCHITECTURE,
        "Backbone": {**PP_OCRV4_ARCHITECTURE["Backbone"], "conv_kxk_num": 1},
    }
    fused = build_network(single_branch, dictionary.classes)
    fuse(fused)
    weights = recover_fused(fused, packaged_model() / "inference")
    idle = {name: value for name, value in fused_state(fused).items() if name not in weights}
    if idle:
        raise WeightsError(f"The inference model lacks an array for {next(iter(idle))}.")
    state = fused.state_dict()
    for name, value in weights.items():
        state[name].set_value(value)
    stock = build_network(PP_OCRV4_ARCHITECTURE, dictionary.classes)
    unfuse(fused, stock, _calibration_images(dictionary))
    return TrainableModel(stock, dictionary, PP_OCRV4_ARCHITECTURE, _PP_OCRV4_SHAPE)


def _packaged_dictionary(name: str, *, space: bool) -> CharacterDictionary:
    dictionary = CharacterDictionary.read(paddleocr_directory() / name)
    return dictionary.fitted_to(dictionary.classes + 1) if space else dictionary


def _calibration_images(dictionary: CharacterDictionary) -> Tensor:
    shape = LineShape.of(_PP_OCRV4_SHAPE)
    lines = [
        scale_line(line.pixels, shape)[:, : shape.width]
        for line in GenericLines(dictionary, _CALIBRATION_SEED).lines(_CALIBRATION_LINES)
    ]
    if not lines:
        # Without font packages: the network still works, only its statistics are of noise.
        noise = np.random.default_rng(_CALIBRATION_SEED).integers(0, 256, (16, 48, 320, 3))
        lines = list(noise.astype(np.uint8))
    return to_tensor(lines, shape.width)


def foreign_model(source: Path) -> TrainableModel:
    """Read a directory with *.pdparams, config.yml (or .yaml) and a dictionary, made elsewhere.

    PaddleOCR's MultiHead is reduced to its CTC branch. Raises WeightsError, ConfigError or
    DictionaryError with the reason when it is not usable.
    """
    config = read_config(_one_of(source, (CONFIG, "config.yaml", "*.yml", "*.yaml"), "config.yml"))
    architecture = single_head(config["Architecture"])
    weights = single_head_weights(
        load_weights(
            _one_of(source, (WEIGHTS, "best_model/*.pdparams", "*.pdparams"), "*.pdparams")
        )
    )
    dictionary = _fitted_dictionary(source, config, weights)
    network = build_network(architecture, dictionary.classes)
    load_into(network, weights)
    return TrainableModel(network, dictionary, architecture, image_shape_of(config))


def _one_of(source: Path, patterns: tuple[str, ...], what: str) -> Path:
    for pattern in patterns:
        found = sorted(path for path in source.glob(pattern) if path.is_file())
        if found:
            return found[0]
    raise ConfigError(f"The base model has no {what}; add the file and try again.")


def _fitted_dictionary(source: Path, config: Config, weights: Weights) -> CharacterDictionary:
    listed = str(config.get("Global", {}).get("character_dict_path") or "")
    dictionary = _find_dictionary(source, listed)
    if "head.fc.weight" not in weights:
        raise WeightsError("The weights hold no head.fc.weight; only CTC models are supported.")
    classes = int(weights["head.fc.weight"].shape[1])
    if uses_space(config) and classes == dictionary.classes + 1:
        return CharacterDictionary((*dictionary.characters, " "))
    return dictionary.fitted_to(classes)


def _find_dictionary(source: Path, listed: str) -> CharacterDictionary:
    for candidate in (source / DICTIONARY, source / Path(listed).name):
        if candidate.is_file():
            return CharacterDictionary.read(candidate)
    packaged = paddleocr_directory() / "ppocr" / "utils" / listed.partition("ppocr/utils/")[2]
    if packaged.is_file() and ".." not in packaged.parts:
        return CharacterDictionary.read(packaged)
    raise DictionaryError("The base model has no dict.txt; add its dictionary and try again.")
