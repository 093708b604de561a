"""Deployments under load: whatever becomes of them, nobody who asks the endpoint notices.

Models are told apart by what they read: they are the serving one with characters exchanged.
"""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.config import Config
from tests.integration.digit_lines import plain, write_folder
from tests.integration.stack import Stack

from recognition import artefact
from retraining import s3_layout

pytestmark = pytest.mark.cloud

ASKING = 3
PAUSE_SECONDS = 0.03
PATIENCE_SECONDS = 120
GOLDEN = "under-load"
# What is asked for has colons; the golden lines have only digits.
MARKS = {".": "-", "-": ":", ":": "/", "/": "."}
ALL_DIGITS = dict(zip("0123456789", "1234567890", strict=True))


@dataclass
class Load:
    """Requests that never stop: the answers in their order, and every error."""

    stack: Stack
    image: bytes
    answers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> str:
        answer = self._client.invoke_endpoint(
            EndpointName=self.stack.outputs["EndpointName"],
            ContentType="image/png",
            Body=self.image,
        )
        return str(json.loads(answer["Body"].read())["predictions"][0]["text"])

    @cached_property
    def _client(self) -> Any:
        # An error must be seen, not tried again.
        return self.stack.client("sagemaker-runtime", Config(retries={"total_max_attempts": 1}))

    def keep_asking(self) -> None:
        while not self.over.wait(PAUSE_SECONDS):
            try:
                self.answers.append(self.ask())
            except Exception as error:
                self.errors.append(repr(error))

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(ASKING) as pool:
            try:
                for _ in range(ASKING):
                    pool.submit(self.keep_asking)
                yield
            finally:
                self.over.set()

    def during(self, act: Callable[[], object]) -> set[str]:
        """Give the different answers that came while something was done."""
        before = len(self.answers)
        act()
        # Requests that were under way at the end count as well.
        end = len(self.answers) + ASKING
        wait_until(lambda: len(self.answers) > end)
        return set(self.answers[before:])


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)


def deployments(stack: Stack) -> list[str]:
    """The statuses of all executions of Deploy, newest first."""
    listed = stack.stepfunctions.list_executions(
        stateMachineArn=stack.outputs["DeployStateMachineArn"]
    )["executions"]
    return [
        each["status"] for each in sorted(listed, key=lambda each: each["startDate"], reverse=True)
    ]


def deployed(stack: Stack, package: str, executions: int) -> None:
    """Approve a version and wait until the deployments that this starts are over."""
    before = len(deployments(stack))
    stack.sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    wait_until(lambda: len(deployments(stack)) >= before + executions)
    wait_until(lambda: "RUNNING" not in deployments(stack))


@pytest.fixture
def golden_lines(stack: Stack, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "golden", plain, {"test": 20}, seed=7)
    bucket = stack.outputs["BucketName"]
    for path in sorted(folder.rglob("*.*")):
        key = f"golden/{GOLDEN}/{path.relative_to(folder).as_posix()}"
        stack.s3.upload_file(str(path), bucket, key)
    report = s3_layout.golden_report(GOLDEN)

    def is_registered() -> bool:
        found = stack.s3.list_objects_v2(Bucket=bucket, Prefix=report).get("Contents")
        state = stack.read_json(f"s3://{bucket}/{report}")["state"] if found else ""
        return bool(state == "registered")

    wait_until(is_registered)


@dataclass(frozen=True)
class Registry:
    """Makes versions out of the one that serves."""

    stack: Stack
    folder: Path

    def served(self) -> Path:
        """Unpack the artefact of the version that serves."""
        arn = self.stack.serving_package()
        package = self.stack.sagemaker.describe_model_package(ModelPackageName=arn)
        uri = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
        archive = self.folder / "served.tar.gz"
        archive.write_bytes(self.stack.read_bytes(uri))
        return artefact.unpack(archive, self.folder / "served")

    def with_exchanged(self, name: str, exchanged: Mapping[str, str]) -> str:
        """Register a version that reads some characters as others."""
        model = self._copy(name)
        path = model / artefact.DICTIONARY
        rows = path.read_text(encoding="utf-8").split("\n")
        path.write_text("\n".join(exchanged.get(row, row) for row in rows), encoding="utf-8")
        return self._register(name, model)

    def broken(self, name: str) -> str:
        """Register a version whose container never gets healthy."""
        model = self._copy(name)
        (model / artefact.MODEL_ONNX).write_bytes(b"no model")
        return self._register(name, model)

    def _copy(self, name: str) -> Path:
        model = self.folder / name
        shutil.copytree(self.folder / "served", model)
        return model

    def _register(self, name: str, model: Path) -> str:
        artefact.write_manifest(artefact.read_manifest(model), model)
        archive = self.folder / f"{name}.tar.gz"
        artefact.pack(model, archive)
        bucket, key = self.stack.outputs["BucketName"], f"models/{name}/output/model.tar.gz"
        self.stack.s3.upload_file(str(archive), bucket, key)
        uri = f"s3://{bucket}/{key}"
        return self.stack.sagemaker.create_model_package(
            ModelPackageGroupName=self.stack.outputs["ModelPackageGroupName"],
            ModelApprovalStatus="PendingManualApproval",
            InferenceSpecification={
                "Containers": [
                    {"Image": self.stack.outputs["InferenceImageUri"], "ModelDataUrl": uri}
                ],
                "SupportedContentTypes": ["image/png"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
            # What an evaluation would have measured: without it a smoke test asks for answers only.
            CustomerMetadataProperties={"accuracy/general": "0.9000"},
        )["ModelPackageArn"]


def approval(stack: Stack, package: str) -> tuple[str, str]:
    found = stack.sagemaker.describe_model_package(ModelPackageName=package)
    return found["ModelApprovalStatus"], found.get("ApprovalDescription", "")


def picture() -> bytes:
    out = io.BytesIO()
    plain("12:34:56", np.random.default_rng(8)).save(out, format="PNG")
    return out.getvalue()


def exchange(text: str, exchanged: Mapping[str, str]) -> str:
    return "".join(exchanged.get(each, each) for each in text)


def test_no_request_fails_whatever_becomes_of_a_deployment(
    stack: Stack, golden_lines: None, tmp_path: Path
) -> None:
    registry = Registry(stack, tmp_path)
    first = stack.serving_package()
    registry.served()
    good = registry.with_exchanged("good", MARKS)
    unhealthy = registry.broken("unhealthy")
    blind = registry.with_exchanged("blind", ALL_DIGITS)
    load = Load(stack, picture())
    old = load.ask()
    new = exchange(old, MARKS)
    assert new != old

    with load.running():
        assert load.during(lambda: deployed(stack, good, 1)) == {old, new}
        assert stack.serving_package() == good

        assert load.during(lambda: deployed(stack, unhealthy, 2)) == {new}
        assert stack.serving_package() == good

        assert load.during(lambda: deployed(stack, blind, 2)) <= {new, exchange(old, ALL_DIGITS)}
        assert stack.serving_package() == good

        rolled_back = load.during(lambda: rollback(stack))
        assert rolled_back == {old, new}
        assert stack.serving_package() == first

    assert load.errors == []
    assert len(load.answers) > 100
    assert load.ask() == old
    assert approval(stack, good)[0] == "Rejected"
    assert approval(stack, unhealthy)[0] == "Rejected"
    assert "ping health check" in approval(stack, unhealthy)[1]
    assert approval(stack, blind)[0] == "Rejected"
    assert "smoke test" in approval(stack, blind)[1]


def rollback(stack: Stack) -> None:
    done = stack.run("rollback", "--yes", "--reason", "a customer complained")
    assert done.code == 0, done.stderr
    assert "passed its smoke test" in done.stdout
