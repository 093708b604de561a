"""Families: cut anywhere, a network computes the same; the frozen one is rebuilt exactly."""

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import paddle
import pytest
from onnx import numpy_helper
from paddle import nn
from ppocr.modeling.backbones.rec_svtrnet import Attention

from finetuning.artefacts import Lineage, TrainableModel, load_model, write_model
from finetuning.attention import QuickAttention, QuickDropout, quicken
from finetuning.configuration import ConfigError
from finetuning.device import Device
from finetuning.export import ExportError
from finetuning.families import Depth, Front, family_of, family_of_model, family_of_size
from finetuning.families.ppocrv6 import (
    PP_OCRV6_SMALL_ARCHITECTURE,
    difference_to,
    network_of,
    read_graph,
)
from finetuning.growth import with_dictionary
from finetuning.networks import (
    PP_OCRV3_ARCHITECTURE,
    PP_OCRV4_ARCHITECTURE,
    build_network,
    load_into,
    read_weights,
)
from finetuning.parts import TrainedPart
from finetuning.recovery import packaged_file
from finetuning.reparameterization import branched_layers, fuse, unfuse
from finetuning.tiny import TINY_ARCHITECTURE
from finetuning.weights import WeightsError
from recognition.artefact import MODEL_ONNX
from recognition.dictionary import CharacterDictionary, DictionaryError
from recognition.preprocessing import LineShape
from recognition.recognizer import Recognizer, open_session

from . import computing
from .computing import run

CPU = Device("cpu")
DIGITS = CharacterDictionary(tuple("0123456789"))
V6_ONNX = packaged_file("rapidocr", "models/PP-OCRv6_rec_small.onnx")
V3_ONNX = packaged_file("rapidocr_onnxruntime", "models/ch_PP-OCRv3_rec_infer.onnx")

Models = Callable[[str], TrainableModel]
Fronts = Callable[[str, Depth], Front | None]


@pytest.fixture(scope="module")
def models(tiny_dir: Path, pp_ocrv4: TrainableModel, pp_ocrv6: TrainableModel) -> Models:
    paddle.seed(1)
    network = build_network(PP_OCRV3_ARCHITECTURE, DIGITS.classes)
    return {
        "tiny": load_model(tiny_dir)[0],
        "pp-ocrv3-mobile": TrainableModel(network, DIGITS, PP_OCRV3_ARCHITECTURE, (3, 48, 320)),
        "pp-ocrv4-mobile": pp_ocrv4,
        "pp-ocrv6-small": pp_ocrv6,
    }.__getitem__


@pytest.fixture(scope="module")
def fronts(models: Models) -> Fronts:
    """Return fronts; each is exported once."""

    @cache
    def of(name: str, depth: Depth) -> Front | None:
        model = models(name)
        shape = LineShape.of(model.image_shape)
        return model.family.front(model.network, depth, shape, CPU)

    return of


def images(model: TrainableModel, width: int, lines: int = 2) -> Any:
    return computing.images(width, lines, height=model.image_shape[1])


def through(layers: list[Any], inputs: Any) -> Any:
    with paddle.no_grad():
        found = paddle.to_tensor(inputs)
        for layer in layers:
            found = layer(found)
        return found.numpy()


CUTS = [
    *((name, depth) for name in ("tiny", "pp-ocrv3-mobile", "pp-ocrv4-mobile") for depth in Depth),
    ("pp-ocrv6-small", Depth.HEAD),
]


@pytest.mark.parametrize(("name", "depth"), CUTS)
def test_front_and_end_together_are_the_network(
    models: Models, fronts: Fronts, name: str, depth: Depth
) -> None:
    model = models(name)
    family = model.family
    front = fronts(name, depth)
    end = family.end(model.network, depth)

    assert family.name == name
    assert (front is None) == (depth is Depth.FULL)
    assert end[-1] is model.network.head
    for width in (model.image_shape[2], 2 * model.image_shape[2] + 32):
        batch = images(model, width)
        expected = run(model.network, batch)
        features = batch if front is None else front(batch)
        assert features.dtype == np.float32
        np.testing.assert_allclose(through(end, features), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "depth"), CUTS)
def test_in_training_the_end_sees_lines_as_in_evaluation(
    models: Models, fronts: Fronts, name: str, depth: Depth
) -> None:
    model = models(name)
    front = fronts(name, depth)
    end = model.family.end(model.network, depth)
    # PaddleOCR's own backbones make 40 steps of any width in training.
    batch = images(model, 2 * model.image_shape[2])
    features = batch if front is None else front(batch)
    model.network.eval()
    expected = through(end, features)

    try:
        for layer in end:
            layer.train()
            for inner in layer.sublayers(include_self=True):
                if isinstance(inner, (nn.BatchNorm2D, nn.BatchNorm, nn.Dropout)):
                    inner.eval()
        logits = through(end, features)
    finally:
        model.network.eval()

    found = np.exp(logits - logits.max(axis=2, keepdims=True))
    np.testing.assert_allclose(found / found.sum(axis=2, keepdims=True), expected, atol=1e-4)


def test_training_leaves_the_statistics_of_every_kind_of_normalisation(models: Models) -> None:
    model = models("pp-ocrv3-mobile")
    network = copy.deepcopy(model.network)
    part = TrainedPart(model.family, network, Depth.FULL, LineShape.of(model.image_shape), CPU)
    before = read_weights(network)

    part.train()
    through(part.layers(), images(model, 320))

    assert any(type(layer) is nn.BatchNorm for layer in network.sublayers())
    for name, value in read_weights(network).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


@pytest.mark.parametrize(
    ("name", "frozen", "trained"),
    [
        ("tiny", "backbone.layers.9.", "backbone.layers.12."),
        ("pp-ocrv3-mobile", "backbone.block_list.10.", "backbone.block_list.11."),
        ("pp-ocrv4-mobile", "backbone.blocks5.", "backbone.blocks6."),
    ],
)
def test_training_in_part_reaches_into_the_last_stage(
    models: Models, name: str, frozen: str, trained: str
) -> None:
    model = models(name)
    end = model.family.end(model.network, Depth.PARTIAL)
    inside = {id(parameter) for layer in end for parameter in layer.parameters()}
    names = {
        name for name, parameter in model.network.named_parameters() if id(parameter) in inside
    }

    assert any(name.startswith(trained) for name in names)
    assert not any(name.startswith(frozen) for name in names)
    assert {"head.fc.weight", "head.fc.bias"} <= names


@pytest.mark.parametrize("name", ["tiny", "pp-ocrv3-mobile", "pp-ocrv6-small"])
def test_another_dictionary_changes_the_head_alone(models: Models, name: str) -> None:
    model = models(name)
    before = read_weights(model.network)

    resized = with_dictionary(model, CharacterDictionary(tuple("abcdefg")))

    after = read_weights(resized.network)
    assert resized.network.head.fc.weight.shape[-1] == resized.dictionary.classes == 8
    for part, value in before.items():
        np.testing.assert_array_equal(read_weights(model.network)[part], value)
        if not part.startswith("head."):
            np.testing.assert_array_equal(after[part], value)
    batch = images(model, 320)
    assert run(resized.network, batch).shape[2] == 8
    assert resized.network.head.training is False


def test_a_network_fused_in_part_becomes_stock_again(pp_ocrv4: TrainableModel) -> None:
    trained = copy.deepcopy(pp_ocrv4.network)
    for layer in pp_ocrv4.family.end(trained, Depth.PARTIAL):
        fuse(layer)
    fused = {name for name, layer in branched_layers(trained).items() if layer.is_repped}
    stock = build_network(pp_ocrv4.architecture, pp_ocrv4.dictionary.classes)

    unfuse(trained, stock, images(pp_ocrv4, 320, lines=4))

    assert {name.split(".")[1] for name in fused} == {"blocks6"}
    batch = images(pp_ocrv4, 320)
    np.testing.assert_allclose(run(stock, batch), run(trained, batch), atol=1e-4)
    before, after = read_weights(pp_ocrv4.network), read_weights(stock)
    for name, value in before.items():
        if name.startswith("backbone.blocks5."):
            np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize(
    ("architecture", "classes", "expected"),
    [
        (PP_OCRV4_ARCHITECTURE, 6625, "pp-ocrv4-mobile"),
        (PP_OCRV4_ARCHITECTURE, 18385, "pp-ocrv5-mobile"),
        (PP_OCRV3_ARCHITECTURE, 6625, "pp-ocrv3-mobile"),
        (TINY_ARCHITECTURE, 20_000, "tiny"),
    ],
)
def test_where_nothing_names_the_family_the_dictionary_decides(
    architecture: dict[str, Any], classes: int, expected: str
) -> None:
    assert family_of_size(architecture, classes).name == expected


@pytest.mark.parametrize(
    ("model_name", "expected"),
    [
        ("PP-OCRv3_mobile_rec", "pp-ocrv3-mobile"),
        ("PP-OCRv4_mobile_rec", "pp-ocrv4-mobile"),
        ("PP-OCRv5_mobile_rec", "pp-ocrv5-mobile"),
        ("latin_PP-OCRv5_mobile_rec", "pp-ocrv5-mobile"),
        ("PP-OCRv6_small_rec", "pp-ocrv6-small"),
    ],
)
def test_paddleocr_s_name_tells_the_family(model_name: str, expected: str) -> None:
    assert family_of_model(model_name).name == expected


def test_the_configuration_keeps_the_family_when_the_dictionary_has_changed() -> None:
    architecture = {**PP_OCRV4_ARCHITECTURE, "family": "pp-ocrv5-mobile"}
    network = build_network(architecture, DIGITS.classes)

    config = TrainableModel(network, DIGITS, architecture, (3, 48, 320)).config

    assert family_of(config["Architecture"]).name == "pp-ocrv5-mobile"
    assert config["Global"]["model_name"] == "PP-OCRv5_mobile_rec"


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ({}, r"names no Architecture\.Backbone\.name"),
        ({"Backbone": {"name": "Unheard"}}, "the backbone Unheard cannot be trained"),
        ({"Backbone": {"name": "PPLCNetV3"}, "family": "tiny"}, "the family tiny"),
    ],
)
def test_an_unknown_family_is_refused(architecture: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        family_of(architecture)


def test_a_model_that_paddleocr_alone_can_train_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="PP-OCRv5_server_rec cannot be trained"):
        family_of_model("PP-OCRv5_server_rec")


# --- PP-OCRv6 small ---


@pytest.mark.parametrize("width", [320, 488])
def test_the_rebuilt_network_is_the_onnx_file(pp_ocrv6: TrainableModel, width: int) -> None:
    session = open_session(V6_ONNX)
    batch = images(pp_ocrv6, width)

    (expected,) = session.run(None, {"x": batch})

    found = run(pp_ocrv6.network, batch)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(found.argmax(axis=2), expected.argmax(axis=2))


def test_the_dictionary_of_the_frozen_family_is_that_of_the_file(pp_ocrv6: TrainableModel) -> None:
    assert len(pp_ocrv6.dictionary) == 18_709
    assert pp_ocrv6.dictionary.characters[0] == "!"
    assert pp_ocrv6.dictionary.characters[-1] == " "


def test_trained_weights_reach_the_exported_graph(pp_ocrv6: TrainableModel, tmp_path: Path) -> None:
    trained = dataclasses.replace(pp_ocrv6, network=copy.deepcopy(pp_ocrv6.network))
    rng = np.random.default_rng(0)
    for name, tensor in trained.network.state_dict().items():
        if "_variance" not in name:
            noise = rng.standard_normal(tensor.shape).astype(np.float32)
            tensor.set_value(tensor.numpy() + 0.003 * noise)
    assert trained.network.backbone.graph is pp_ocrv6.network.backbone.graph

    write_model(trained, Lineage("run-1"), {}, tmp_path)

    batch = images(trained, 352)
    expected = run(trained.network, batch)
    assert np.abs(expected - run(pp_ocrv6.network, batch)).max() > 1e-3
    (served,) = open_session(tmp_path / MODEL_ONNX).run(None, {"x": batch})
    np.testing.assert_allclose(served, expected, atol=1e-4)
    loaded, manifest = load_model(tmp_path)
    np.testing.assert_allclose(run(loaded.network, batch), expected, atol=1e-5)
    assert manifest.family == "pp-ocrv6-small"
    assert set(manifest.sha256) == {
        "best_accuracy.pdparams",
        "config.yml",
        "dict.txt",
        "inference/inference.yml",
        "inference/model.onnx",
    }


def test_an_exported_graph_lists_its_own_characters(
    pp_ocrv6: TrainableModel, tmp_path: Path
) -> None:
    characters = (*"0123456789 ", "\u2603")
    model = with_dictionary(pp_ocrv6, CharacterDictionary(characters))

    write_model(model, Lineage("run-1"), {}, tmp_path)

    exported = onnx.load(tmp_path / MODEL_ONNX)
    assert exported.metadata_props[0].value == "\n".join(characters)
    assert exported.graph.output[0].type.tensor_type.shape.dim[2].dim_value == 13
    onnx.checker.check_model(exported, full_check=True)
    assert Recognizer.load(tmp_path).dictionary.characters == characters


def test_the_frozen_backbone_cannot_be_trained(pp_ocrv6: TrainableModel) -> None:
    family = pp_ocrv6.family

    assert family.depths == {Depth.HEAD}
    with pytest.raises(ConfigError, match="at the depth head only, not full"):
        family.end(pp_ocrv6.network, Depth.FULL)


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[Any], None]], Path]:
    def change(how: Callable[[Any], None]) -> Path:
        model = onnx.load(V6_ONNX)
        how(model)
        onnx.save(model, tmp_path / "changed.onnx")
        return tmp_path / "changed.onnx"

    return change


def arrays_of(model: Any) -> dict[str, Any]:
    return {entry.name: entry for entry in model.graph.initializer}


def swap_equal_arrays(model: Any) -> None:
    first, second = (arrays_of(model)[f"conv2d_{index}.w_0"] for index in (65, 67))
    values = numpy_helper.to_array(first), numpy_helper.to_array(second)
    first.CopyFrom(numpy_helper.from_array(values[1], first.name))
    second.CopyFrom(numpy_helper.from_array(values[0], second.name))


def take_relu_for_sigmoid(model: Any) -> None:
    for node in model.graph.node[-150:]:
        if node.op_type == "Sigmoid":
            node.op_type = "Relu"


def go_past_the_pooling(model: Any) -> None:
    shape = onnx.helper.make_node("ReduceMean", ["x"], ["past"], keepdims=0)
    softmax = model.graph.node[-1]
    add = onnx.helper.make_node("Add", [softmax.input[0], "past"], ["moved"])
    softmax.input[0] = "moved"
    model.graph.node.insert(len(model.graph.node) - 1, shape)
    model.graph.node.insert(len(model.graph.node) - 1, add)


def pool_twice(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type == "AveragePool":
            twin = onnx.helper.make_node("AveragePool", list(node.input), ["unused"])
            twin.attribute.extend(node.attribute)
            model.graph.node.append(twin)
            return


def use_an_array_twice(model: Any) -> None:
    for node in model.graph.node:
        if node.op_type == "MatMul" and "linear_5.w_0" in node.input:
            node.input[1] = "linear_1.w_0"


def forget_numbers(model: Any) -> None:
    entry = arrays_of(model)["linear_8.b_0"]
    nothing = np.full(list(entry.dims), np.nan, dtype=np.float32)
    entry.CopyFrom(numpy_helper.from_array(nothing, entry.name))


def cut_values(model: Any) -> None:
    entry = arrays_of(model)["linear_8.b_0"]
    entry.raw_data = entry.raw_data[:-3]


def keep_arrays_elsewhere(model: Any) -> None:
    entry = arrays_of(model)["linear_8.w_0"]
    entry.ClearField("raw_data")
    entry.data_location = onnx.TensorProto.EXTERNAL
    entry.external_data.add(key="location", value="/etc/passwd")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (take_relu_for_sigmoid, "computes something else"),
        (forget_numbers, "computes something else"),
        (cut_values, "is damaged"),
        (go_past_the_pooling, "does not depend on the backbone's pooling alone"),
        (pool_twice, "has 2 average poolings"),
        (use_an_array_twice, "uses linear_1.w_0 twice"),
    ],
)
def test_another_graph_is_refused(
    changed: Callable[[Callable[[Any], None]], Path], how: Callable[[Any], None], reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason):
        network_of(
            read_graph(changed(how), PP_OCRV6_SMALL_ARCHITECTURE),
            PP_OCRV6_SMALL_ARCHITECTURE,
            18_710,
        )


def test_arrays_are_told_by_their_place_and_not_by_their_names(
    changed: Callable[[Callable[[Any], None]], Path], pp_ocrv6: TrainableModel
) -> None:
    graph = read_graph(changed(swap_equal_arrays), PP_OCRV6_SMALL_ARCHITECTURE)

    network = network_of(graph, PP_OCRV6_SMALL_ARCHITECTURE, 18_710)

    np.testing.assert_array_equal(
        network.neck.reduce.conv.weight.numpy(), pp_ocrv6.network.neck.shortcut.conv.weight.numpy()
    )


def test_a_graph_that_reads_other_files_is_refused(tmp_path: Path) -> None:
    model = onnx.load(V6_ONNX)
    keep_arrays_elsewhere(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())

    with pytest.raises(WeightsError, match="keeps arrays in other files"):
        read_graph(tmp_path / "model.onnx", PP_OCRV6_SMALL_ARCHITECTURE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no model", "is damaged"), (b"", "no recognizer"), (None, "has 0 average poolings of 3x2")],
)
def test_a_file_of_something_else_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(V3_ONNX.read_bytes() if content is None else content)

    with pytest.raises(WeightsError, match=reason):
        read_graph(path, PP_OCRV6_SMALL_ARCHITECTURE)


def test_a_dictionary_of_another_size_is_refused(pp_ocrv6: TrainableModel) -> None:
    with pytest.raises(WeightsError, match="18710 outputs where the dictionary asks for 11"):
        network_of(pp_ocrv6.network.backbone.graph, PP_OCRV6_SMALL_ARCHITECTURE, 11)


def test_a_graph_that_differs_from_the_network_is_not_written(
    pp_ocrv6: TrainableModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert difference_to(pp_ocrv6.network.backbone.graph, pp_ocrv6.network) < 1e-3
    monkeypatch.setattr("finetuning.families.ppocrv6.difference_to", lambda graph, network: 1.0)

    with pytest.raises(ExportError, match="differs from the trained one"):
        pp_ocrv6.family.export(pp_ocrv6, tmp_path)

    assert not (tmp_path / MODEL_ONNX).exists()


# --- attention and dropout ---


class Attentive(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.mixer = Attention(24, num_heads=4, qkv_bias=True, attn_drop=0.5, proj_drop=0.5)

    def forward(self, x: Any) -> Any:
        return self.mixer(x)


@pytest.fixture
def attentive() -> Attentive:
    paddle.seed(3)
    layer = Attentive()
    layer.eval()
    return layer


def test_quick_attention_is_paddleocr_s_attention(attentive: Attentive) -> None:
    sequence = paddle.randn([3, 7, 24])
    sequence.stop_gradient = False
    expected = attentive(sequence)
    expected.square().sum().backward()
    gradients = [parameter.grad.numpy() for parameter in attentive.parameters()]
    inner = sequence.grad.numpy()
    attentive.clear_gradients()
    sequence.clear_gradient()

    quicken(attentive)

    assert isinstance(attentive.mixer, QuickAttention)
    found = attentive(sequence)
    found.square().sum().backward()
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)
    np.testing.assert_allclose(sequence.grad.numpy(), inner, atol=1e-5)
    for parameter, gradient in zip(attentive.parameters(), gradients, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), gradient, atol=1e-5)


def test_quick_dropout_drops_its_share_and_keeps_the_mean(attentive: Attentive) -> None:
    quicken(attentive)
    dropout = attentive.mixer.attn_drop
    ones = paddle.ones([64, 1024])

    assert isinstance(dropout, QuickDropout)
    np.testing.assert_array_equal(dropout(ones).numpy(), ones.numpy())
    dropout.train()
    paddle.seed(1)
    first, second = dropout(ones).numpy(), dropout(ones).numpy()
    paddle.seed(1)
    again = dropout(ones).numpy()
    assert (first == 0).mean() == pytest.approx(0.5, abs=0.01)
    assert first.mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


@pytest.mark.parametrize("name", ["pp-ocrv3-mobile", "pp-ocrv6-small"])
def test_the_light_necks_are_quick(models: Models, name: str) -> None:
    kinds = {type(layer) for layer in models(name).network.sublayers()}

    assert QuickAttention in kinds
    assert QuickDropout in kinds
    assert not kinds & {Attention, nn.Dropout}


def test_weights_and_names_are_those_of_paddleocr(models: Models) -> None:
    model = models("pp-ocrv3-mobile")
    stock = build_network(PP_OCRV3_ARCHITECTURE, DIGITS.classes)
    for layer in stock.sublayers():
        if isinstance(layer, QuickAttention):
            layer.__class__ = Attention
    load_into(stock, read_weights(model.network))

    batch = images(model, 320)
    np.testing.assert_allclose(run(stock, batch), run(model.network, batch), atol=1e-6)


def test_a_dictionary_that_does_not_fit_the_file_is_refused() -> None:
    graph = read_graph(V6_ONNX, PP_OCRV6_SMALL_ARCHITECTURE)

    with pytest.raises(DictionaryError, match="do not belong together"):
        DIGITS.fitted_to(graph.slots[-1].shape[-1])
