"""The processing job: champion and candidate read the same slices and are compared."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from finetuning.evaluation import Evaluator
from finetuning.failure import write_failure
from finetuning.labels import LabelError, read_labels
from finetuning.paths import JobPaths
from finetuning.slices import read_slices
from recognition.artefact import DICTIONARY, ArtefactError, file_sha256, unpack
from recognition.recognizer import Recognizer

_BATCH = 8


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
    with tempfile.TemporaryDirectory() as scratch:
        champion_archive = source / "champion" / "model.tar.gz"
        candidate_archive = source / "candidate" / "model.tar.gz"
        champion = _load("champion", champion_archive, Path(scratch))
        candidate = _load("candidate", candidate_archive, Path(scratch))
        evaluator = Evaluator(champion, candidate, source / "images", _announce)
        entries = [
            evaluator.evaluate(part, read_labels(source / "slices" / part.file)) for part in slices
        ]
        document = {
            "run_id": os.environ.get("RUN_ID", ""),
            "champion": {
                "package_arn": os.environ.get("CHAMPION_PACKAGE_ARN", ""),
                **_identity(champion_archive, champion),
            },
            "candidate": _identity(candidate_archive, candidate),
            "slices": entries,
        }
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(scratch) / "candidate" / DICTIONARY, target / DICTIONARY)
    _write(document, target / "evaluation.json")


def _load(role: str, archive: Path, scratch: Path) -> Recognizer:
    try:
        return Recognizer.load(unpack(archive, scratch / role), batch_size=_BATCH)
    except ArtefactError as error:
        raise ArtefactError(f"The {role} model cannot be loaded: {error}") from error


def _identity(archive: Path, model: Recognizer) -> dict[str, str | int]:
    return {"sha256": file_sha256(archive), "dictionary_size": model.dictionary_size}


def _announce(text: str) -> None:
    print(text, flush=True)


def _write(document: dict[str, Any], path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
