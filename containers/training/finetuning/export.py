"""Export a network for inference: Paddle's own format, and ONNX, which serving reads."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any

import paddle
import paddle2onnx
import yaml

from finetuning.networks import Network
from finetuning.reparameterization import fuse
from recognition.artefact import MODEL_ONNX
from recognition.dictionary import CharacterDictionary

_OPSET = 14


class ExportError(RuntimeError):
    """The network cannot be exported; the message is one sentence."""


def export_recognizer(
    network: Network,
    dictionary: CharacterDictionary,
    image_shape: tuple[int, int, int],
    model_name: str,
    model_dir: Path,
) -> None:
    """Write inference/{inference.json,inference.pdiparams,inference.yml,model.onnx}.

    The network itself is left as it is. Raises ExportError when a converter fails.
    """
    target = model_dir / "inference"
    target.mkdir(parents=True, exist_ok=True)
    save_static(network, [None, image_shape[0], image_shape[1], -1], target / "inference")
    _convert(target / "inference", model_dir / MODEL_ONNX)
    write_description(model_name, dictionary, image_shape, target / "inference.yml")


def export_part(part: Network, shape: list[int | None]) -> bytes:
    """Return a part of a network (the backbone) as an ONNX model for inputs of that shape."""
    with tempfile.TemporaryDirectory() as scratch:
        prefix = Path(scratch) / "part"
        save_static(part, shape, prefix)
        onnx_file = prefix.with_suffix(".onnx")
        _convert(prefix, onnx_file)
        return onnx_file.read_bytes()


def save_static(network: Network, shape: list[int | None], prefix: Path) -> dict[str, str]:
    """Write <prefix>.json and .pdiparams for images of that shape.

    Returns the network's own names of the arrays by their names in the file. Raises ExportError.
    """
    # Fusing and tracing change the network, and training goes on with the original.
    exported = copy.deepcopy(network)
    exported.eval()
    fuse(exported)
    specification = [paddle.static.InputSpec(shape=shape, dtype="float32", name="x")]
    try:
        traced = paddle.jit.to_static(exported, input_spec=specification, full_graph=True)
        paddle.jit.save(traced, str(prefix))
    except Exception as error:
        raise ExportError(f"Paddle cannot export the network: {error}.") from error
    return {tensor.name: name for name, tensor in exported.state_dict().items()}


def _convert(prefix: Path, onnx_file: Path) -> None:
    try:
        paddle2onnx.export(
            model_filename=str(prefix.with_suffix(".json")),
            params_filename=str(prefix.with_suffix(".pdiparams")),
            save_file=str(onnx_file),
            opset_version=_OPSET,
            # The optimizer it would use otherwise installs a package at run time.
            optimize_tool=None,
        )
    except Exception as error:
        raise ExportError(f"The network cannot be converted to ONNX: {error}.") from error
    if not onnx_file.is_file():
        raise ExportError("The network cannot be converted to ONNX: no file was written.")


def write_description(
    model_name: str,
    dictionary: CharacterDictionary,
    image_shape: tuple[int, int, int],
    path: Path,
) -> None:
    """Write the inference.yml that PaddleOCR 3's inference reads beside the model."""
    description: dict[str, Any] = {
        "Global": {"model_name": model_name},
        "PreProcess": {
            "transform_ops": [
                {"DecodeImage": {"channel_first": False, "img_mode": "BGR"}},
                {"RecResizeImg": {"image_shape": list(image_shape)}},
                {"KeepKeys": {"keep_keys": ["image", "label", "length"]}},
            ]
        },
        "PostProcess": {
            "name": "CTCLabelDecode",
            "character_dict": list(dictionary.characters),
        },
    }
    text = yaml.safe_dump(description, allow_unicode=True, sort_keys=False)
    path.write_text(text, encoding="utf-8")
