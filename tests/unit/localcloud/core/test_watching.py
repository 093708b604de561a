"""Alarms, dashboards and keys are created as a template says, or refused."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError

from .harness import Cloud

pytestmark = pytest.mark.cloud

FAILED = {"Namespace": "AWS/States", "MetricName": "ExecutionsFailed"}


def create(cloud: Cloud, **resources: dict[str, object]) -> None:
    cloud.client("cloudformation").create_stack(
        StackName=f"watching-{time.time_ns()}", TemplateBody=json.dumps({"Resources": resources})
    )


def test_an_alarm_may_watch_a_sum_and_notify_a_topic(cloud: Cloud) -> None:
    topic = cloud.output("TopicArn")
    properties = {
        "AlarmName": "sum",
        "Metrics": [
            {"Id": "total", "Expression": "FILL(failed, 0) * 2"},
            {
                "Id": "failed",
                "ReturnData": "false",
                "MetricStat": {"Stat": "Sum", "Period": "300", "Metric": FAILED},
            },
        ],
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [topic],
    }

    create(cloud, Alarm={"Type": "AWS::CloudWatch::Alarm", "Properties": properties})

    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["sum"])["MetricAlarms"]
    assert [each["Id"] for each in alarm["Metrics"]] == ["total", "failed"]
    assert alarm["Metrics"][1]["MetricStat"]["Period"] == 300
    assert alarm["AlarmActions"] == [topic]


def test_a_dashboard_can_be_read_back(cloud: Cloud) -> None:
    body = '{"widgets": [{"type": "text", "properties": {"markdown": "${Name}"}}]}'
    properties = {"DashboardName": "runs", "DashboardBody": {"Fn::Sub": [body, {"Name": "x"}]}}

    create(cloud, Board={"Type": "AWS::CloudWatch::Dashboard", "Properties": properties})

    found = cloud.client("cloudwatch").get_dashboard(DashboardName="runs")["DashboardBody"]
    assert json.loads(found)["widgets"][0]["properties"] == {"markdown": "x"}


def test_a_dashboard_that_is_no_json_is_refused(cloud: Cloud) -> None:
    properties = {"DashboardBody": '{"widgets": ['}

    with pytest.raises(ClientError, match=r"Board \(AWS::CloudWatch::Dashboard\)"):
        create(cloud, Board={"Type": "AWS::CloudWatch::Dashboard", "Properties": properties})


def test_a_topic_is_encrypted_with_a_key_of_the_stack(cloud: Cloud) -> None:
    owner = {"AWS": "arn:aws:iam::123456789012:root"}
    allowed = {"Effect": "Allow", "Principal": owner, "Action": "kms:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    key = {"KeyPolicy": policy, "EnableKeyRotation": True}
    arn = {"Fn::GetAtt": ["Key", "Arn"]}

    create(
        cloud,
        Key={"Type": "AWS::KMS::Key", "Properties": key},
        Secret={"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "s", "KmsMasterKeyId": arn}},
    )

    topic = cloud.output("TopicArn").rpartition(":")[0] + ":s"
    used = cloud.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"]
    kms = cloud.client("kms")
    assert kms.get_key_rotation_status(KeyId=used)["KeyRotationEnabled"]
    assert json.loads(kms.get_key_policy(KeyId=used, PolicyName="default")["Policy"]) == policy
