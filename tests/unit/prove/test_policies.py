"""The evaluator of IAM policies against the rules of the IAM user guide."""

from __future__ import annotations

from typing import Any

import pytest
from tools.prove.policies import Request, UnsupportedPolicyError, decide, statements

BUCKET = "arn:aws:s3:::bucket"


def allowed(
    policy: list[dict[str, Any]], action: str, resource: str, **context: str | tuple[str, ...]
) -> bool:
    given = {
        key.replace("__", ":").lower(): (value,) if isinstance(value, str) else value
        for key, value in context.items()
    }
    document = {"Statement": policy}
    return decide(statements(document, "policy"), Request(action, resource, given)).allowed


def allow(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **parts}


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    assert not allowed([], "s3:GetObject", BUCKET)
    assert not allowed([allow()], "s3:PutObject", BUCKET)


def test_a_denial_wins_over_everything_allowed() -> None:
    policy = [allow(), allow(Effect="Deny", Resource=f"{BUCKET}/secret/*")]
    assert allowed(policy, "s3:GetObject", f"{BUCKET}/a")
    assert not allowed(policy, "s3:GetObject", f"{BUCKET}/secret/a")


@pytest.mark.parametrize(
    ("action", "expected"),
    [("s3:GetObject", True), ("s3:getobject", True), ("s3:GetObjectAcl", False)],
)
def test_actions_are_compared_whole_and_without_case(action: str, expected: bool) -> None:
    assert allowed([allow()], action, BUCKET) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (f"{BUCKET}/runs/*", f"{BUCKET}/runs/a/b.json", True),
        (f"{BUCKET}/runs/*/*.json", f"{BUCKET}/runs/a/b/c.json", True),
        (f"{BUCKET}/runs/?", f"{BUCKET}/runs/ab", False),
        (f"{BUCKET}/runs/*", f"{BUCKET}/Runs/a", False),
        (f"{BUCKET}/a.b", f"{BUCKET}/axb", False),
        (BUCKET, f"{BUCKET}/a", False),
    ],
)
def test_resources_are_compared_with_wildcards_and_with_case(
    pattern: str, resource: str, expected: bool
) -> None:
    assert allowed([allow(Resource=[pattern])], "s3:GetObject", resource) is expected


def test_not_action_and_not_resource_turn_the_meaning_round() -> None:
    policy = [{"Effect": "Allow", "NotAction": "iam:*", "NotResource": f"{BUCKET}/secret/*"}]
    assert allowed(policy, "s3:GetObject", f"{BUCKET}/a")
    assert not allowed(policy, "iam:PassRole", f"{BUCKET}/a")
    assert not allowed(policy, "s3:GetObject", f"{BUCKET}/secret/a")


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringLike", "runs/*", "runs/1", True),
        ("StringNotLike", "runs/*", "runs/1", False),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::b", True),
        ("Bool", "false", "false", True),
        ("Bool", "false", "true", False),
        ("Bool", False, "false", True),
        ("Null", "false", "anything", True),
    ],
)
def test_conditions_compare_the_value_of_their_key(
    operator: str, wanted: object, given: str, expected: bool
) -> None:
    policy = [allow(Condition={operator: {"aws:Key": wanted}})]
    assert allowed(policy, "s3:GetObject", BUCKET, aws__key=given) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False),
        ("StringNotEquals", True),
        ("StringEqualsIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
        ("ForAnyValue:StringNotEquals", False),
    ],
)
def test_a_missing_key_meets_only_what_does_not_need_it(operator: str, expected: bool) -> None:
    policy = [allow(Condition={operator: {"aws:Key": "a"}})]
    assert allowed(policy, "s3:GetObject", BUCKET) is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "a"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAnyValue:StringEquals", ("a", "c"), True),
    ],
)
def test_many_values_are_compared_as_the_quantifier_says(
    operator: str, values: tuple[str, ...], expected: bool
) -> None:
    policy = [allow(Condition={operator: {"dynamodb:LeadingKeys": ["a", "b"]}})]
    assert allowed(policy, "s3:GetObject", BUCKET, dynamodb__leadingkeys=values) is expected


def test_all_conditions_must_hold() -> None:
    conditions = {"StringEquals": {"aws:One": "1", "aws:Two": "2"}}
    policy = [allow(Condition=conditions)]
    assert allowed(policy, "s3:GetObject", BUCKET, aws__one="1", aws__two="2")
    assert not allowed(policy, "s3:GetObject", BUCKET, aws__one="1", aws__two="3")


@pytest.mark.parametrize(
    "part",
    [
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}},
        {"Resource": f"{BUCKET}/${{aws:username}}/*"},
    ],
)
def test_what_the_evaluator_does_not_know_is_refused_and_not_guessed(part: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedPolicyError):
        allowed([allow(**part)], "s3:GetObject", BUCKET, aws__currenttime="2025-01-01T00:00:00Z")
