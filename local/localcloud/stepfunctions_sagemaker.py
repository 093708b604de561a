"""Repair: the optimised SageMaker integration of Step Functions.

moto knows ``arn:aws:states:::sagemaker:*`` as unsupported. AWS offers
``create{Training,Processing,Transform}Job[.sync]``, ``createModel``, ``createEndpointConfig``,
``createEndpoint`` and ``updateEndpoint``; ``.sync`` waits for the job and answers with its
description, failing with ``States.TaskFailed`` and that description as the cause. API errors are
named after version 1 of the Java SDK: ``SageMaker.AmazonSageMakerException`` for anything without
a shape of its own, ``SageMaker.ResourceLimitExceededException`` and so on for the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import (
    ResourceCondition,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.stepfunctions_normalisation import plain_json
from localcloud.timestamps import epoch_milliseconds
from localcloud.untyped import Moto


@dataclass(frozen=True)
class _Job:
    describe: str
    stop: str
    name: str
    status: str


_JOBS = {
    "create_training_job": _Job(
        "describe_training_job", "stop_training_job", "TrainingJobName", "TrainingJobStatus"
    ),
    "create_processing_job": _Job(
        "describe_processing_job", "stop_processing_job", "ProcessingJobName", "ProcessingJobStatus"
    ),
    "create_transform_job": _Job(
        "describe_transform_job", "stop_transform_job", "TransformJobName", "TransformJobStatus"
    ),
}
_WITHOUT_SYNC = frozenset(
    {"create_model", "create_endpoint_config", "create_endpoint", "update_endpoint"}
)
_ERRORS_WITH_OWN_NAME = frozenset(
    {"ConflictException", "ResourceInUse", "ResourceLimitExceeded", "ResourceNotFound"}
)


def install(context: CloudContext) -> None:
    """Register the integration with moto's interpreter."""
    original: Callable[[str], Any] = state_task_factory.state_task_service_for
    clients = Clients.of(context)

    def service_for(service_name: str) -> Moto:
        if service_name == "sagemaker":
            return SageMakerTask(clients)
        return original(service_name)

    state_task_factory.state_task_service_for = service_for


def error_name(code: str) -> str:
    """Return what Step Functions calls an API error of this code."""
    if code not in _ERRORS_WITH_OWN_NAME:
        return "SageMaker.AmazonSageMakerException"
    return f"SageMaker.{code.removesuffix('Exception')}Exception"


class SageMakerTask(StateTaskServiceCallback):  # type: ignore[misc]
    """A Task state whose Resource is ``arn:aws:states:::sagemaker:<action>[.sync]``."""

    def __init__(self, clients: Clients) -> None:
        """Let the interpreter treat the task as one that can be waited for."""
        # moto needs the task-token pattern's endpoint to end any wait.
        super().__init__(
            supported_integration_patterns={
                ResourceCondition.Sync,
                ResourceCondition.WaitForTaskToken,
            }
        )
        self._clients = clients
        self._stop: Callable[[], object] = lambda: None

    def _get_supported_parameters(self) -> set[str] | None:
        action = self._get_boto_service_action()
        if action in _JOBS or (action in _WITHOUT_SYNC and self.resource.condition is None):
            return set()  # moto filters by a non-empty set only; boto3 validates instead
        return None

    def _eval_service_task(
        self,
        env: Moto,
        resource_runtime_part: object,
        normalised_parameters: dict[str, Any],
        state_credentials: object,
    ) -> None:
        del resource_runtime_part, state_credentials
        call = getattr(self._clients.get("sagemaker"), self._get_boto_service_action())
        env.stack.append(_answer(call(**normalised_parameters)))

    def _build_sync_resolver(
        self,
        env: Moto,
        resource_runtime_part: object,
        normalised_parameters: dict[str, Any],
        state_credentials: object,
    ) -> Callable[[], Any]:
        del resource_runtime_part, state_credentials
        env.stack.pop()
        job = _JOBS[self._get_boto_service_action()]
        name = {job.name: normalised_parameters[job.name]}
        client = self._clients.get("sagemaker")
        self._stop = lambda: getattr(client, job.stop)(**name)

        def resolve() -> dict[str, Any] | None:
            description = _answer(getattr(client, job.describe)(**name))
            status = description[job.status]
            if status in ("InProgress", "Stopping"):
                return None
            if status == "Completed":
                return description
            failed = StatesErrorNameType.StatesTaskFailed
            raise FailureEventException(
                self._failure(
                    env,
                    StatesErrorName(typ=failed),
                    failed.to_name(),
                    to_json_str(description, separators=(",", ":")),
                )
            )

        return resolve

    def cancel(self, submitted: object) -> None:
        """Stop the job that this task waits for."""
        del submitted
        self._stop()

    def _from_error(self, env: Moto, ex: Exception) -> Moto:
        if not isinstance(ex, ClientError):
            return super()._from_error(env=env, ex=ex)
        code = ex.response["Error"]["Code"]
        metadata = ex.response["ResponseMetadata"]
        name = error_name(code)
        cause = (
            f"{ex.response['Error']['Message']} (Service: AmazonSageMaker; "
            f"Status Code: {metadata.get('HTTPStatusCode')}; Error Code: {code}; "
            f"Request ID: {metadata.get('RequestId')}; Proxy: null)"
        )
        return self._failure(env, CustomErrorName(name), name, cause)

    def _failure(
        self,
        env: Moto,
        error: object,
        name: str,
        cause: str,
    ) -> Moto:
        return FailureEvent(
            env=env,
            error_name=error,
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(
                taskFailedEventDetails=TaskFailedEventDetails(
                    resource=self._get_sfn_resource(),
                    resourceType=self._get_sfn_resource_type(),
                    error=name,
                    cause=cause,
                )
            ),
        )


def _answer(response: dict[str, Any]) -> dict[str, Any]:
    response.pop("ResponseMetadata", None)
    converted = plain_json(response, epoch_milliseconds)
    assert isinstance(converted, dict)
    return converted
