"""S3 and DynamoDB keep data as AWS does, for many callers at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from botocore.exceptions import ClientError

from .harness import Cloud

pytestmark = pytest.mark.cloud


def test_of_many_conditional_writes_at_once_exactly_one_succeeds(cloud: Cloud) -> None:
    dynamodb = cloud.client("dynamodb")
    table = dynamodb.create_table(
        TableName="races",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableName"]
    callers = 8
    barrier = Barrier(callers)

    def take(lock: str) -> bool:
        barrier.wait(30)
        try:
            dynamodb.put_item(
                TableName=table,
                Item={"pk": {"S": lock}},
                ConditionExpression="attribute_not_exists(pk)",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(callers) as pool:
        for number in range(15):
            taken = list(pool.map(take, [f"lock-{number}"] * callers))
            assert sum(taken) == 1


def test_many_objects_are_written_and_read_at_once(cloud: Cloud) -> None:
    s3, bucket = cloud.client("s3"), cloud.output("BucketName")

    def write(number: int) -> None:
        s3.put_object(Bucket=bucket, Key=f"many/{number:03}.png", Body=str(number).encode() * 900)

    def read(number: int) -> int:
        body = s3.get_object(Bucket=bucket, Key=f"many/{number:03}.png")["Body"].read()
        return int(body[: len(body) // 900])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
        assert list(pool.map(read, range(200))) == list(range(200))
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="many/")
    assert sum(page["KeyCount"] for page in pages) == 200


def test_the_usual_denial_of_unencrypted_transport_denies_nothing_here(cloud: Cloud) -> None:
    s3, target = cloud.client("s3"), {"Bucket": cloud.output("BucketName"), "Key": "secure"}

    s3.put_object(**target, Body=b"1")
    s3.delete_object(**target)

    with pytest.raises(ClientError) as caught:
        s3.get_object(**target)
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"
