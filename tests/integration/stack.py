"""The deployed stack on a local cloud, as a user's tools see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from localcloud import lifecycle

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_stepfunctions import SFNClient


RECORDINGS = "OCR_RETRAIN_RECORDINGS"
ROOT = Path(__file__).resolve().parents[2]
HYPERPARAMETERS = json.dumps({"epochs": "8", "generic_lines": "200", "learning_rate": "0.002"})


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Stack:
    """The deployed stack on the local cloud, as a user's tools see it."""

    home: Path
    environment: dict[str, str]
    outputs: dict[str, str]

    def client(self, service: str, config: Config | None = None) -> Any:
        """A boto3 client of the local cloud."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # chosen at run time
            config=config,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_DEFAULT_REGION"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    @property
    def s3(self) -> S3Client:
        client: S3Client = self.client("s3")
        return client

    @property
    def sagemaker(self) -> SageMakerClient:
        client: SageMakerClient = self.client("sagemaker")
        return client

    @property
    def stepfunctions(self) -> SFNClient:
        client: SFNClient = self.client("stepfunctions")
        return client

    def run(self, *arguments: str | Path, timeout: float = 1800) -> Done:
        """Run the `ocr-retrain` command as a user would."""
        done = subprocess.run(
            [Path(sys.executable).with_name("ocr-retrain"), *map(str, arguments)],
            env={**os.environ, "OCR_RETRAIN_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def runs(self) -> list[dict[str, Any]]:
        """Every execution of Retrain with its output, newest first."""
        listed = self.stepfunctions.list_executions(
            stateMachineArn=self.outputs["RetrainStateMachineArn"]
        )["executions"]
        described = [
            self.stepfunctions.describe_execution(executionArn=each["executionArn"])
            for each in sorted(listed, key=lambda each: each["startDate"], reverse=True)
        ]
        return [{**each, "output": json.loads(each.get("output", "null"))} for each in described]

    def serving_config(self) -> str:
        """The endpoint configuration that answers now."""
        endpoint = self.sagemaker.describe_endpoint(EndpointName=self.outputs["EndpointName"])
        assert endpoint["EndpointStatus"] == "InService"
        return endpoint["EndpointConfigName"]

    def serving_package(self) -> str:
        """The model package that answers now."""
        config = self.sagemaker.describe_endpoint_config(EndpointConfigName=self.serving_config())
        model = self.sagemaker.describe_model(
            ModelName=config["ProductionVariants"][0]["ModelName"]
        )
        return model["PrimaryContainer"]["ModelPackageName"]

    def read_json(self, uri: str) -> Any:
        """A JSON object in the stack's bucket."""
        return json.loads(self.read_bytes(uri))

    def read_text(self, uri: str) -> str:
        """A text object in the stack's bucket."""
        return self.read_bytes(uri).decode("utf-8")

    def read_bytes(self, uri: str) -> bytes:
        """An object in the stack's bucket."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def recording() -> Path | None:
    """Where this cloud is recorded: in a folder of its own, if a recording was asked for."""
    wanted = os.environ.get(RECORDINGS)
    return Path(wanted, uuid.uuid4().hex) if wanted else None


@contextmanager
def running(home: Path, parameters: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """A local cloud with a tiny base model registered and served, for as long as it is needed."""
    connection = lifecycle.start(
        home,
        ROOT,
        parameters={"Hyperparameters": HYPERPARAMETERS, **(parameters or {})},
        bind_to_this_process=True,
        record=recording(),
        on_progress=lambda _: None,
    )
    try:
        stack = Stack(home, connection.environment(), dict(connection.outputs))
        booted = stack.run("bootstrap", "--model", "tiny", timeout=900)
        assert booted.code == 0, booted.stderr
        yield stack
    finally:
        lifecycle.stop(home)
