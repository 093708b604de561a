"""The kinds of steps that the pipeline has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker.core.lambda_helper import Lambda
from sagemaker.core.workflow.properties import Properties
from sagemaker.mlops.workflow.lambda_step import (
    LambdaOutput,
    LambdaOutputTypeEnum,
    LambdaStep,
)
from sagemaker.mlops.workflow.retry import (
    SageMakerJobExceptionTypeEnum,
    SageMakerJobStepRetryPolicy,
    StepExceptionTypeEnum,
    StepRetryPolicy,
)
from sagemaker.mlops.workflow.steps import ConfigurableRetryStep, Step, StepTypeEnum

TEXT = LambdaOutputTypeEnum.String
NUMBER = LambdaOutputTypeEnum.Integer
TRUTH = LambdaOutputTypeEnum.Boolean
_DESCRIBED_BY = {
    StepTypeEnum.TRAINING: "DescribeTrainingJobResponse",
    StepTypeEnum.PROCESSING: "DescribeProcessingJobResponse",
}


class JobStep(ConfigurableRetryStep):  # type: ignore[misc]  # the SDK is not typed
    """A training or processing job whose request is given as it goes to SageMaker.

    The SDK's ModelTrainer and Processor add to a request what they think fit, and judge the job's
    role by a list of permissions of their own, which a narrow role does not pass.
    """

    def __init__(
        self, name: str, kind: StepTypeEnum, request: Mapping[str, Any], description: str
    ) -> None:
        """Make the step; ``request`` may hold values that are known in an execution only."""
        super().__init__(name, kind, description=description, retry_policies=_retries())
        self._request = request
        self._properties = Properties(step_name=name, step=self, shape_name=_DESCRIBED_BY[kind])

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The request."""
        return self._request

    @property
    def properties(self) -> Any:  # noqa: ANN401  # the SDK's own, made from botocore's shapes
        """What SageMaker says of the job when it has ended."""
        return self._properties


class FunctionStep(LambdaStep):  # type: ignore[misc]
    """A call of one of the stack's functions."""

    def __init__(
        self,
        name: str,
        function_arn: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, LambdaOutputTypeEnum],
        description: str,
        after: Sequence[Step] = (),
    ) -> None:
        """Make the step; ``outputs`` names what is used of the function's answer."""
        super().__init__(
            name,
            Lambda(function_arn=function_arn, session=object()),
            description=description,
            inputs=dict(inputs),
            outputs=[LambdaOutput(each, kind) for each, kind in outputs.items()],
            depends_on=list(after) or None,
        )

    def __getitem__(self, output: str) -> Any:  # noqa: ANN401  # a placeholder of the SDK
        """Give what stands for an output in the arguments of other steps."""
        return self.properties.Outputs[output]


def _retries() -> list[Any]:
    """Wait for quotas and capacity, because the data will still be there in an hour."""
    job, step = SageMakerJobExceptionTypeEnum, StepExceptionTypeEnum
    return [
        SageMakerJobStepRetryPolicy(
            exception_types=[job.RESOURCE_LIMIT],
            failure_reason_types=[job.CAPACITY_ERROR],
            interval_seconds=300,
            backoff_rate=1.5,
            max_attempts=12,
        ),
        StepRetryPolicy(
            exception_types=[step.SERVICE_FAULT, step.THROTTLING],
            interval_seconds=5,
            backoff_rate=2.0,
            max_attempts=5,
        ),
    ]
