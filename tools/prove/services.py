"""What AWS services do with the roles they are given, which no recorded call shows.

Sources: "Step Functions: IAM policies for integrated services" and "... for Distributed Map",
"Using CloudWatch Logs to log execution history", "Lambda: execution role", "SageMaker:
CreateTrainingJob API / CreateProcessingJob API / CreateModel API: Execution Role Permissions".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.prove.calls import Call, requests
from tools.prove.policies import Request
from tools.prove.recordings import Task
from tools.prove.resolved import ACCOUNT, REGION, Resolver

_MANAGED_RULES = {
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createProcessingJob": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "sagemaker:createTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
}
_JOB_OPERATIONS = re.compile(r"Create(Training|Processing|Transform)Job")
_LOG_DELIVERY = (
    "CreateLogDelivery",
    "GetLogDelivery",
    "UpdateLogDelivery",
    "DeleteLogDelivery",
    "ListLogDeliveries",
    "PutResourcePolicy",
    "DescribeResourcePolicies",
    "DescribeLogGroups",
)
_TRACING = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
_PULL = ("BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage")
_JOB_LOGS = ("CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogStreams")


def of_task(task: Task) -> Iterator[Request]:
    """Yield what a state machine's role is asked for one task, waiting for it included."""
    service, _, operation = task.resource.removeprefix("aws-sdk:").partition(":")
    operation, _, pattern = operation.partition(".")
    if service == "states":
        service = "stepfunctions"
    call = Call(
        task.machine, service, operation[0].upper() + operation[1:], _folded(task.arguments)
    )
    yield from requests(call)
    if pattern.startswith("sync"):
        yield from _waiting(task, call)


def _folded(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return Step Functions' PascalCase names as the API has them, where it has others."""
    api = {"StateMachineArn": "stateMachineArn", "Name": "name", "Input": "input"}
    if "StateMachineArn" not in arguments:
        return arguments
    return {api.get(name, name): value for name, value in arguments.items()}


def _waiting(task: Task, call: Call) -> Iterator[Request]:
    service = "states" if call.service == "stepfunctions" else call.service
    rule = _MANAGED_RULES.get(f"{service}:{call.operation[0].lower()}{call.operation[1:]}")
    if rule is not None:
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule}"
        for action in ("PutTargets", "PutRule", "DescribeRule"):
            yield Request(f"events:{action}", arn)
    if service == "states":
        machine, name = call.parameters["stateMachineArn"], call.parameters.get("name", "1")
        execution = f"{str(machine).replace(':stateMachine:', ':execution:')}:{name}"
        for action in ("DescribeExecution", "StopExecution"):
            yield Request(f"states:{action}", execution)
    else:
        for verb in ("Describe", "Stop"):
            named = {k: v for k, v in call.parameters.items() if k.endswith("JobName")}
            operation = call.operation.replace("Create", verb)
            yield from requests(Call(task.machine, service, operation, named))


def of_map(machine: str, label: str) -> Iterator[Request]:
    """Yield what a Distributed Map asks of the machine's role for its children."""
    children = f"{machine.replace(':stateMachine:', ':execution:')}/{label}:1"
    yield Request("states:StartExecution", machine)
    for action in ("DescribeExecution", "StopExecution"):
        yield Request(f"states:{action}", children)


def of_machine(properties: Mapping[str, Any]) -> Iterator[Request]:
    """Yield what logging and tracing of a state machine need."""
    if properties.get("LoggingConfiguration"):
        for action in _LOG_DELIVERY:
            yield Request(f"logs:{action}", "*")
    if properties.get("TracingConfiguration", {}).get("Enabled"):
        for action in _TRACING:
            yield Request(f"xray:{action}", "*")


def of_function(properties: Mapping[str, Any], name: str) -> Iterator[Request]:
    """Yield what Lambda itself does with a function's role."""
    group = properties.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    stream = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:1"
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Request(f"logs:{action}", stream)
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        for action in _TRACING[:2]:
            yield Request(f"xray:{action}", "*")


def of_event_source(properties: Mapping[str, Any]) -> Iterator[Request]:
    """Yield what polling a queue asks of the function's role."""
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        yield Request(f"sqs:{action}", str(properties["EventSourceArn"]))


def of_container(call: Call, resolver: Resolver) -> Iterator[Request]:
    """Yield what SageMaker asks of the role that a call gives to its containers."""
    job = _JOB_OPERATIONS.fullmatch(call.operation)
    if not (job or call.operation == "CreateModel"):
        return
    prefix = resolver.parameters["Prefix"]
    group = f"{job.group(1)}Jobs" if job else f"Endpoints/{prefix}"
    images = [str(resolver.parameters[f"{kind}ImageUri"]) for kind in ("Training", "Inference")]
    image = images[0] if job else images[1]
    repository = image.split("/", 1)[1].split("@")[0].split(":")[0]
    for action in _JOB_LOGS:
        arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/sagemaker/{group}"
        yield Request(f"logs:{action}", f"{arn}:log-stream:1")
    namespace = "TrainingJobs" if job and job.group(1) == "Training" else "ProcessingJobs"
    metrics = f"/aws/sagemaker/{namespace if job else 'Endpoints'}"
    yield Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": (metrics,)})
    for action in _PULL:
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"
        yield Request(f"ecr:{action}", arn)
    yield Request("ecr:GetAuthorizationToken", "*")
