"""Names of runs, jobs, models and endpoint configurations (all at most 63 characters)."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
LONGEST_HYPERPARAMETER = 2500
_RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


def run_id(now: datetime, token: str) -> str:
    """Name a run: ``yyyymmdd-hhmmss-<6 hex>``; ``token`` is a hex string of at least 6 digits."""
    name = f"{now.astimezone(UTC):%Y%m%d-%H%M%S}-{token[:6].lower()}"
    if not _RUN_ID.fullmatch(name):
        raise ValueError(f"Cannot name a run with the token {token!r}: give 6 hex digits.")
    return name


def execution_arn(state_machine_arn: str, run: str) -> str:
    """Tell the ARN an execution of that state machine gets when it is named after the run."""
    head, kind, machine = state_machine_arn.partition(":stateMachine:")
    if not kind:
        raise ValueError(f"{state_machine_arn!r} is not the ARN of a state machine.")
    return f"{head}:execution:{machine}:{run}"


def run_of_execution(execution: str) -> str:
    """Tell the run id from an execution ARN."""
    return execution.rpartition(":")[2]


def is_pipeline_execution(arn: str) -> bool:
    """Tell the execution of a SageMaker pipeline from one of a state machine."""
    return ":pipeline/" in arn


def dataset_ids(datasets: Sequence[str]) -> str:
    """Write the names of a run's datasets as the hyperparameter of its training job.

    Quotes and backslashes need two characters, so that few long names may be too many.
    """
    return json.dumps(list(datasets), ensure_ascii=False)


def training_job(prefix: str, run: str) -> str:
    """Name the training job; the state machine adds ``-<attempt>``."""
    return f"{prefix}-{run}-train"


def evaluation_job(prefix: str, run: str) -> str:
    """Name the processing job; the state machine adds ``-<attempt>``."""
    return f"{prefix}-{run}-evaluate"


def transform_job(prefix: str, transcription: str, shard: int) -> str:
    """Name a transform job; transcriptions are named like runs."""
    return f"{transcription_model(prefix, transcription)}-{shard}"


def transcription_model(prefix: str, transcription: str) -> str:
    """Name the SageMaker model that transform jobs read with."""
    return f"{prefix}-{transcription}-transcribe"


def is_transcription_model(prefix: str, name: str) -> bool:
    """Tell whether a model name was made by ``transcription_model``."""
    return re.fullmatch(rf"{re.escape(prefix)}-{_RUN_ID.pattern}-transcribe", name) is not None


def model(prefix: str, version: int, package_arn: str, created: datetime, network: str = "") -> str:
    """Name the SageMaker model of a package in a network ("" for SageMaker's own).

    The creation time is part of the hash: a group that was deleted and made again counts its
    versions from 1, and its packages must not be taken for the old ones.
    """
    identity = f"{package_arn}{created.astimezone(UTC).isoformat()}{network}"
    return f"{_version(prefix, version)}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def is_model_of(prefix: str, name: str) -> bool:
    """Tell whether a model name was made by ``model``."""
    return re.fullmatch(rf"{re.escape(prefix)}-v\d+-[0-9a-f]{{8}}", name) is not None


def endpoint_config(prefix: str, version: int, now: datetime, token: str) -> str:
    """Name a new endpoint configuration; every deployment gets its own."""
    return f"{_version(prefix, version)}-{now.astimezone(UTC):%Y%m%d%H%M%S}-{token[:4].lower()}"


def is_endpoint_config_of(prefix: str, name: str) -> bool:
    """Tell whether a configuration's name was made by ``endpoint_config``."""
    return re.fullmatch(rf"{re.escape(prefix)}-v\d+-\d{{14}}-[0-9a-f]{{4}}", name) is not None


def _version(prefix: str, version: int) -> str:
    return f"{prefix}-v{version}"
