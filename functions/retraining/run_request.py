"""What steps of a run are asked with, by the state machine or by the SageMaker pipeline. Pure."""

import json
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter


def _from_text(given: object) -> object:
    return json.loads(given) if isinstance(given, str) else given


# A pipeline hands only texts and numbers from step to step, so a list may come as JSON.
DatasetNames = Annotated[list[str], BeforeValidator(_from_text), Field(min_length=1)]
_NAMES: TypeAdapter[list[str]] = TypeAdapter(DatasetNames)


def dataset_names(given: str) -> list[str]:
    """Read the datasets of a run; raises pydantic's ValidationError."""
    return _NAMES.validate_python(given)


class NotYetError(Exception):
    """The upload cannot be trained on by this run; the message says why, and what to do."""


def check_unpacked(unfinished: bool) -> None:
    """Pass when all archives were unpacked: half of one must not pass for the whole.

    Raises NotYetError.
    """
    if unfinished:
        raise NotYetError(
            "The archives are larger than one function unpacks in its time; start the pipeline "
            "again, and it goes on where it stopped."
        )


def check_trainable(outcome: str, reason: str, image_shards: int) -> None:
    """Pass when a validation found something to train on, in the words of its answer.

    Raises NotYetError.
    """
    if image_shards:
        raise NotYetError(
            "There are more images than one function reads in its time; the state machine shares "
            "them out: `ocr-retrain resume`, and `ocr-retrain retry` with the dataset's name."
        )
    if outcome:
        raise NotYetError(f"{outcome}: {reason}")
