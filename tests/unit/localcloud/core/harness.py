"""What the tests of the local cloud share."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from localcloud.connection import Connection
from localcloud.untyped import Client, Json

REPO = Path(__file__).resolve().parents[4]
RECORDING = "recording"
T = TypeVar("T")
APP = Path(__file__).resolve().parents[1] / "fixtures" / "app"


def make_app(directory: Path) -> Path:
    """Copy the fixture application; it uses this repository's runtimes and build results."""
    shutil.copytree(APP, directory)
    (REPO / ".cache").mkdir(exist_ok=True)
    for shared in (".runtimes", ".cache"):
        (directory / shared).symlink_to(REPO / shared)
    return directory


@dataclass(frozen=True)
class Cloud:
    """The running cloud and shortcuts to what the tests look at."""

    home: Path
    connection: Connection

    def client(self, service: str) -> Client:
        return boto3.client(
            service,
            endpoint_url=self.connection.endpoint_url,
            region_name=self.connection.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def output(self, name: str) -> str:
        return self.connection.outputs[name]

    def invoke(self, function: str, event: object, **options: str) -> dict[str, Any]:
        answer = self.client("lambda").invoke(
            FunctionName=f"fixture-{function}", Payload=json.dumps(event), **options
        )
        return {**answer, "Payload": answer["Payload"].read()}

    def recorded(self, kind: str) -> list[Json]:
        s3, bucket = self.client("s3"), self.output("BucketName")
        listing = s3.list_objects_v2(Bucket=bucket, Prefix=f"recorded/{kind}/")
        return [
            json.loads(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
            for item in listing.get("Contents", [])
        ]

    def run(self, definition: dict[str, Any], execution_input: object = None) -> dict[str, Any]:
        """Run a state machine of this definition to its end and describe the execution."""
        stepfunctions = self.client("stepfunctions")
        machine = stepfunctions.create_state_machine(
            name=f"test-{time.time_ns()}",
            definition=json.dumps(definition),
            roleArn=self.output("JobRoleArn"),
        )["stateMachineArn"]
        execution = stepfunctions.start_execution(
            stateMachineArn=machine, input=json.dumps(execution_input or {})
        )["executionArn"]
        return self.finished(execution)

    def finished(self, execution_arn: str) -> dict[str, Any]:
        stepfunctions = self.client("stepfunctions")

        def ended() -> dict[str, Any] | None:
            description = stepfunctions.describe_execution(executionArn=execution_arn)
            return description if description["status"] != "RUNNING" else None

        return eventually(ended)


def eventually(look: Callable[[], T | None], seconds: float = 40) -> T:
    """Return the first thing that is seen; fail when nothing is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.05)
    raise AssertionError(f"nothing was seen for {seconds} seconds")
