"""Starting a transcription's execution, following it, and stopping it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from ocr_retrain.errors import UserError
from ocr_retrain.executions import Execution, describe_execution, execution_arn
from ocr_retrain.exits import ExitCode
from ocr_retrain.s3_uris import split_uri
from ocr_retrain.transcription.record import Transcription

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud

# Counting answers takes a request per thousand of them.
_ANSWERS_PER_SECOND_OF_PATIENCE = 2_000


class EndedJob(BaseModel):
    """How a transform job ended: ``error`` is empty when it read everything."""

    job: str
    error: str = ""
    cause: str = ""


class _Output(BaseModel):
    jobs: tuple[EndedJob, ...]


def start(cloud: Cloud, transcription: Transcription) -> None:
    """Start the execution that makes the model and runs the jobs."""
    cloud.stepfunctions.start_execution(
        stateMachineArn=cloud.stack.transcribe_state_machine,
        name=transcription.transcription_id,
        input=transcription.for_state_machine(),
    )


def follow(
    cloud: Cloud, transcription: Transcription, on_count: Callable[[int], None]
) -> Execution:
    """Wait for the end, telling how many answers there are meanwhile."""
    arn = _arn(cloud, transcription)
    while True:
        execution = describe_execution(cloud.stepfunctions, arn)
        count = count_answers(cloud, transcription)
        on_count(count)
        if execution.is_over:
            return execution
        time.sleep(max(cloud.poll_seconds, count / _ANSWERS_PER_SECOND_OF_PATIENCE))


def stop(cloud: Cloud, transcription: Transcription) -> None:
    """Stop the jobs, keep what they have read, and delete the model."""
    cloud.stepfunctions.stop_execution(
        executionArn=_arn(cloud, transcription), cause="Stopped with ocr-retrain transcribe."
    )
    # What is left, the clean-up of a deployment deletes.
    with contextlib.suppress(ClientError):
        cloud.sagemaker.delete_model(ModelName=transcription.model_name)


def count_answers(cloud: Cloud, transcription: Transcription) -> int:
    """Return how many images have an answer."""
    paginator = cloud.s3.get_paginator("list_objects_v2")
    count = 0
    for shard in transcription.shards:
        bucket, prefix = split_uri(shard.output_uri)
        pages = paginator.paginate(Bucket=bucket, Prefix=f"{prefix}/")
        count += sum(page.get("KeyCount", 0) for page in pages)
    return count


def failures(cloud: Cloud, execution: Execution) -> dict[str, str]:
    """Return why jobs failed, by their names.

    Raises UserError when the execution failed beside its jobs, so that nothing was read.
    """
    if execution.status in ("ABORTED", "TIMED_OUT"):
        return {}
    if execution.status != "SUCCEEDED":
        told = execution.cause or execution.error or execution.status
        raise UserError(f"The transcription failed: {told}", ExitCode.FAILED)
    try:
        ended = _Output.model_validate_json(execution.output).jobs
    except ValidationError as error:
        raise UserError("The transcription's result cannot be understood.") from error
    return {each.job: _reason(cloud, each) for each in ended if each.error}


def _reason(cloud: Cloud, ended: EndedJob) -> str:
    if ended.error == "States.Timeout":
        return "it took longer than MaxTranscriptionSeconds"
    try:
        job = cloud.sagemaker.describe_transform_job(TransformJobName=ended.job)
    except ClientError:
        # It was never made.
        return ended.cause or ended.error
    return job.get("FailureReason") or f"it is {job['TransformJobStatus']}"


def _arn(cloud: Cloud, transcription: Transcription) -> str:
    return execution_arn(cloud.stack.transcribe_state_machine, transcription.transcription_id)
