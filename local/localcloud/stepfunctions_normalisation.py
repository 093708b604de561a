"""Repair: requests and responses of Step Functions service integrations.

moto removed its vendored interpreter's normalisation: parameters reach boto3 as written and
responses keep lower-case keys, Python dates and unread streams. AWS accepts PascalCase whatever
the service's own case, turns bodies into text, dates into ISO 8601 (``aws-sdk``) or epoch
milliseconds (optimised integrations), and answers in PascalCase. moto also makes a client per
task through the name ``localhost``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime
from types import ModuleType
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import OperationModel
from botocore.response import StreamingBody
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_dynamodb,
    state_task_service_events,
    state_task_service_sfn,
    state_task_service_sns,
    state_task_service_sqs,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (  # noqa: E501
    StateTaskService,
)

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.timestamps import epoch_milliseconds, iso_milliseconds
from localcloud.untyped import Client, Json, Moto

_AWS_SDK_NAMES = {
    "cloudwatch": "CloudWatch",
    "eventbridge": "EventBridge",
    "lambda": "Lambda",
    "s3": "S3",
    "sagemaker": "SageMaker",
    "sns": "Sns",
    "sqs": "Sqs",
    "ssm": "Ssm",
}
_CLIENT_USERS: tuple[ModuleType, ...] = (
    lambda_eval_utils,
    state_task_service_aws_sdk,
    state_task_service_dynamodb,
    state_task_service_events,
    state_task_service_sfn,
    state_task_service_sns,
    state_task_service_sqs,
)


def install(context: CloudContext) -> None:
    """Normalise what goes into and comes out of every service task."""
    StateTaskService._normalise_parameters = _normalise_parameters
    StateTaskService._normalise_response = _normalise_response
    _make_bodies_copyable(state_task_service_aws_sdk.StateTaskServiceAwsSdk)
    state_task_service_aws_sdk._SERVICE_ERROR_NAMES.update(_AWS_SDK_NAMES)
    client_for = client_maker(Clients.of(context))
    for module in _CLIENT_USERS:
        module.boto_client_for = client_for  # type: ignore[attr-defined]


def client_maker(clients: Clients) -> Callable[..., Any]:
    """Return a stand-in for moto's ``boto_client_for`` that reuses one client per service."""

    def client_for(
        region: str,
        service: str,
        state_credentials: object = None,
    ) -> Client:
        del region, state_credentials
        return clients.get(service)

    return client_for


def plain_json(value: Json, date: Callable[[datetime], Any]) -> Json:
    """Return a boto3 response as JSON values: dates by ``date``, streams read."""
    if isinstance(value, datetime):
        return date(value)
    if isinstance(value, StreamingBody):
        return value.read().decode("utf-8", errors="replace")
    if isinstance(value, dict):
        return {key: plain_json(item, date) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_json(item, date) for item in value]
    return value


def _normalise_parameters(
    self: Moto,
    parameters: dict[str, Any],
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    operation = _operation(self, boto_service_name, service_action_name)
    if operation is not None and operation.input_shape is not None:
        self._to_boto_request(parameters, operation.input_shape)


def _normalise_response(
    self: Moto,
    response: Json,
    boto_service_name: str | None = None,
    service_action_name: str | None = None,
) -> None:
    if not isinstance(response, dict):
        return
    operation = _operation(self, boto_service_name, service_action_name)
    if operation is not None and _has_sdk_case(self.resource.service_name):
        self._from_boto_response(response, operation.output_shape)
    is_aws_sdk = self.resource.service_name == "aws-sdk"
    date = iso_milliseconds if is_aws_sdk else epoch_milliseconds
    converted = plain_json(response, date)
    response.clear()
    response.update(converted)


def _has_sdk_case(service_name: str) -> bool:
    """Tell whether answers carry the Java SDK's names (``VolumeSizeInGb``), not the API's."""
    return bool(service_name != "sagemaker")


def _operation(
    task: Moto,
    service_name: str | None,
    action_name: str | None,
) -> OperationModel | None:
    return _operations(task._get_boto_service_name(service_name)).get(
        task._get_boto_service_action(action_name)
    )


@functools.cache
def _operations(service: str) -> dict[str, OperationModel]:
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


def _make_bodies_copyable(service: Moto) -> None:
    """Read streams as soon as they arrive: the interpreter copies what it keeps."""
    original = service._eval_service_task

    @functools.wraps(original)
    def evaluate(self: Moto, env: Moto, **arguments: Moto) -> None:
        original(self, env, **arguments)
        env.stack[-1] = plain_json(env.stack[-1], iso_milliseconds)

    service._eval_service_task = evaluate
