"""Telling why a job failed, in the place SageMaker shows to people."""

from __future__ import annotations

import traceback
from pathlib import Path

from finetuning.cluster import ClusterError, ProcessLostError
from finetuning.configuration import ConfigError
from finetuning.hyperparameters import HyperparameterError
from finetuning.labels import LabelError
from finetuning.weights import WeightsError
from recognition.artefact import ArtefactError
from recognition.dictionary import DictionaryError

# SageMaker shows 1024 characters, its own words around ours included.
_SHOWN = 960

EXPECTED = (
    ArtefactError,
    ClusterError,
    ConfigError,
    DictionaryError,
    HyperparameterError,
    LabelError,
    ProcessLostError,
    WeightsError,
)


def sentence_of(error: BaseException) -> str:
    """Return the one line that says what is wrong."""
    if isinstance(error, EXPECTED):
        text = str(error)
    elif isinstance(error, MemoryError):
        text = "The job ran out of memory; use a smaller batch_size or a larger instance."
    else:
        text = "".join(traceback.format_exception_only(error)).strip()
    return " ".join(text.split())[-_SHOWN:]


def write_failure(path: Path, error: BaseException) -> str:
    """Write the failure file, the sentence as its last line, and return the sentence.

    Errors nobody foresaw are preceded by where they happened, as far as there is room.
    """
    sentence = sentence_of(error)
    content = sentence
    if not isinstance(error, EXPECTED):
        trace = "".join(traceback.format_tb(error.__traceback__)).rstrip()
        room = _SHOWN - len(sentence) - 1
        if room > 0:
            content = f"{trace[-room:]}\n{sentence}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return sentence
