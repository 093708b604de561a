"""What the proofs find in templates, definitions and recordings that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tools.prove import (
    calls,
    limits,
    machine_runs,
    machine_texts,
    permissions,
    reasons,
    recordings,
    references,
    shapes,
    sources,
)
from tools.prove.calls import Call, UnknownCallError, requests
from tools.prove.globs import overlap
from tools.prove.policies import Request
from tools.prove.proof import proof, table
from tools.prove.resolved import Resolver, UnresolvedError
from tools.prove.roles import read as read_roles

# --- references


def test_every_reference_of_a_template_is_seen() -> None:
    template = {
        "Resources": {
            "One": {
                "Properties": {
                    "A": {"Ref": "P"},
                    "B": {"Fn::Sub": "${Q}-${Two.Arn}-${!Literal}"},
                    "C": {"Fn::Sub": ["${Own}${R}", {"Own": {"Fn::GetAtt": ["Three", "Arn"]}}]},
                }
            }
        }
    }
    assert {name for _, name in references.references(template)} == {"P", "Q", "Two", "R", "Three"}


def test_a_reference_that_leads_nowhere_cannot_be_resolved() -> None:
    template = {"Resources": {"One": {"Type": "T", "Properties": {"A": {"Ref": "Missing"}}}}}
    with pytest.raises(UnresolvedError, match="Missing"):
        Resolver(template, {}).resources()


def test_conditions_leave_out_resources_properties_and_statements() -> None:
    template = {
        "Parameters": {"On": {"Type": "String", "Default": "false"}},
        "Conditions": {"IsOn": {"Fn::Equals": [{"Ref": "On"}, "true"]}},
        "Resources": {
            "Left": {"Type": "T", "Condition": "IsOn"},
            "Kept": {
                "Type": "T",
                "Properties": {
                    "List": ["a", {"Fn::If": ["IsOn", "b", {"Ref": "AWS::NoValue"}]}],
                    "Gone": {"Fn::If": ["IsOn", 1, {"Ref": "AWS::NoValue"}]},
                },
            },
        },
    }
    assert Resolver(template, {}).resources()["Kept"]["Properties"] == {"List": ["a"]}
    assert set(Resolver(template, {"On": "true"}).resources()) == {"Left", "Kept"}


# --- state machines


def test_wrong_arguments_of_a_task_are_all_named() -> None:
    wrong = {"EndpointName": "a_b" * 40, "endpointConfigName": "c", "Wrong": 1}
    problems = "\n".join(shapes.argument_problems("aws-sdk:sagemaker:createEndpoint", wrong))
    assert "length less than or equal to 63" in problems
    assert "pattern" in problems
    assert "endpointConfigName must begin with a capital" in problems
    assert "Wrong" in problems


def test_an_integration_that_does_not_exist_is_refused() -> None:
    with pytest.raises(shapes.UnknownOperationError):
        shapes.operation("sagemaker:createTraningJob.sync")


@pytest.mark.parametrize(
    ("error", "exists"),
    [
        ("States.Timeout", True),
        ("States.TimeOut", False),
        ("SageMaker.ResourceLimitExceededException", True),
        ("SageMaker.ThrottlingException", False),
        ("Lambda.TooManyRequestsException", True),
        ("StepFunctions.ServiceUnavailable", False),
        ("NotActiveRunError", True),
        ("NoSuchThingError", False),
    ],
)
def test_errors_exist_or_not(error: str, exists: bool) -> None:
    assert machine_texts.error_exists(error) is exists


def test_a_field_that_was_not_there_when_it_was_read_is_found() -> None:
    history = [
        {"stateEnteredEventDetails": {"name": "Find latest approved"}},
        {
            "stateExitedEventDetails": {
                "name": "Find latest approved",
                "assignedVariables": {"target": json.dumps({"model_name": "m"})},
            }
        },
        {"stateEnteredEventDetails": {"name": "Create endpoint"}},
    ]
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:ocr-retrain-deploy"
    execution = recordings.Execution(arn, f"{arn}:1", "FAILED", 1, history)
    recording = recordings.Recording({}, {}, [], [execution])
    fields, *_ = (each for each in machine_runs.proofs([recording], []) if "fields" in each.claim)
    assert any("$target.config_name" in problem for problem in fields.problems)


def test_a_state_that_no_test_reaches_is_named() -> None:
    *_, deploy = machine_runs.proofs([], [])
    assert any("'Create model'" in problem for problem in deploy.problems)


def test_transitions_lead_through_choices_and_catches() -> None:
    definition = {
        "States": {
            "A": {"Next": "B", "Catch": [{"Next": "C"}]},
            "B": {"Choices": [{"Next": "A"}], "Default": "C"},
            "C": {},
        }
    }
    assert machine_runs.transitions(definition) == {
        ("A", "B"),
        ("A", "C"),
        ("B", "A"),
        ("B", "C"),
    }


# --- IAM


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            Call("f", "s3", "HeadObject", {"Bucket": "b", "Key": "k"}),
            "s3:GetObject on arn:aws:s3:::b/k",
        ),
        (
            Call("f", "s3", "ListObjectsV2", {"Bucket": "b", "prefix": "runs/"}),
            "s3:ListBucket on arn:aws:s3:::b (aws:securetransport=true, s3:prefix=runs/)",
        ),
        (
            Call("f", "dynamodb", "GetItem", {"TableName": "t", "Key": {"pk": {"S": "LOCK"}}}),
            "dynamodb:leadingkeys=LOCK",
        ),
    ],
)
def test_a_call_becomes_what_iam_is_asked(call: Call, expected: str) -> None:
    assert expected in str(requests(call)[0])


def test_a_transaction_asks_for_each_of_its_items() -> None:
    items = [
        {"Put": {"TableName": "t", "Item": {"pk": {"S": "A"}}}},
        {"ConditionCheck": {"TableName": "t", "Key": {"pk": {"S": "B"}}}},
    ]
    asked = requests(Call("f", "dynamodb", "TransactWriteItems", {"TransactItems": items}))
    actions = ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
    assert [each.action for each in asked] == actions


def test_a_job_passes_its_role_and_is_tagged() -> None:
    given = {"TrainingJobName": "j", "RoleArn": "arn:role", "Tags": [{"Key": "k", "Value": "v"}]}
    actions = {each.action for each in requests(Call("m", "sagemaker", "CreateTrainingJob", given))}
    assert actions == {"sagemaker:CreateTrainingJob", "sagemaker:AddTags", "iam:PassRole"}


def test_a_call_of_which_nothing_is_known_is_no_call_that_is_allowed() -> None:
    with pytest.raises(UnknownCallError, match="write down"):
        requests(Call("f", "ecr", "DescribeImages", {"registry": "x"}))


def test_a_call_that_no_statement_allows_says_what_to_do() -> None:
    role = read_roles(sources.resolver()).by_id["TakeStockFunctionRole"]
    usage = permissions.Usage()
    usage.ask(role, (), Request("s3:GetObject", "arn:aws:s3:::b/k"), "a test")
    assert usage.refused == [
        "TakeStockFunctionRole: s3:GetObject on arn:aws:s3:::b/k, asked by a test, is not allowed: "
        "add a statement in template.yaml"
    ]


def test_a_permission_that_nothing_needed_is_named_with_its_statement() -> None:
    *_, nothing_more = permissions.proofs(permissions.Usage())
    assert any(
        "TakeStockFunctionRole/ReadChampion/sagemaker:DescribeModelPackage" in problem
        for problem in nothing_more.problems
    )


def test_an_entry_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "reasons.yaml"
    file.write_text("unused:\n  '*': ok\n", encoding="utf-8")
    with pytest.raises(ValueError, match="reason in words"):
        reasons.read("unused", file)


def test_an_entry_that_fits_nothing_any_more_is_named(tmp_path: Path) -> None:
    file = tmp_path / "reasons.yaml"
    file.write_text("unused:\n  'Gone/*': it was needed once\n", encoding="utf-8")
    assert reasons.read("unused", file).without_cause(["Here/It/is"])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a*", "*b", True),
        ("log-group:/aws/x*", "log-group:*:log-stream:*", True),
        ("model/*", "endpoint/*", False),
        ("a", "a*", True),
        ("ab", "a", False),
        ("", "*", True),
    ],
)
def test_patterns_overlap_when_some_text_fits_both(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


# --- limits


@pytest.mark.parametrize(("growing", "most"), [(False, 14_400), (True, 700)])
def test_polls_that_grow_stay_few(growing: bool, most: int) -> None:
    assert limits.polls(1, 14_400, growing=growing) <= most


def test_the_largest_parameters_are_the_longest_values() -> None:
    declared: dict[str, Any] = {
        "Parameters": {
            "Choice": {"Type": "String", "AllowedValues": ["a", "bcd"]},
            "Text": {"Type": "String", "MaxLength": 7},
            "Number": {"Type": "Number", "MaxValue": 86400},
        }
    }
    assert limits.largest_parameters(declared) == {
        "Choice": "bcd",
        "Text": "x" * 7,
        "Number": "86400",
    }


# --- recordings and the table


def test_half_a_line_at_the_end_of_a_recording_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    line = json.dumps({"caller": "c", "service": "s3", "operation": "o", "parameters": {}})
    (folder / "calls.jsonl").write_text(f"{line}\n{line[:20]}", encoding="utf-8")
    (folder / "executions.jsonl").write_text("", encoding="utf-8")
    (folder / "stack.json").write_text('{"parameters": {}, "resources": {}}', encoding="utf-8")
    (recording,) = recordings.read(tmp_path)
    assert recording.calls == [calls.Call("c", "s3", "o", {})]


def test_without_a_recording_nothing_is_proven(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        recordings.read(tmp_path)


def test_a_proof_without_a_check_does_not_hold() -> None:
    assert not proof("A", "claim", "how", 0).holds
    assert "nothing was checked" in table([proof("A", "claim", "how", 0)])
