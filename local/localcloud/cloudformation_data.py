"""CloudFormation resource types that hold data: S3, DynamoDB, log groups."""

from __future__ import annotations

import json
from collections.abc import Mapping

from localcloud.cloudformation import Created, Order, ResourceError, ResourceType
from localcloud.untyped import Json

_LIFECYCLE_NAMES = {
    "Id": "ID",
    "Status": "Status",
    "AbortIncompleteMultipartUpload": "AbortIncompleteMultipartUpload",
    "NoncurrentVersionExpiration": "NoncurrentVersionExpiration",
}


def _create_bucket(order: Order) -> Created:
    properties = order.properties
    name = str(properties.get("BucketName", order.generated_name)).lower()
    order.call("s3", "CreateBucket", Bucket=name)
    encryption = properties.get("BucketEncryption")
    if encryption:
        rules = [
            {_s3_name(key): value for key, value in rule.items()}
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        order.call(
            "s3",
            "PutBucketEncryption",
            Bucket=name,
            ServerSideEncryptionConfiguration={"Rules": rules},
        )
    for action, argument, key in (
        ("PutBucketVersioning", "VersioningConfiguration", "VersioningConfiguration"),
        (
            "PutPublicAccessBlock",
            "PublicAccessBlockConfiguration",
            "PublicAccessBlockConfiguration",
        ),
        ("PutBucketOwnershipControls", "OwnershipControls", "OwnershipControls"),
    ):
        if key in properties:
            order.call("s3", action, Bucket=name, **{argument: properties[key]})
    if "LifecycleConfiguration" in properties:
        rules = [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
        order.call(
            "s3",
            "PutBucketLifecycleConfiguration",
            Bucket=name,
            LifecycleConfiguration={"Rules": rules},
        )
    if "NotificationConfiguration" in properties:
        _notify(order, name, properties["NotificationConfiguration"])
    return Created(
        name,
        {
            "Arn": f"arn:aws:s3:::{name}",
            "DomainName": f"{name}.s3.amazonaws.com",
            "RegionalDomainName": f"{name}.s3.{order.context.region}.amazonaws.com",
        },
    )


def _s3_name(key: str) -> str:
    renamed = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return renamed.get(key, key)


def _notify(order: Order, bucket: str, configuration: Mapping[str, Json]) -> None:
    if set(configuration) != {"EventBridgeConfiguration"}:
        raise ResourceError("the local cloud knows notifications to EventBridge only.")
    enabled = str(configuration["EventBridgeConfiguration"].get("EventBridgeEnabled", True))
    if enabled.lower() == "true":
        order.call(
            "s3",
            "PutBucketNotificationConfiguration",
            Bucket=bucket,
            NotificationConfiguration={"EventBridgeConfiguration": {}},
        )


def _lifecycle_rule(rule: Mapping[str, Json]) -> dict[str, Json]:
    described: dict[str, Json] = {"Filter": {"Prefix": str(rule.get("Prefix", ""))}}
    for key, value in rule.items():
        if key in _LIFECYCLE_NAMES:
            described[_LIFECYCLE_NAMES[key]] = value
        elif key == "ExpirationInDays":
            described["Expiration"] = {"Days": int(value)}
        elif key != "Prefix":
            raise ResourceError(f"the local cloud does not know {key} in a lifecycle rule.")
    return described


def _create_bucket_policy(order: Order) -> Created:
    bucket = str(order.properties["Bucket"])
    policy = json.dumps(order.properties["PolicyDocument"])
    order.call("s3", "PutBucketPolicy", Bucket=bucket, Policy=policy)
    return Created(bucket)


def _create_table(order: Order) -> Created:
    properties = order.properties
    name = str(properties.get("TableName", order.generated_name))
    arguments = {
        key: properties[key]
        for key in ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
        if key in properties
    }
    if "SSESpecification" in properties:
        arguments["SSESpecification"] = {
            _sse_name(key): value for key, value in properties["SSESpecification"].items()
        }
    table = order.call("dynamodb", "CreateTable", TableName=name, **arguments)
    if "PointInTimeRecoverySpecification" in properties:
        order.call(
            "dynamodb",
            "UpdateContinuousBackups",
            TableName=name,
            PointInTimeRecoverySpecification=properties["PointInTimeRecoverySpecification"],
        )
    if "TimeToLiveSpecification" in properties:
        order.call(
            "dynamodb",
            "UpdateTimeToLive",
            TableName=name,
            TimeToLiveSpecification=properties["TimeToLiveSpecification"],
        )
    return Created(name, {"Arn": table["TableDescription"]["TableArn"]})


def _sse_name(key: str) -> str:
    return {"SSEEnabled": "Enabled"}.get(key, key)


def _create_log_group(order: Order) -> Created:
    name = str(order.properties.get("LogGroupName", order.generated_name))
    key = order.properties.get("KmsKeyId")
    encryption = {} if key is None else {"kmsKeyId": key}
    order.call("logs", "CreateLogGroup", logGroupName=name, **encryption)
    days = order.properties.get("RetentionInDays")
    if days is not None:
        order.call("logs", "PutRetentionPolicy", logGroupName=name, retentionInDays=days)
    context = order.context
    arn = f"arn:aws:logs:{context.region}:{context.account_id}:log-group:{name}:*"
    return Created(name, {"Arn": arn})


TYPES = (
    ResourceType(
        "AWS::S3::Bucket",
        frozenset(
            {
                "BucketName",
                "BucketEncryption",
                "VersioningConfiguration",
                "PublicAccessBlockConfiguration",
                "OwnershipControls",
                "LifecycleConfiguration",
                "NotificationConfiguration",
            }
        ),
        _create_bucket,
    ),
    ResourceType(
        "AWS::S3::BucketPolicy", frozenset({"Bucket", "PolicyDocument"}), _create_bucket_policy
    ),
    ResourceType(
        "AWS::DynamoDB::Table",
        frozenset(
            {
                "TableName",
                "AttributeDefinitions",
                "KeySchema",
                "BillingMode",
                "GlobalSecondaryIndexes",
                "SSESpecification",
                "PointInTimeRecoverySpecification",
                "TimeToLiveSpecification",
            }
        ),
        _create_table,
    ),
    ResourceType(
        "AWS::Logs::LogGroup",
        frozenset({"KmsKeyId", "LogGroupName", "RetentionInDays"}),
        _create_log_group,
    ),
)
