"""Trainable models made of inference models: what PaddleOCR publishes and PaddleX deploys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetuning.artefacts import TrainableModel
from finetuning.calibration import calibration_images
from finetuning.configuration import ConfigError
from finetuning.families import FAMILY_KEY, Family, family_of_model, family_of_size
from finetuning.families.ppocrv6 import (
    PP_OCRV6_SMALL,
    PP_OCRV6_SMALL_ARCHITECTURE,
    network_of,
    read_graph,
)
from finetuning.networks import (
    PP_OCRV3_ARCHITECTURE,
    PP_OCRV4_ARCHITECTURE,
    Network,
    build_network,
)
from finetuning.programs import Program, read_program
from finetuning.programs.files import damage_as
from finetuning.programs.onnx_files import listed_characters, read_onnx
from finetuning.recovery import has_as_many_arrays, recover
from finetuning.reparameterization import branched_layers, fuse, fused_state, unfuse
from finetuning.tiny import TINY_ARCHITECTURE, TINY_SHAPE
from finetuning.weights import WeightsError
from recognition.artefact import DICTIONARY
from recognition.dictionary import CharacterDictionary, DictionaryError
from recognition.preprocessing import LineShape, Tensor
from recognition.recognizer import open_session

_ONNX = ".onnx"
_DESCRIPTION = "inference.yml"
_MOST_DESCRIPTION_BYTES = 16 * 1024**2
# Of lines; files of other sizes are damaged or of something else.
_HEIGHTS = range(8, 513)
_WIDTHS = range(8, 8193)
_PP_OCR_SHAPE = (3, 48, 320)
# Of probabilities; the same arrays differ by a few millionths.
_TOLERANCE = 1e-3

# Each with the size of the images it is meant for.
_ARCHITECTURES: tuple[tuple[Mapping[str, Any], tuple[int, int, int]], ...] = (
    (PP_OCRV4_ARCHITECTURE, _PP_OCR_SHAPE),
    (PP_OCRV3_ARCHITECTURE, _PP_OCR_SHAPE),
    # The same with the pooling that PaddleOCR takes where config.yml names none.
    (
        {
            **PP_OCRV3_ARCHITECTURE,
            "Backbone": {**PP_OCRV3_ARCHITECTURE["Backbone"], "last_pool_kernel_size": [3, 2]},
        },
        _PP_OCR_SHAPE,
    ),
    (TINY_ARCHITECTURE, TINY_SHAPE),
)


@dataclass(frozen=True)
class Description:
    """What inference.yml tells of a model: PaddleOCR 3's name of it, characters, size of images."""

    model_name: str = ""
    characters: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None


class _Global(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    model_name: str = ""


class _PostProcess(BaseModel):
    character_dict: tuple[str, ...] = Field(min_length=1)


class _PreProcess(BaseModel):
    transform_ops: tuple[dict[str, Any], ...] = ()


class _InferenceYml(BaseModel):
    names: _Global = Field(default=_Global(), alias="Global")
    before: _PreProcess = Field(default=_PreProcess(), alias="PreProcess")
    after: _PostProcess = Field(alias="PostProcess")


def read_description(path: Path) -> Description:
    """Read inference.yml. Raises ConfigError when it does not describe a recognizer."""
    try:
        if path.stat().st_size > _MOST_DESCRIPTION_BYTES:
            raise ConfigError(f"{path.name} is larger than a description can be.")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        document = _InferenceYml.model_validate(yaml.safe_load(content.decode("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise ConfigError(f"{path.name} is malformed at {where}: {first['msg']}.") from error
    # Dates and numbers that are none raise a plain ValueError.
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path.name} is not YAML.") from error
    return Description(
        document.names.model_name,
        document.after.character_dict,
        _image_shape(document.before.transform_ops, path.name),
    )


def _image_shape(operations: tuple[dict[str, Any], ...], file: str) -> tuple[int, int, int] | None:
    for operation in operations:
        resize = operation.get("RecResizeImg")
        if isinstance(resize, dict) and "image_shape" in resize:
            try:
                channels, height, width = (int(size) for size in resize["image_shape"])
            except (OverflowError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"{file} names no RecResizeImg.image_shape of three numbers."
                ) from error
            if channels != 3 or height not in _HEIGHTS or width not in _WIDTHS:
                raise ConfigError(
                    f"{file} names RecResizeImg.image_shape {[channels, height, width]}, "
                    "which is no size of a colour image of a line."
                )
            return channels, height, width
    return None


def inference_model(model: Path, dictionary_file: Path | None = None) -> TrainableModel:
    """Recover what inference.json, inference.pdmodel or an ONNX file was made of.

    inference.yml beside it tells name and characters; else the characters come from the dictionary
    file, dict.txt beside it, or the ONNX file itself. Nothing of a Paddle file is executed.

    Raises WeightsError, ConfigError, DictionaryError or ArtefactError when it is not of a known
    family.
    """
    description = _described(model, dictionary_file)
    if not description.characters:
        raise DictionaryError(
            "The inference model comes without its characters; "
            f"add its {_DESCRIPTION} or its dictionary as {DICTIONARY}."
        )
    family = family_of_model(description.model_name) if description.model_name else None
    if family is PP_OCRV6_SMALL and model.suffix != _ONNX:
        raise WeightsError(
            f"{model.name} is of {family.model_name}, which can be used as an ONNX file only; "
            "give a folder with that alone."
        )
    if model.suffix == _ONNX and family in (None, PP_OCRV6_SMALL):
        try:
            return _onnx_backed(model, description)
        except WeightsError:
            if family is not None:
                raise
    return _recovered(model, description, family)


def _described(model: Path, dictionary_file: Path | None) -> Description:
    description = model.with_name(_DESCRIPTION)
    if dictionary_file is None and description.is_file():
        return read_description(description)
    for file in (dictionary_file, model.with_name(DICTIONARY), model.parent.parent / DICTIONARY):
        if file is not None and file.is_file():
            return Description(characters=CharacterDictionary.read(file).characters)
    if model.suffix == _ONNX:
        return Description(characters=listed_characters(read_onnx(model)))
    return Description()


def _onnx_backed(model: Path, description: Description) -> TrainableModel:
    architecture = PP_OCRV6_SMALL_ARCHITECTURE
    graph = read_graph(model, architecture)
    classes = graph.slots[-1].shape[-1]
    dictionary = CharacterDictionary(description.characters).fitted_to(classes)
    network = network_of(graph, architecture, classes)
    shape = description.image_shape or _PP_OCR_SHAPE
    _probe(network, shape)
    return TrainableModel(network, dictionary, architecture, shape)


def _recovered(model: Path, description: Description, family: Family | None) -> TrainableModel:
    program = read_program(model)
    dictionary = CharacterDictionary(description.characters).fitted_to(_classes(program))
    reason = "The inference model has another number of arrays."
    for architecture, usual_shape in _candidates(family):
        fused = _fused_network(architecture, dictionary.classes)
        if not has_as_many_arrays(program, fused):
            continue
        try:
            _load(program, fused, usual_shape)
        except WeightsError as error:
            reason = str(error)
            continue
        shape = description.image_shape or usual_shape
        image, found = _probe(fused, shape)
        if model.suffix == _ONNX:
            _require_same(model, image, found)
        named = family or family_of_size(architecture, dictionary.classes)
        network = _stock(fused, architecture, dictionary, LineShape.of(shape))
        return TrainableModel(network, dictionary, {**architecture, FAMILY_KEY: named.name}, shape)
    wanted = family.model_name if family else "any family that can be trained"
    raise WeightsError(f"{model.name} is no model of {wanted}: {reason}")


def _classes(program: Program) -> int:
    last = [use.array for use in program.uses() if use.array is not None and use.array.size > 1]
    if not last or last[-1].ndim != 1:
        raise WeightsError("The inference model does not end with a CTC head; it is another model.")
    return int(last[-1].shape[0])


def _candidates(
    family: Family | None,
) -> Iterator[tuple[Mapping[str, Any], tuple[int, int, int]]]:
    for architecture, shape in _ARCHITECTURES:
        backbone = architecture["Backbone"]["name"]
        if family is None or backbone == family.backbone:
            yield architecture, shape


def _fused_network(architecture: Mapping[str, Any], classes: int) -> Network:
    """Build the network with one branch per convolution, and fuse that."""
    single = {**architecture, "Backbone": {**architecture["Backbone"]}}
    if "conv_kxk_num" in single["Backbone"]:
        single["Backbone"]["conv_kxk_num"] = 1
    network = build_network(single, classes)
    fuse(network)
    return network


def _load(program: Program, network: Network, image_shape: tuple[int, int, int]) -> None:
    weights = recover(program, network, image_shape)
    idle = [name for name in fused_state(network) if name not in weights]
    if idle:
        raise WeightsError(f"The inference model lacks an array for {idle[0]}.")
    state = network.state_dict()
    for name, value in weights.items():
        state[name].set_value(value)


def _probe(network: Network, image_shape: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Return an image of noise [1, 3, height, width] and the network's probabilities.

    Raises ConfigError when the network cannot read images of that size.
    """
    image = np.random.default_rng(0).uniform(-1, 1, (1, *image_shape)).astype(np.float32)
    network.eval()
    try:
        with paddle.no_grad():
            return image, network(paddle.to_tensor(image)).numpy()
    # Paddle's and ONNX Runtime's errors share no base class but Exception.
    except Exception as error:
        raise ConfigError(
            f"The network cannot read images of {list(image_shape)}, "
            f"the RecResizeImg.image_shape of {_DESCRIPTION}."
        ) from error


def _require_same(model: Path, image: Tensor, found: Tensor) -> None:
    """Raise WeightsError unless the ONNX file finds the same on the image."""
    session = open_session(model)
    with damage_as(f"{model.name} cannot be run on one image of {list(image.shape[1:])}."):
        (expected,) = session.run(None, {session.get_inputs()[0].name: image})
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=0, atol=_TOLERANCE):
        raise WeightsError(
            f"{model.name} has the arrays of a known family but computes something else."
        )


def _stock(
    fused: Network,
    architecture: Mapping[str, Any],
    dictionary: CharacterDictionary,
    shape: LineShape,
) -> Network:
    """Return the network in the form that PaddleOCR's tools load."""
    if not branched_layers(fused):
        return fused
    stock = build_network(architecture, dictionary.classes)
    unfuse(fused, stock, calibration_images(dictionary, shape))
    return stock
