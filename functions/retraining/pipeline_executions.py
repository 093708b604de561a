"""Executions of the SageMaker pipeline, told like executions of the Retrain state machine.

A pipeline says of an execution that it failed, not why, and of one that succeeded nothing at all;
its steps say both.
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ListPipelineExecutionSteps.html
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import failure
from retraining.executions import Described
from retraining.outcomes import Ended

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import PipelineExecutionStepTypeDef

# SageMaker cuts an output of a Lambda step that is longer.
LONGEST_OUTPUT = 1024
_STATUS = {
    "Succeeded": "SUCCEEDED",
    "Failed": "FAILED",
    "CompletedWithFailures": "FAILED",
    "Stopped": "ABORTED",
}
_OUTCOME_OF_APPROVAL = {
    "Approved": "Promoted",
    "PendingManualApproval": "Awaiting approval",
    "Rejected": "Rejected",
}


class PipelineExecutions:
    """Looks up executions of pipelines."""

    def __init__(self, client: "SageMakerClient") -> None:
        """Ask the given service."""
        self._client = client

    def describe(self, run_id: str, execution_arn: str) -> Described | None:
        """Look up the execution that is a run; None when there is none.

        Raises botocore's ClientError when SageMaker refuses.
        """
        try:
            found = self._client.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFound":
                return None
            raise
        status = _STATUS.get(found.get("PipelineExecutionStatus", ""))
        if not status:
            return Described(None)
        steps = list(self._steps(execution_arn))
        result = result_of(outputs_of(steps))
        # A pipeline that finds nothing to train on has no other end than a step that fails.
        came_to_an_end = status == "SUCCEEDED" or (status == "FAILED" and result["outcome"])
        step, cause = _failure(steps, found.get("FailureReason", ""))
        return Described(
            Ended(
                run_id=run_id,
                status="SUCCEEDED" if came_to_an_end else status,
                datasets=(),
                output=result if came_to_an_end else {},
                error=step if status == "FAILED" else "",
                cause=cause if status == "FAILED" else "",
                ended_at=found.get("LastModifiedTime", datetime.now(UTC)).astimezone(UTC),
            )
        )

    def outputs(self, execution_arn: str) -> dict[str, str]:
        """Tell what the functions of an execution have answered so far, by name of the output."""
        return outputs_of(self._steps(execution_arn))

    def _steps(self, execution_arn: str) -> "Iterator[PipelineExecutionStepTypeDef]":
        pages = self._client.get_paginator("list_pipeline_execution_steps")
        for page in pages.paginate(PipelineExecutionArn=execution_arn, SortOrder="Ascending"):
            yield from page["PipelineExecutionSteps"]


def outputs_of(steps: "Iterable[PipelineExecutionStepTypeDef]") -> dict[str, str]:
    """Gather the outputs of all Lambda steps; their names are chosen to be different."""
    return {
        str(each["Name"]): str(each["Value"])
        for step in steps
        for each in step.get("Metadata", {}).get("Lambda", {}).get("OutputParameters", [])
    }


def result_of(outputs: Mapping[str, str]) -> dict[str, Any]:
    """Tell what came of a run that succeeded, in the words of the Retrain state machine.

    An approved candidate counts as promoted: its deployment begins when the pipeline has ended.
    """
    outcome = outputs.get("outcome") or _OUTCOME_OF_APPROVAL.get(
        outputs.get("approval_status", ""), ""
    )
    return {
        "outcome": outcome,
        "reason": outputs.get("headline") or outputs.get("reason", ""),
        "package_arn": outputs.get("package_arn", ""),
    }


def _failure(steps: "Sequence[PipelineExecutionStepTypeDef]", otherwise: str) -> tuple[str, str]:
    """Find the step that failed and its own words, as an error and a cause."""
    for step in steps:
        if step.get("StepStatus") == "Failed":
            name = step.get("StepName", "")
            told = failure.explain(name, step.get("FailureReason", "")).reason
            return f"Pipeline.{name}", json.dumps({"errorMessage": f"{name}: {told}"})
    return "Pipeline.Failed", otherwise
