"""A template is deployed completely or not at all."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from localcloud import lifecycle
from localcloud.sam_template import ParameterError, resolve_parameters

from .harness import REPO, Cloud, make_app

pytestmark = pytest.mark.cloud


def test_the_stack_is_complete_and_conditions_are_kept(cloud: Cloud) -> None:
    cloudformation = cloud.client("cloudformation")
    stack = cloudformation.describe_stacks(StackName="ocr-retrain")["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName="ocr-retrain")
    resources = {
        summary["LogicalResourceId"]: summary["PhysicalResourceId"]
        for page in pages
        for summary in page["StackResourceSummaries"]
    }

    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert resources["EchoFunction"] == "fixture-echo"
    assert "OtherTopic" not in resources


def test_a_bucket_is_as_the_template_says(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), cloud.output("BucketName")

    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    lifecycle_rule = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"][0]
    assert lifecycle_rule["Expiration"] == {"Days": 3}
    assert lifecycle_rule["Filter"] == {"Prefix": "scratch/"}
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    assert policy["Statement"][0]["Effect"] == "Deny"


def test_numbers_of_the_template_are_numbers_for_the_services(cloud: Cloud) -> None:
    alarm = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"][0]

    assert alarm["Threshold"] == 0.1


def test_a_budget_tells_its_subscribers_as_the_template_says(cloud: Cloud) -> None:
    named = yaml_parse((REPO / "template.yaml").read_text())["Resources"]["Budget"]["Properties"]
    named["Budget"] |= {"BudgetName": "monthly", "BudgetLimit": {"Amount": "50", "Unit": "USD"}}
    for item in named["NotificationsWithSubscribers"]:
        item["Subscribers"][0]["Address"] = "ops@example.com"
    _create(cloud, {"Resources": {"Budget": {"Type": "AWS::Budgets::Budget", "Properties": named}}})

    budgets, account = cloud.client("budgets"), cloud.connection.account_id
    found = budgets.describe_budget(AccountId=account, BudgetName="monthly")["Budget"]
    assert (found["BudgetLimit"]["Amount"], found["TimeUnit"]) == ("50", "MONTHLY")
    told = budgets.describe_notifications_for_budget(AccountId=account, BudgetName="monthly")
    assert {(item["NotificationType"], item["Threshold"]) for item in told["Notifications"]} == {
        ("ACTUAL", 80.0),
        ("ACTUAL", 100.0),
        ("FORECASTED", 100.0),
    }


def test_a_stack_with_an_unknown_type_is_refused_by_name(cloud: Cloud) -> None:
    template = {"Resources": {"Odd": {"Type": "AWS::Glue::Job", "Properties": {}}}}

    with pytest.raises(ClientError, match="cannot create resources of type AWS::Glue::Job"):
        _create(cloud, template)


def test_a_stack_with_an_unknown_property_is_refused_by_name(cloud: Cloud) -> None:
    template = {
        "Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "red"}}}
    }

    with pytest.raises(ClientError, match=r"Queue \(AWS::SQS::Queue\).* does not know its Colour"):
        _create(cloud, template)


def test_an_attribute_that_does_not_exist_is_refused_by_name(cloud: Cloud) -> None:
    template = {
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Topic": {
                "Type": "AWS::SNS::Topic",
                "Properties": {"DisplayName": {"Fn::GetAtt": ["Queue", "Colour"]}},
            },
        },
    }

    with pytest.raises(ClientError, match="no attribute Colour"):
        _create(cloud, template)


def test_a_schedule_that_cannot_tick_is_refused(cloud: Cloud) -> None:
    properties = {"ScheduleExpression": "cron(0 12 * * ? *)", "Targets": []}
    template = {"Resources": {"Noon": {"Type": "AWS::Events::Rule", "Properties": properties}}}

    with pytest.raises(ClientError, match=r"ticks rate\(\.\.\.\) schedules only"):
        _create(cloud, template)


def test_a_queue_that_hides_messages_too_briefly_is_refused_as_on_aws(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    sqs.create_queue(QueueName="brief", Attributes={"VisibilityTimeout": "1"})
    arn = cloud.output("AnnouncementQueueArn").rsplit(":", 1)[0] + ":brief"

    with pytest.raises(ClientError, match="less than Function timeout: 20 seconds"):
        cloud.client("lambda").create_event_source_mapping(
            EventSourceArn=arn, FunctionName="fixture-echo"
        )


def test_a_parameter_that_breaks_its_constraint_is_refused_with_the_template_s_words() -> None:
    template = {
        "Parameters": {
            "Prefix": {
                "Type": "String",
                "AllowedPattern": "^[a-z]+$",
                "ConstraintDescription": "Lower-case letters.",
            },
            "Share": {"Type": "Number", "Default": 0.5, "MinValue": 0, "MaxValue": 1},
            "Size": {"Type": "String", "Default": "small", "AllowedValues": ["small", "large"]},
        }
    }

    assert resolve_parameters(template, {"Prefix": "abc"}) == {
        "Prefix": "abc",
        "Share": "0.5",
        "Size": "small",
    }
    with pytest.raises(ParameterError, match=r"Prefix cannot be `A`: Lower-case letters\."):
        resolve_parameters(template, {"Prefix": "A"})
    for wrong in ({"Share": "2"}, {"Share": "x"}, {"Size": "huge"}, {"Colour": "red"}, {}):
        given = {"Prefix": "abc", **wrong} if wrong else {}
        with pytest.raises(ParameterError):
            resolve_parameters(template, given)


def test_a_cloud_that_cannot_deploy_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app")
    (app / "local" / "parameters.yaml").write_text(yaml.safe_dump({"Prefix": "Not Valid"}))
    steps: list[str] = []

    with pytest.raises(lifecycle.StartError, match="Prefix cannot be `Not Valid`"):
        lifecycle.start(tmp_path / "home", app, on_progress=steps.append)

    assert steps[0] == "starting"
    assert lifecycle.status(tmp_path / "home") is None
    assert not (tmp_path / "home" / "connection.json").exists()


def _create(cloud: Cloud, template: dict[str, object]) -> None:
    cloud.client("cloudformation").create_stack(
        StackName=f"other-{time.time_ns()}", TemplateBody=json.dumps(template)
    )
