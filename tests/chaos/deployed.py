"""The stack on a local cloud, with its functions behind proxies: what is there, and what to do."""

from __future__ import annotations

import io
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.truth import Execution, Version
from tests.integration.digit_lines import plain
from tests.integration.stack import ROOT, Stack

from localcloud import lifecycle

QUICK_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ocr-retrain/training:quick"
PARAMETERS = {
    "TrainingImageUri": QUICK_IMAGE,
    # Approved models would be deployed, with minutes of work that is none of the event path's.
    "RequireApproval": "true",
    "SettleSeconds": "1",
    "UploadPollSeconds": "1",
    "UploadWaitSeconds": "8",
    "ScheduleMinutes": "2",
    "MinSliceLines": "1",
}
# A message whose function was killed comes again after this, not after minutes; but not while the
# function may still be at work, or good messages would be taken for poison.
VISIBILITY_SECONDS = 70
_FUNCTION_SECONDS = 300
LABELS = "labels/train.txt"
LINES = 4
_DIGITS = "0123456789"


class NotAtRestError(AssertionError):
    """Things went on for too long."""


class Deployed:
    """One stack; all of its AWS calls but those of the functions' processes are unharmed."""

    def __init__(self, stack: Stack, pid: int, seed: int) -> None:
        self.stack = stack
        self.weather = Weather(seed, pid)
        self.rng = random.Random(seed)
        self.versions: list[Version] = []
        self.proxies: list[Proxy] = []
        self.bucket = stack.outputs["BucketName"]

    # --- preparation

    def put_functions_behind_proxies(self) -> None:
        """Give every function an endpoint of its own that leads to the cloud."""
        address = urlsplit(self.stack.environment["AWS_ENDPOINT_URL"])
        cloud = (str(address.hostname), int(address.port or 0))
        for name in self.functions:
            proxy = Proxy(cloud, self.weather)
            self.proxies.append(proxy)
            self.set_variables(name, {"AWS_ENDPOINT_URL": proxy.url})

    def hasten_the_queue(self) -> None:
        for url in self.queues.values():
            self.sqs.set_queue_attributes(
                QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
            )

    @cached_property
    def functions(self) -> list[str]:
        listed = self.lambdas.list_functions(MaxItems=50)["Functions"]
        return [each["FunctionName"] for each in listed]

    def set_variables(self, function: str, changed: Mapping[str, str]) -> None:
        known = self.lambdas.get_function_configuration(FunctionName=function)
        variables = {**known["Environment"]["Variables"], **changed}
        self.lambdas.update_function_configuration(
            FunctionName=function, Environment={"Variables": variables}
        )

    @contextmanager
    def jobs(self, **told: str) -> Iterator[None]:
        """Tell the quick jobs of runs that are planned meanwhile how to end."""
        function = f"{self.stack.outputs['Prefix']}-plan-training"
        self.set_variables(function, {"HYPERPARAMETERS": json.dumps(told)})
        try:
            yield
        finally:
            self.set_variables(function, {"HYPERPARAMETERS": "{}"})

    # --- clients

    @cached_property
    def s3(self) -> Any:
        return self.stack.client("s3")

    @cached_property
    def sqs(self) -> Any:
        return self.stack.client("sqs")

    @cached_property
    def lambdas(self) -> Any:
        # Invocations are waited for, and never sent twice.
        patient = Config(read_timeout=_FUNCTION_SECONDS, retries={"max_attempts": 0})
        return self.stack.client("lambda", patient)

    @cached_property
    def events(self) -> Any:
        return self.stack.client("events")

    @cached_property
    def states(self) -> Any:
        return self.stack.client("stepfunctions")

    @cached_property
    def dynamodb(self) -> Any:
        return self.stack.client("dynamodb")

    @cached_property
    def sagemaker(self) -> Any:
        return self.stack.client("sagemaker")

    @property
    def machine(self) -> str:
        return self.stack.outputs["RetrainStateMachineArn"]

    @cached_property
    def queues(self) -> dict[str, str]:
        """The upload queue and its dead letters, by ``upload`` and ``dead``."""
        urls = self.sqs.list_queues()["QueueUrls"]
        dead = next(each for each in urls if "DeadLetter" in each)
        upload = next(each for each in urls if "Upload" in each and each != dead)
        return {"upload": upload, "dead": dead}

    # --- what people do

    def upload(self, dataset: str, *, lines: int = LINES) -> None:
        """Upload a good dataset, or its next version, in random order."""
        names = list(dict.fromkeys(each.dataset for each in self.versions))
        place = names.index(dataset) if dataset in names else len(names)
        number = sum(each.dataset == dataset for each in self.versions) + 1
        rows = {
            f"images/{number}-{line}.png": f"{100 + place}{10 + number}{10 + line}"
            for line in range(lines)
        }
        files = {path: _drawn(text) for path, text in rows.items()}
        files[LABELS] = "".join(f"{path}\t{text}\n" for path, text in rows.items()).encode()
        self.versions.append(Version(dataset, number, frozenset(rows.values())))
        for path in self.rng.sample(sorted(files), len(files)):
            self.s3.put_object(
                Bucket=self.bucket, Key=f"incoming/{dataset}/{path}", Body=files[path]
            )

    def upload_the_same_again(self, dataset: str) -> None:
        key = f"incoming/{dataset}/{LABELS}"
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    # --- what AWS does

    def send(self, bodies: Sequence[str], *, latest: int = 0) -> None:
        """Put events into the upload queue, each as late as the generator says."""
        for each in bodies:
            delay = self.rng.randint(0, latest)
            self.sqs.send_message(
                QueueUrl=self.queues["upload"], MessageBody=each, DelaySeconds=delay
            )

    def announce(self, dataset: str, sequencer: str = "") -> str:
        """Make the event that tells of a dataset's label file as it is now."""
        key = f"incoming/{dataset}/{LABELS}"
        found = self.s3.head_object(Bucket=self.bucket, Key=key)
        described = {"key": key, "size": found["ContentLength"], "sequencer": sequencer}
        return json.dumps(
            {
                "detail-type": "Object Created",
                "source": "aws.s3",
                "detail": {"bucket": {"name": self.bucket}, "object": described},
            }
        )

    def end_event(self, name: str) -> dict[str, Any]:
        """Make the event that tells of the end of an execution."""
        found = self.describe(name)
        return {
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "detail": {
                "executionArn": found["executionArn"],
                "stateMachineArn": self.machine,
                "name": name,
                "status": found["status"],
                "stopDate": int(found["stopDate"].timestamp() * 1000),
                "input": found["input"],
                "output": found.get("output"),
                "error": found.get("error"),
                "cause": found.get("cause"),
            },
        }

    def notify(self, event: Mapping[str, Any], kind: str = "Event") -> None:
        """Bring an event to start_retraining by itself, as EventBridge does."""
        self.lambdas.invoke(
            FunctionName=f"{self.stack.outputs['Prefix']}-start-retraining",
            InvocationType=kind,
            Payload=json.dumps(event).encode(),
        )

    def tick(self) -> None:
        """Let the schedule arrive."""
        self.notify({"detail-type": "Scheduled Event"})

    def tick_and_wait(self) -> None:
        """Let the schedule arrive, and the function end."""
        self.notify({"detail-type": "Scheduled Event"}, "RequestResponse")

    def abort(self, name: str) -> None:
        self.states.stop_execution(executionArn=self.arn(name), cause="stopped on purpose")

    # --- what is there

    def arn(self, name: str) -> str:
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"

    def describe(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.states.describe_execution(executionArn=self.arn(name))
        return found

    @property
    def running(self) -> list[str]:
        listed = self.states.list_executions(stateMachineArn=self.machine, statusFilter="RUNNING")
        return [each["name"] for each in listed["executions"]]

    def state_of(self, name: str) -> str:
        """Tell the state that an execution has entered last."""
        events = self.states.get_execution_history(
            executionArn=self.arn(name), reverseOrder=True, maxResults=20
        )["events"]
        entered = (each.get("stateEnteredEventDetails") for each in events)
        return next((str(each["name"]) for each in entered if each), "")

    def look(self) -> Snapshot:
        """Take everything in as it is now."""
        return Snapshot(self)

    # --- waiting

    def until(self, what: Callable[[], Any], seconds: float, about: str) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = what()
            if found:
                return found
            time.sleep(0.1)
        raise NotAtRestError(f"{about} within {seconds:.0f} s")

    def come_to_rest(self, seconds: float = 1200.0) -> None:
        """Wait until nothing more happens by itself; the schedule comes often meanwhile."""
        quiet = 0
        deadline = time.monotonic() + seconds
        while quiet < 2:
            if time.monotonic() > deadline:
                raise NotAtRestError(f"no rest within {seconds:.0f} s")
            before = len(self.look().history)
            # On a busy machine a function takes longer than anybody would wait for its effect.
            self.tick_and_wait()
            time.sleep(1.0)
            moved = self.running or self.messages or len(self.look().history) != before
            quiet = 0 if moved else quiet + 1

    @property
    def messages(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        names.append("ApproximateNumberOfMessagesDelayed")
        told = self.sqs.get_queue_attributes(QueueUrl=self.queues["upload"], AttributeNames=names)[
            "Attributes"
        ]
        return sum(int(told[each]) for each in names)

    def close(self) -> None:
        for each in self.proxies:
            each.close()


class Snapshot:
    """The truth at one moment; each thing is read once."""

    def __init__(self, deployed: Deployed) -> None:
        self._of = deployed
        self._objects: dict[str, str] = {}
        self.versions: Sequence[Version] = deployed.versions

    @cached_property
    def described(self) -> list[dict[str, Any]]:
        pages = self._of.states.get_paginator("list_executions").paginate(
            stateMachineArn=self._of.machine
        )
        names = [each["name"] for page in pages for each in page["executions"]]
        found = [self._of.describe(name) for name in names]
        return sorted(found, key=lambda each: each["startDate"])

    @cached_property
    def history(self) -> Sequence[Execution]:
        return [
            Execution.of(each["name"], each["status"], each["input"], each.get("output"))
            for each in self.described
        ]

    @cached_property
    def packages(self) -> Sequence[str]:
        group = self._of.stack.outputs["Prefix"]
        pages = self._of.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group
        )
        return [
            str(each.get("ModelPackageDescription", ""))
            for page in pages
            for each in page["ModelPackageSummaryList"]
        ]

    @property
    def undelivered(self) -> Sequence[str]:
        return ["a message"] * self._of.messages

    @cached_property
    def dead(self) -> Sequence[str]:
        found: list[str] = []
        while True:
            answer = self._of.sqs.receive_message(
                QueueUrl=self._of.queues["dead"], MaxNumberOfMessages=10, WaitTimeSeconds=0
            )
            if not answer.get("Messages"):
                return found
            found += [each["Body"] for each in answer["Messages"]]

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        found = self._of.dynamodb.get_item(
            TableName=self._of.stack.outputs["TableName"], Key={"pk": {"S": pk}, "sk": {"S": sk}}
        ).get("Item")
        read = TypeDeserializer().deserialize
        return {name: read(value) for name, value in found.items()} if found else None

    @cached_property
    def _keys(self) -> list[str]:
        pages = self._of.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._of.bucket, Prefix="runs/"
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def keys(self, prefix: str) -> list[str]:
        return [each for each in self._keys if each.startswith(prefix)]

    def get(self, key: str) -> str:
        if key not in self._objects:
            body = self._of.s3.get_object(Bucket=self._of.bucket, Key=key)["Body"].read()
            self._objects[key] = body.decode("utf-8")
        return self._objects[key]

    def check_that_runs_do_not_overlap(self) -> None:
        for before, after in zip(self.described, self.described[1:], strict=False):
            ended = before.get("stopDate")
            assert ended, f"{before['name']} goes on while {after['name']} does"
            overlap = ended > after["startDate"]
            assert not overlap, f"{before['name']} and {after['name']} overlap"


@contextmanager
def deployed(home: Path, seed: int, on_progress: Callable[[str], None]) -> Iterator[Deployed]:
    """A local cloud of its own, for as long as it is needed."""
    connection = lifecycle.start(
        home, ROOT, parameters=PARAMETERS, bind_to_this_process=True, on_progress=lambda _: None
    )
    try:
        stack = Stack(home, connection.environment(), dict(connection.outputs))
        on_progress("local cloud started")
        _bootstrap(stack)
        made = Deployed(stack, connection.pid, seed)
        made.hasten_the_queue()
        made.put_functions_behind_proxies()
        try:
            yield made
        finally:
            made.close()
    finally:
        lifecycle.stop(home)


def _bootstrap(stack: Stack) -> None:
    """Register a model; on a busy machine a deployment may run into the time limits of AWS."""
    for _ in range(3):
        booted = stack.run("bootstrap", "--model", "tiny")
        if booted.code == 0:
            return
    raise NotAtRestError(booted.stderr)


def _drawn(text: str) -> bytes:
    out = io.BytesIO()
    plain(text, np.random.default_rng(int(text))).save(out, format="PNG")
    return out.getvalue()
