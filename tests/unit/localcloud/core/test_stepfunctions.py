"""Step Functions runs JSONata definitions as AWS does."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .harness import Cloud, eventually

pytestmark = pytest.mark.cloud


def jsonata(start: str, **states: dict[str, Any]) -> dict[str, Any]:
    """Return a JSONata definition; state names have underscores for spaces."""
    named = {name.replace("_", " "): state for name, state in states.items()}
    return {"QueryLanguage": "JSONata", "StartAt": start, "States": named}


def output_of(cloud: Cloud, expression: object, execution_input: object = None) -> Any:  # noqa: ANN401
    """Evaluate one expression and return its JSON value."""
    definition = jsonata("Only", Only={"Type": "Succeed", "Output": {"value": expression}})
    description = cloud.run(definition, execution_input)
    assert description["status"] == "SUCCEEDED", description
    return json.loads(description["output"])["value"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{% $states.input.text %}", 'say "hi"\n\\ ünïcode \U0001f600 /'),
        ("{% $states.input.list %}", [1]),
        ("{% $states.input.nothing %}", None),
        ("{% $states.input.items[kind = 'b'].name %}", "two"),
        ("{% $parse($states.input.json).a.b %}", 2),
        ("{% $hash('abc', 'SHA-256') %}",
         "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("{% $partition([1,2,3,4,5], 2) %}", [[1, 2], [3, 4], [5]]),
        ("{% $range(0, 6, 3) %}", [0, 3, 6]),
        ("{% $merge([{'a': 1}, '' = '' ? {} : {'b': 2}]) %}", {"a": 1}),
        ("{% 'x' in ['x', 'y'] and 3 > 2 ? 'yes' : 'no' %}", "yes"),
        ("plain text", "plain text"),
    ],
)  # fmt: skip
def test_expressions_have_their_value(cloud: Cloud, expression: str, expected: object) -> None:
    given = {
        "text": 'say "hi"\n\\ ünïcode \U0001f600 /',
        "list": [1],
        "nothing": None,
        "items": [{"kind": "a", "name": "one"}, {"kind": "b", "name": "two"}],
        "json": '{"a": {"b": 2}}',
    }

    assert output_of(cloud, expression, given) == expected


def test_the_context_object_has_aws_s_names_and_time_formats(cloud: Cloud) -> None:
    context = output_of(cloud, "{% $states.context %}")

    assert context["Execution"]["Id"].startswith("arn:aws:states:us-east-1:123456789012:execution:")
    assert context["Execution"]["Name"]
    assert context["State"]["Name"] == "Only"
    assert context["State"]["RetryCount"] == 0
    for moment in (context["Execution"]["StartTime"], context["State"]["EnteredTime"]):
        assert time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")
        assert moment[19] == "."
        assert moment[23:] == "Z"


@pytest.mark.parametrize(
    "expression",
    ["{% $states.input.missing %}", "{% $eval('1') %}", "{% $number('x') %}"],
)
def test_an_expression_without_a_value_fails_the_execution(cloud: Cloud, expression: str) -> None:
    definition = jsonata("Only", Only={"Type": "Pass", "Output": expression, "End": True})

    description = cloud.run(definition)

    assert description["status"] == "FAILED"
    assert description["error"] == "States.QueryEvaluationError"


def test_assigned_variables_last_and_a_choice_assigns_for_its_rule_or_its_default(
    cloud: Cloud,
) -> None:
    choose = {
        "Type": "Choice",
        "Choices": [
            {"Condition": "{% $number > 3 %}", "Assign": {"size": "large"}, "Next": "Large"}
        ],
        "Default": "Small",
        "Assign": {"size": "small"},
    }
    output = {"size": "{% $size %}", "list": "{% $list %}"}
    definition = jsonata(
        "Begin",
        Begin={
            "Type": "Pass",
            "Assign": {"number": "{% $states.input.number %}", "list": ["{% 1 + 1 %}"]},
            "Next": "Choose",
        },
        Choose=choose,
        Large={"Type": "Succeed", "Output": output},
        Small={"Type": "Succeed", "Output": output},
    )

    sizes = [json.loads(cloud.run(definition, {"number": n})["output"]) for n in (5, 1)]

    assert sizes == [{"size": "large", "list": [2]}, {"size": "small", "list": [2]}]


def test_a_caught_error_has_its_name_and_cause_and_the_retries_are_counted(cloud: Cloud) -> None:
    definition = jsonata(
        "Work",
        Work={
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": cloud.output("TroubleArn"), "Payload": {"do": "raise"}},
            "Retry": [{"ErrorEquals": ["ValueError"], "IntervalSeconds": 1, "MaxAttempts": 2}],
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Assign": {"tries": "{% $states.context.State.RetryCount %}"},
                    "Output": {
                        "failure": "{% $states.errorOutput %}",
                        "input": "{% $states.input %}",
                    },
                    "Next": "Explain",
                }
            ],
            "End": True,
        },
        Explain={
            "Type": "Fail",
            "Error": "{% $states.input.failure.Error %}",
            "Cause": "{% $string($tries) & $parse($states.input.failure.Cause).errorMessage "
            "& $states.input.input.hint %}",
        },
    )

    description = cloud.run(definition, {"hint": "!"})

    assert description["status"] == "FAILED"
    assert (description["error"], description["cause"]) == ("ValueError", "2on purpose!")


def test_a_task_that_takes_too_long_fails_with_a_timeout(cloud: Cloud) -> None:
    definition = jsonata(
        "Work",
        Work={
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {
                "FunctionName": cloud.output("TroubleArn"),
                "Payload": {"do": "sleep", "marker": "y"},
            },
            "TimeoutSeconds": "{% 1 %}",
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}],
            "End": True,
        },
        Late={"Type": "Succeed", "Output": "late"},
    )

    assert json.loads(cloud.run(definition)["output"]) == "late"


def test_sdk_tasks_answer_in_pascal_case_with_text_dates_and_bodies(cloud: Cloud) -> None:
    bucket = cloud.output("BucketName")
    cloud.client("s3").put_object(Bucket=bucket, Key="report.json", Body=b'{"a": 1}')
    definition = jsonata(
        "Read",
        Read={
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Arguments": {"Bucket": bucket, "Key": "report.json"},
            "Output": {
                "a": "{% $parse($states.result.Body).a %}",
                "date": "{% $states.result.LastModified %}",
                "etag": "{% $states.result.ETag %}",
            },
            "End": True,
        },
    )

    answer = json.loads(cloud.run(definition)["output"])

    assert answer["a"] == 1
    assert answer["date"].endswith("Z")
    assert answer["etag"]


def test_sdk_errors_have_aws_s_names(cloud: Cloud) -> None:
    caught = {"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "End"}
    definition = jsonata(
        "Ask",
        Ask={
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sagemaker:describeEndpoint",
            "Arguments": {"EndpointName": "nobody"},
            "Catch": [caught],
            "End": True,
        },
        End={"Type": "Succeed"},
    )

    failure = json.loads(cloud.run(definition)["output"])

    assert failure["Error"] == "SageMaker.SageMakerException"
    assert "nobody" in failure["Cause"]
    assert "Service: SageMaker, Status Code: 400" in failure["Cause"]


def test_a_message_is_published(cloud: Cloud) -> None:
    definition = jsonata(
        "Tell",
        Tell={
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Arguments": {
                "TopicArn": cloud.output("TopicArn"),
                "Subject": "Hello",
                "Message": {"outcome": "fine"},
            },
            "Output": "{% $states.result.MessageId %}",
            "End": True,
        },
    )

    assert json.loads(cloud.run(definition)["output"])


def test_a_nested_execution_s_output_is_json_and_its_failure_is_the_cause(cloud: Cloud) -> None:
    definition = jsonata(
        "Nest",
        Nest={
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {
                "StateMachineArn": cloud.output("MachineArn"),
                "Name": "{% 'nested-' & $states.context.Execution.Name %}",
                "Input": "{% $states.input %}",
            },
            "Catch": [
                {
                    "ErrorEquals": ["States.TaskFailed"],
                    "Output": "{% $parse($states.errorOutput.Cause) %}",
                    "Next": "End",
                }
            ],
            "Output": {"nested": "{% $states.result.Output %}"},
            "Next": "End",
        },
        End={"Type": "Succeed"},
    )

    fine, failed = (
        json.loads(cloud.run(definition, {"fine": value})["output"]) for value in (True, False)
    )

    assert fine["nested"]["verdict"] == "fine"
    assert fine["nested"]["echoed"]["retries"] == 0
    assert (failed["Status"], failed["Error"]) == ("FAILED", "NotFine")
    assert failed["Cause"] == "It is not fine."


def test_an_execution_that_is_stopped_in_its_first_moment_does_nothing_more(cloud: Cloud) -> None:
    stepfunctions = cloud.client("stepfunctions")
    many = {
        f"Step {number}": {"Type": "Pass", "Next": f"Step {number + 1}"} for number in range(99)
    }
    late = jsonata("Step 0", **many, **{"Step 99": {"Type": "Wait", "Seconds": 1, "End": True}})
    machine = _create(cloud, late)
    stopped = []
    for delay in range(8):
        arn = stepfunctions.start_execution(stateMachineArn=machine)["executionArn"]
        time.sleep(delay / 10)
        stepfunctions.stop_execution(executionArn=arn)
        stopped.append(arn)

    time.sleep(2)

    for arn in stopped:
        events = stepfunctions.get_execution_history(executionArn=arn)["events"]
        assert "WaitStateExited" not in [each["type"] for each in events]
        assert cloud.finished(arn)["status"] == "ABORTED"


def test_stopping_an_execution_ends_it_at_once_with_the_given_words(cloud: Cloud) -> None:
    stepfunctions = cloud.client("stepfunctions")
    nested = jsonata("Rest", Rest={"Type": "Wait", "Seconds": 300, "End": True})
    child = _create(cloud, nested)
    parent = _create(
        cloud,
        jsonata(
            "Nest",
            Nest={
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution.sync:2",
                "Arguments": {"StateMachineArn": child, "Input": {}},
                "End": True,
            },
        ),
    )
    arn = stepfunctions.start_execution(stateMachineArn=parent)["executionArn"]
    started = eventually(lambda: stepfunctions.list_executions(stateMachineArn=child)["executions"])

    stepfunctions.stop_execution(executionArn=arn, error="Enough", cause="of this")

    description = cloud.finished(arn)
    assert description["status"] == "ABORTED"
    assert (description["error"], description["cause"]) == ("Enough", "of this")
    assert description["stopDate"] >= description["startDate"]
    assert cloud.finished(started[0]["executionArn"])["status"] == "ABORTED"
    _ended_event(cloud, arn, "ABORTED")


def test_one_name_starts_one_execution_however_often_it_is_asked_for(cloud: Cloud) -> None:
    stepfunctions = cloud.client("stepfunctions")
    machine = _create(cloud, jsonata("Rest", Rest={"Type": "Wait", "Seconds": 2, "End": True}))

    def start(text: str) -> str:
        try:
            answer = stepfunctions.start_execution(stateMachineArn=machine, name="once", input=text)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return str(answer["executionArn"])

    with ThreadPoolExecutor(6) as pool:
        arns = set(pool.map(start, ["{}"] * 6))

    assert len(arns) == 1
    assert start('{"other": 1}') == "ExecutionAlreadyExists"
    assert len(stepfunctions.list_executions(stateMachineArn=machine)["executions"]) == 1


def test_an_execution_that_took_too_long_has_an_end(cloud: Cloud) -> None:
    definition = jsonata("Rest", Rest={"Type": "Wait", "Seconds": 60, "End": True})

    description = cloud.run({**definition, "TimeoutSeconds": 1})

    assert description["status"] == "TIMED_OUT"
    (listed,) = cloud.client("stepfunctions").list_executions(
        stateMachineArn=description["stateMachineArn"], statusFilter="TIMED_OUT"
    )["executions"]
    assert listed["stopDate"] == description["stopDate"] > listed["startDate"]


def test_history_can_be_read_backwards_and_page_by_page(cloud: Cloud) -> None:
    execution = cloud.run(jsonata("Only", Only={"Type": "Succeed"}))["executionArn"]
    stepfunctions = cloud.client("stepfunctions")

    forwards = stepfunctions.get_execution_history(executionArn=execution)["events"]
    pages = stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution, reverseOrder=True, PaginationConfig={"PageSize": 2}
    )
    backwards = [event for page in pages for event in page["events"]]

    assert [event["type"] for event in forwards] == [
        "ExecutionStarted",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in backwards] == [event["id"] for event in forwards][::-1]


def test_the_end_of_an_execution_is_announced_with_the_details_that_aws_gives(
    cloud: Cloud,
) -> None:
    stepfunctions, marker = cloud.client("stepfunctions"), time.time_ns()
    arn = stepfunctions.start_execution(
        stateMachineArn=cloud.output("MachineArn"),
        input=json.dumps({"fine": False, "marker": marker}),
    )["executionArn"]

    event = _ended_event(cloud, arn, "FAILED")

    detail = event["detail"]
    assert event["source"] == "aws.states"
    assert event["resources"] == [arn]
    assert detail["stateMachineArn"] == cloud.output("MachineArn")
    assert detail["name"] == arn.rsplit(":", 1)[1]
    assert (detail["error"], detail["cause"]) == ("NotFine", "It is not fine.")
    assert json.loads(detail["input"])["marker"] == marker
    assert detail["output"] is None
    assert detail["startDate"] <= detail["stopDate"]
    assert detail["startDate"] > 1_600_000_000_000


def test_a_training_job_s_description_is_the_task_s_result(cloud: Cloud) -> None:
    name = f"job-{time.time_ns()}"
    definition = jsonata(
        "Train",
        Train=_training(cloud, name, {})
        | {
            "Output": {
                "model": "{% $states.result.ModelArtifacts.S3ModelArtifacts %}",
                "disk": "{% $states.result.ResourceConfig.VolumeSizeInGB %}",
                "began": "{% $states.result.CreationTime %}",
            },
            "End": True,
        },
    )

    answer = json.loads(cloud.run(definition)["output"])

    assert answer["model"].endswith(f"/models/{name}/output/model.tar.gz")
    assert answer["disk"] == 1
    assert answer["began"] > 1_600_000_000_000


def test_a_failed_training_job_is_a_failed_task_whose_cause_describes_it(cloud: Cloud) -> None:
    name = f"job-{time.time_ns()}"
    definition = jsonata("Train", Train=_training(cloud, name, {"fail": "1"}) | {"End": True})

    description = cloud.run(definition)

    assert description["error"] == "States.TaskFailed"
    assert "told to fail" in json.loads(description["cause"])["FailureReason"]


def test_a_job_name_that_is_taken_has_the_integration_s_error_name(cloud: Cloud) -> None:
    name = f"job-{time.time_ns()}"
    definition = jsonata("Train", Train=_training(cloud, name, {}) | {"End": True})
    assert cloud.run(definition)["status"] == "SUCCEEDED"

    description = cloud.run(definition)

    assert description["error"] == "SageMaker.ResourceInUseException"
    assert "Service: AmazonSageMaker; Status Code: 400; Error Code:" in description["cause"]


def test_a_task_that_times_out_stops_its_training_job(cloud: Cloud) -> None:
    name = f"job-{time.time_ns()}"
    task = _training(cloud, name, {"sleep": "1"}) | {"End": True, "TimeoutSeconds": 2}

    description = cloud.run(jsonata("Train", Train=task))

    assert description["error"] == "States.Timeout"
    sagemaker = cloud.client("sagemaker")
    eventually(
        lambda: (
            sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Stopped"
        )
    )


def _training(cloud: Cloud, name: str, hyperparameters: dict[str, str]) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
        "Arguments": {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": "123456789012.dkr.ecr.us-east-1.amazonaws.com/fixture:local",
                "TrainingInputMode": "File",
            },
            "RoleArn": cloud.output("JobRoleArn"),
            "HyperParameters": {"a": "b", **hyperparameters},
            "OutputDataConfig": {"S3OutputPath": f"s3://{cloud.output('BucketName')}/models"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 300},
        },
    }


def _create(cloud: Cloud, definition: dict[str, Any]) -> str:
    answer = cloud.client("stepfunctions").create_state_machine(
        name=f"test-{time.time_ns()}",
        definition=json.dumps(definition),
        roleArn=cloud.output("JobRoleArn"),
    )
    return str(answer["stateMachineArn"])


def _ended_event(cloud: Cloud, arn: str, status: str) -> dict[str, Any]:
    """Return the one event that announces an execution's end."""

    def look() -> list[dict[str, Any]]:
        events = [item["event"] for item in cloud.recorded("event")]
        return [
            event
            for event in events
            if isinstance(event, dict) and event.get("detail", {}).get("executionArn") == arn
        ]

    events = eventually(look)
    assert [event["detail"]["status"] for event in events] == [status]
    return events[0]
