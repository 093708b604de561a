"""The functions' world for tests: what their environment says, and what lies there with moto."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from typing import Any

from PIL import Image

REGION, ACCOUNT = "eu-central-1", "123456789012"
BUCKET, TABLE = f"ocr-retrain-{ACCOUNT}-{REGION}", "ocr-retrain-ledger"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:ocr-retrain-retrain"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/ocr-retrain-inference:latest"

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "POWERTOOLS_SERVICE_NAME": "ocr-retrain",
    "POWERTOOLS_METRICS_NAMESPACE": "OcrRetrain",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "LOG_LEVEL": "INFO",
    "BUCKET": BUCKET,
    "TABLE": TABLE,
    "PREFIX": "ocr-retrain",
    "MODEL_PACKAGE_GROUP": "ocr-retrain",
    "ENDPOINT_NAME": "ocr-retrain",
    "RETRAIN_STATE_MACHINE_ARN": MACHINE,
    "INFERENCE_IMAGE": IMAGE,
    "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:ocr-retrain",
}


def make_resources(client: Callable[[str], Any]) -> None:
    """Make a bucket, a ledger, a model package group and a state machine."""
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
    )
    client("sagemaker").create_model_package_group(ModelPackageGroupName="ocr-retrain")
    client("stepfunctions").create_state_machine(
        name="ocr-retrain-retrain",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/ocr-retrain",
    )


def png(seed: int | str, size: tuple[int, int] = (64, 16)) -> bytes:
    """Make an image whose bytes differ from seed to seed."""
    noise = random.Random(seed).randbytes(size[0] * size[1])
    out = io.BytesIO()
    Image.frombytes("L", size, noise).save(out, format="PNG")
    return out.getvalue()
