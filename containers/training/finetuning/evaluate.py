"""The processing job: champion and candidate read the same slices and are compared."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from finetuning.album import Album
from finetuning.evaluation import Evaluator
from finetuning.failure import write_failure
from finetuning.labels import LabelError, read_labels
from finetuning.paths import JobPaths
from finetuning.slices import read_slices
from recognition.artefact import DICTIONARY, MANIFEST, ArtefactError, file_sha256, unpack
from recognition.recognizer import Recognizer

_BATCH = 8
_TRAINING = "training.json"


def main() -> int:
    """Run the job: 0 when evaluation.json is written, 1 with the reason in the message file."""
    paths = JobPaths.from_environment()
    try:
        _run(paths)
    # Whatever it is, SageMaker shows people the message file and nothing else.
    except Exception as error:
        sentence = write_failure(paths.processing_message, error)
        print(f"error: {sentence}", file=sys.stderr, flush=True)
        return 1
    return 0


def _run(paths: JobPaths) -> None:
    source, target = paths.processing_input, paths.processing_output
    slices = read_slices(source / "slices")
    if not slices:
        raise LabelError("slices.json lists no slices; there is nothing to evaluate on.")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        candidate_archive = source / "candidate" / "model.tar.gz"
        candidate = _load("candidate", candidate_archive, Path(scratch))
        champion, about_champion = _load_champion(source, Path(scratch))
        evaluator = Evaluator(champion, candidate, source / "images", Album(target), _announce)
        entries = [
            evaluator.evaluate(part, read_labels(source / "slices" / part.file)) for part in slices
        ]
        for name, kept in ((DICTIONARY, DICTIONARY), (MANIFEST, _TRAINING)):
            shutil.copyfile(Path(scratch) / "candidate" / name, target / kept)
    document = {
        "run_id": os.environ.get("RUN_ID", ""),
        "champion": about_champion,
        "candidate": _identity(candidate_archive, candidate),
        "slices": entries,
        "seconds": evaluator.seconds,
    }
    _write(document, target / "evaluation.json")


def _load_champion(source: Path, scratch: Path) -> tuple[Recognizer | None, dict[str, str | int]]:
    """Load the champion, or tell why there is none: nobody may be kept from replacing it."""
    about: dict[str, str | int] = {"package_arn": os.environ.get("CHAMPION_PACKAGE_ARN", "")}
    archive = source / "champion" / "model.tar.gz"
    if not about["package_arn"] and not archive.is_file():
        return None, {**about, "error": "There is no approved model."}
    try:
        champion = _load("champion", archive, scratch)
    except ArtefactError as error:
        if _is_fault_of_machine(error):
            raise
        _announce(f"{error} The candidate is measured alone.")
        return None, {**about, "error": str(error)}
    return champion, {**about, **_identity(archive, champion)}


def _is_fault_of_machine(error: BaseException) -> bool:
    """Tell a full or broken disk from an archive that is damaged, which another try cannot help."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return not isinstance(cause, FileNotFoundError)
        cause = cause.__cause__
    return False


def _load(role: str, archive: Path, scratch: Path) -> Recognizer:
    try:
        model = Recognizer.load(unpack(archive, scratch / role), batch_size=_BATCH)
        _warm_up(model)
    except ArtefactError as error:
        raise ArtefactError(f"The {role} model cannot be loaded: {error}") from error
    return model


def _warm_up(model: Recognizer) -> None:
    """Read an empty line, so that the first real one takes no longer than the others."""
    line = np.full((model.shape.height, model.shape.width, 3), 255, dtype=np.uint8)
    try:
        model.read([line])
    except MemoryError:
        raise
    # ONNX Runtime's exceptions share no base class but Exception.
    except Exception as error:
        raise ArtefactError(f"It cannot read a line: {error}") from error


def _identity(archive: Path, model: Recognizer) -> dict[str, str | int]:
    return {"sha256": file_sha256(archive), "dictionary_size": model.dictionary_size}


def _announce(text: str) -> None:
    print(text, flush=True)


def _write(document: dict[str, Any], path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
