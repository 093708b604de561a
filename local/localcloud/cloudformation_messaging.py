"""CloudFormation resource types that carry messages: SQS, SNS and its keys, EventBridge, alarms."""

from __future__ import annotations

import json

from localcloud.cloudformation import Created, Order, ResourceError, ResourceType
from localcloud.eventbridge_schedules import interval_seconds
from localcloud.untyped import Json

_QUEUE_ATTRIBUTES = frozenset(
    {
        "ContentBasedDeduplication",
        "DelaySeconds",
        "FifoQueue",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "SqsManagedSseEnabled",
        "VisibilityTimeout",
    }
)


def _create_queue(order: Order) -> Created:
    name = str(order.properties.get("QueueName", order.generated_name))[:80]
    attributes = {
        key: _as_text(value) for key, value in order.properties.items() if key in _QUEUE_ATTRIBUTES
    }
    url = order.call("sqs", "CreateQueue", QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = f"arn:aws:sqs:{order.context.region}:{order.context.account_id}:{name}"
    return Created(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def _as_text(value: Json) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _create_queue_policy(order: Order) -> Created:
    policy = json.dumps(order.properties["PolicyDocument"])
    for url in order.properties["Queues"]:
        order.call("sqs", "SetQueueAttributes", QueueUrl=url, Attributes={"Policy": policy})
    return Created(order.generated_name)


def _create_topic(order: Order) -> Created:
    name = str(order.properties.get("TopicName", order.generated_name))
    attributes = {
        key: order.properties[key]
        for key in ("DisplayName", "KmsMasterKeyId")
        if order.properties.get(key) is not None
    }
    arn = order.call("sns", "CreateTopic", Name=name, Attributes=attributes)["TopicArn"]
    for subscription in order.properties.get("Subscription", []):
        order.call("sns", "Subscribe", TopicArn=arn, **subscription)
    return Created(arn, {"TopicArn": arn, "TopicName": name})


def _create_topic_policy(order: Order) -> Created:
    policy = json.dumps(order.properties["PolicyDocument"])
    for arn in order.properties["Topics"]:
        order.call(
            "sns",
            "SetTopicAttributes",
            TopicArn=arn,
            AttributeName="Policy",
            AttributeValue=policy,
        )
    return Created(order.generated_name)


def _create_subscription(order: Order) -> Created:
    answer = order.call("sns", "Subscribe", ReturnSubscriptionArn=True, **order.properties)
    return Created(answer["SubscriptionArn"], {"Arn": answer["SubscriptionArn"]})


def _create_rule(order: Order) -> Created:
    properties = dict(order.properties)
    targets = properties.pop("Targets", [])
    name = str(properties.pop("Name", order.generated_name))[:64]
    if "EventPattern" in properties:
        properties["EventPattern"] = json.dumps(properties["EventPattern"])
    if "ScheduleExpression" in properties:
        interval_seconds(str(properties["ScheduleExpression"]))
    arn = order.call("events", "PutRule", Name=name, **properties)["RuleArn"]
    if targets:
        order.call("events", "PutTargets", Rule=name, Targets=targets)
    return Created(name, {"Arn": arn})


def _create_schedule(order: Order) -> Created:
    properties = dict(order.properties)
    name = str(properties.pop("Name", order.generated_name))[:64]
    answer = order.call("scheduler", "CreateSchedule", Name=name, **properties)
    return Created(name, {"Arn": answer["ScheduleArn"]})


def _create_alarm(order: Order) -> Created:
    properties = dict(order.properties)
    name = str(properties.pop("AlarmName", order.generated_name))
    order.call("cloudwatch", "PutMetricAlarm", AlarmName=name, **properties)
    context = order.context
    arn = f"arn:aws:cloudwatch:{context.region}:{context.account_id}:alarm:{name}"
    return Created(name, {"Arn": arn})


def _create_dashboard(order: Order) -> Created:
    name = str(order.properties.get("DashboardName", order.generated_name))
    answer = order.call(
        "cloudwatch",
        "PutDashboard",
        DashboardName=name,
        # moto keeps any text; AWS refuses what is no JSON.
        DashboardBody=json.dumps(json.loads(str(order.properties["DashboardBody"]))),
    )
    faults = answer.get("DashboardValidationMessages")
    if faults:
        raise ResourceError(f"its body is refused: {faults[0]}")
    return Created(name)


def _create_key(order: Order) -> Created:
    key = order.call(
        "kms",
        "CreateKey",
        Description=order.properties.get("Description", ""),
        Policy=json.dumps(order.properties["KeyPolicy"]),
    )["KeyMetadata"]
    if _as_text(order.properties.get("EnableKeyRotation", False)) == "true":
        order.call("kms", "EnableKeyRotation", KeyId=key["KeyId"])
    return Created(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})


TYPES = (
    ResourceType("AWS::SQS::Queue", _QUEUE_ATTRIBUTES | {"QueueName"}, _create_queue),
    ResourceType(
        "AWS::SQS::QueuePolicy", frozenset({"Queues", "PolicyDocument"}), _create_queue_policy
    ),
    ResourceType(
        "AWS::SNS::Topic",
        frozenset({"TopicName", "DisplayName", "KmsMasterKeyId", "Subscription"}),
        _create_topic,
    ),
    ResourceType(
        "AWS::SNS::TopicPolicy", frozenset({"Topics", "PolicyDocument"}), _create_topic_policy
    ),
    ResourceType(
        "AWS::SNS::Subscription",
        frozenset({"TopicArn", "Protocol", "Endpoint"}),
        _create_subscription,
    ),
    ResourceType(
        "AWS::Events::Rule",
        frozenset(
            {"Name", "Description", "EventPattern", "ScheduleExpression", "State", "Targets"}
        ),
        _create_rule,
    ),
    ResourceType(
        "AWS::Scheduler::Schedule",
        frozenset(
            {
                "Description",
                "FlexibleTimeWindow",
                "Name",
                "ScheduleExpression",
                "ScheduleExpressionTimezone",
                "Target",
            }
        ),
        _create_schedule,
    ),
    ResourceType(
        "AWS::CloudWatch::Alarm",
        frozenset(
            {
                "ActionsEnabled",
                "AlarmActions",
                "AlarmDescription",
                "AlarmName",
                "ComparisonOperator",
                "DatapointsToAlarm",
                "Dimensions",
                "EvaluationPeriods",
                "MetricName",
                "Metrics",
                "Namespace",
                "OKActions",
                "Period",
                "Statistic",
                "Threshold",
                "TreatMissingData",
                "Unit",
            }
        ),
        _create_alarm,
    ),
    ResourceType(
        "AWS::CloudWatch::Dashboard",
        frozenset({"DashboardName", "DashboardBody"}),
        _create_dashboard,
    ),
    ResourceType(
        "AWS::KMS::Key",
        frozenset({"Description", "EnableKeyRotation", "KeyPolicy"}),
        _create_key,
    ),
)
