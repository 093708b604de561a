"""package-model: make a complete model artefact from a base model."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import recognition
from finetuning.artefacts import Lineage, TrainableModel, write_model
from finetuning.base_models import (
    foreign_model,
    packaged_pp_ocrv3,
    packaged_pp_ocrv4,
    packaged_pp_ocrv5,
    packaged_pp_ocrv6,
)
from finetuning.configuration import ConfigError
from finetuning.export import ExportError
from finetuning.given_archives import innermost, unpack_model
from finetuning.labels import LabelError
from finetuning.reading_check import check_reading
from finetuning.scratch import train_tiny
from finetuning.versions import installed_versions
from finetuning.weights import WeightsError
from recognition.artefact import (
    CONFIG,
    DICTIONARY,
    MANIFEST,
    MODEL_ONNX,
    WEIGHTS,
    ArtefactError,
    pack,
    read_manifest,
    unpack,
)
from recognition.dictionary import DictionaryError

_BUILT_IN: dict[str, Callable[[], TrainableModel]] = {
    "pp-ocrv3-mobile": packaged_pp_ocrv3,
    "pp-ocrv4-mobile": packaged_pp_ocrv4,
    "pp-ocrv5-mobile": packaged_pp_ocrv5,
    "pp-ocrv6-small": packaged_pp_ocrv6,
    "tiny": train_tiny,
}
READING = "reading.json"
_REFUSALS = (ArtefactError, ConfigError, DictionaryError, ExportError, LabelError, WeightsError)
_PARTS = (WEIGHTS, CONFIG, DICTIONARY, MODEL_ONNX)


def main(arguments: list[str] | None = None) -> int:
    """Run the command: 0 when the archive is written, else 1 and one line on stderr."""
    options = _parse(arguments)
    try:
        package(options.source, options.output, options.cache, options.lines)
    except _REFUSALS as error:
        print(f"package-model: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"package-model: {error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    print(options.output)
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="package-model",
        description="Make a complete model artefact: weights, dictionary, inference, manifest.",
    )
    parser.add_argument(
        "--source",
        required=True,
        help=f"{', '.join(_BUILT_IN)}, or a directory or archive: a checkpoint (pdparams, "
        "config.yml, dict.txt) or an inference model (inference.json or inference.pdmodel, "
        "pdiparams, inference.yml)",
    )
    parser.add_argument("--output", required=True, type=Path, help="the model.tar.gz to write")
    parser.add_argument("--cache", type=Path, help="directory that keeps built-in models")
    parser.add_argument(
        "--lines",
        type=Path,
        help="dataset folder (labels/*.txt and images) to read; otherwise lines are rendered",
    )
    return parser.parse_args(arguments)


def package(
    source: str, output: Path, cache: Path | None = None, lines: Path | None = None
) -> None:
    """Write the artefact to `output`; beside it its dict.txt, and reading.json: what it could read.

    Raises ArtefactError (also when the model reads next to nothing), ConfigError, DictionaryError,
    ExportError, LabelError, WeightsError or OSError.
    """
    cached = None
    if source in _BUILT_IN and cache is not None:
        cached = cache / f"{source}-{_fingerprint(source)}.tar.gz"
    with tempfile.TemporaryDirectory() as scratch:
        model_dir = Path(scratch) / "model"
        output.parent.mkdir(parents=True, exist_ok=True)
        if cached is not None and cached.is_file():
            unpack(cached, model_dir)
            read_manifest(model_dir).verify(model_dir, _PARTS)
        else:
            _complete(source, model_dir)
        check = check_reading(model_dir, lines)
        if cached is not None and cached.is_file():
            _copy(cached, output)
        else:
            pack(model_dir, output)
            if cached is not None:
                cached.parent.mkdir(parents=True, exist_ok=True)
                _copy(output, cached)
        _copy(model_dir / DICTIONARY, output.parent / DICTIONARY)
        (output.parent / READING).write_text(json.dumps(check.as_json()), encoding="utf-8")


def _complete(source: str, model_dir: Path) -> None:
    if source in _BUILT_IN:
        write_model(_BUILT_IN[source](), Lineage(run_id="base"), {}, model_dir)
        return
    given = Path(source)
    if not given.exists():
        known = ", ".join(_BUILT_IN)
        raise ArtefactError(f"{source} is neither a built-in model ({known}) nor a file.")
    if given.is_file():
        with tempfile.TemporaryDirectory() as scratch:
            _complete_directory(unpack_model(given, Path(scratch)), model_dir)
    else:
        _complete_directory(innermost(given), model_dir)


def _complete_directory(given: Path, model_dir: Path) -> None:
    if (given / MANIFEST).is_file():
        read_manifest(given).verify(given, _PARTS)
        shutil.copytree(given, model_dir)
        return
    write_model(foreign_model(given), Lineage(run_id="base"), {}, model_dir)


def _fingerprint(source: str) -> str:
    """Name what decides the contents of a built-in model: code and packages."""
    digest = hashlib.sha256(repr((source, sorted(installed_versions().items()))).encode())
    for package in (Path(__file__).parent, *(Path(path) for path in recognition.__path__)):
        for file in sorted(package.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(target.name + ".partial")
    shutil.copyfile(source, partial)
    partial.replace(target)
