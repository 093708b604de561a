"""AWS around the functions, in one process: moto, a queue, events, schedules and executions.

The functions are the real ones; what AWS does between their invocations is done here, in an order
that depends on nothing but the seed: messages that come back, events that are tried again, a
schedule, and executions that go from state to state as Retrain's do.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import random
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import boto3
from boto3.dynamodb.types import TypeDeserializer
from boto3.s3 import inject, transfer
from boto3.s3.transfer import TransferConfig
from moto import mock_aws
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.s3.models import s3_backends
from moto.sagemaker.models import sagemaker_backends
from moto.stepfunctions.models import stepfunctions_backends
from tests.aws_environment import (
    ACCOUNT,
    BUCKET,
    ENVIRONMENT,
    MACHINE,
    REGION,
    TABLE,
    make_resources,
)
from tests.chaos import wire as wires
from tests.chaos.clock import CLOCK, Clock, rule_time
from tests.chaos.faults import CallFault, HostLostError, KilledError
from tests.chaos.inline_threads import run_threads_inline
from tests.chaos.truth import BY_HAND, Execution, Version

from retraining.ledger_items import Pause

# Handlers are modules of their own, as in a function's archive.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
_OWN_ENVIRONMENT = {"LOG_LEVEL": "CRITICAL", "MIN_SLICE_LINES": "1", "UPLOAD_WAIT_SECONDS": "300"}
MINUTE = 60.0
VISIBILITY_SECONDS = 6 * MINUTE
MOST_RECEIVES = 5
# Asynchronous invocations are tried three times.
ASYNC_RETRY_SECONDS = (MINUTE, 2 * MINUTE)
SCHEDULE_SECONDS = 5 * MINUTE
_QUIET_TICKS = 1
# A lock whose execution is gone is believed for some minutes.
_TICKS_WITH_LOCK = 12
_MOST_STEPS = 600


@dataclass
class Message:
    """One message of the upload queue."""

    identifier: str
    body: str
    visible_at: float = 0.0
    receives: int = 0


@dataclass
class Notice:
    """An event on its way to the function by itself."""

    event: dict[str, Any]
    due: float
    attempts: int = 0


@dataclass(frozen=True)
class Told:
    """What became of an invocation: its answer, or the error that AWS reports."""

    answer: Any = None
    error: str = ""
    cause: str = ""


class AbandonedError(Exception):
    """The world does not come to rest."""


class Tamperer(wires.Chooser):
    """What may happen in a world; by itself nothing does."""

    def choose(self, call: wires.Call) -> CallFault | None:
        return None

    def meanwhile(self, fault: CallFault) -> None:
        raise NotImplementedError

    def between(self) -> None:
        """Something may happen between two steps of the world."""


@dataclass
class World:
    """Everything there is. One per process: the functions keep their clients for ever."""

    seed: int
    settings: Mapping[str, str] = field(default_factory=dict)
    clock: Clock = CLOCK
    queue: list[Message] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    ends: list[dict[str, Any]] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    jobs_to_break: dict[str, str] = field(default_factory=dict)
    candidates_are_worse: bool = False
    ends_told: int = 1
    had_to_wait: bool = False
    timed: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    at_states: dict[str, Callable[[], None]] = field(default_factory=dict)
    state: str = ""
    invocation: str = ""
    event: tuple[str, dict[str, Any]] = ("", {})

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.tamperer = Tamperer()
        self.checks: list[Callable[[], None]] = []
        self.players: dict[str, Iterator[str]] = {}
        self.play: Callable[[World, str], Iterator[str]]
        self._numbers = iter(range(1, 1_000_000))
        self._tick_at = SCHEDULE_SECONDS
        self._quiet_ticks = 0
        self._prepare()

    # --- preparation

    def _prepare(self) -> None:
        if _Process.moto:
            _Process.moto.stop()
        os.environ.pop("AWS_ENDPOINT_URL", None)
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update({**ENVIRONMENT, **_OWN_ENVIRONMENT, **self.settings})
        _Process.moto = mock_aws()
        _Process.moto.start()
        make_resources(self.client)
        if not _Process.functions:
            boto3.DEFAULT_SESSION = wires.connect()
            for module in (inject, transfer):
                vars(module)["TransferConfig"] = partial(TransferConfig, use_threads=False)
            _Process.functions = {name: importlib.import_module(name) for name in _FUNCTIONS}
            boto3.DEFAULT_SESSION = None
            rule_time(self.clock)
            run_threads_inline()
        self.functions = _Process.functions
        self.clock.seconds = 0.0
        wires.forget_tokens()
        random.seed(self.seed)
        self.ledger = self.functions["start_retraining"].LEDGER
        reconciler = self.functions["start_retraining"].RECONCILER
        tokens = (f"{number:06x}" for number in range(1, 1_000_000))
        self.functions["start_retraining"].RECONCILER = replace(  # type: ignore[attr-defined]
            reconciler, token=lambda: next(tokens)
        )

    def client(self, name: str) -> Any:
        """Connect as AWS itself or a person would: nothing happens to these calls."""
        return _client(name)

    # --- what people do

    def put(self, key: str, body: bytes | str, *, announce: bool = True) -> None:
        """Upload an object; S3 announces label files and archives."""
        data = body.encode() if isinstance(body, str) else body
        stored = s3_backends[ACCOUNT]["aws"].put_object(BUCKET, key, data)
        if announce and key.startswith(("incoming/", "golden/")) and not key.endswith(".png"):
            event = _object_created(stored, len(data), f"{next(self._numbers):016X}")
            self.announced.append(event)
            self.send(event)

    def get_bytes(self, key: str) -> bytes:
        content: bytes = self.objects[key].value
        return content

    def get(self, key: str) -> str:
        return self.get_bytes(key).decode("utf-8")

    @property
    def objects(self) -> Any:
        """The bucket's objects, as moto keeps them: a look at them costs nothing."""
        return s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys

    def keys(self, prefix: str) -> list[str]:
        return sorted(each for each in self.objects if each.startswith(prefix))

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        """An item of the ledger, as moto keeps it."""
        table = dynamodb_backends[ACCOUNT][REGION].tables[TABLE]
        found = table.get_item(DynamoType({"S": pk}), DynamoType({"S": sk}))
        if found is None:
            return None
        read = TypeDeserializer().deserialize
        attributes = found.to_json()["Attributes"]
        return {name: read(value) for name, value in attributes.items()}

    def at_state(self, state: str, action: Callable[[], None]) -> None:
        """Do something when a run first comes to a state."""
        self.at_states[state] = action

    def pause(self, *, minutes: float) -> None:
        """Hold runs back, and let them go after a while, as the commands do."""
        self.ledger.pause(Pause(self.clock.now().isoformat(), "anna", "maintenance"))

        def resume() -> None:
            self.ledger.resume()
            self.tell_schedule()

        self.timed.append((self.clock.seconds + minutes * MINUTE, resume))

    # --- what AWS does

    def send(self, body: str, delay: float = 0.0) -> None:
        """Put a message into the upload queue."""
        identifier = f"m{next(self._numbers)}"
        self.queue.append(Message(identifier, body, self.clock.seconds + delay))

    def tell_schedule(self, delay: float = 0.0) -> None:
        self.notices.append(Notice({"detail-type": "Scheduled Event"}, self.clock.seconds + delay))

    @property
    def executions(self) -> list[Any]:
        """The executions of Retrain, as moto keeps them."""
        (machine,) = stepfunctions_backends[ACCOUNT][REGION].state_machines
        found: list[Any] = machine.executions
        return found

    @property
    def history(self) -> list[Execution]:
        return [
            Execution.of(each.name, each.status, each.execution_input, each.output)
            for each in self.executions
        ]

    @property
    def packages(self) -> list[str]:
        found = sagemaker_backends[ACCOUNT][REGION].model_packages.values()
        return [str(each.model_package_description) for each in found]

    @property
    def undelivered(self) -> list[str]:
        return [each.body for each in self.queue]

    @property
    def dead(self) -> list[str]:
        return [each.body for each in self.dead_letters]

    @property
    def running(self) -> list[str]:
        """The runs that go on, but for executions that were started by hand."""
        return [
            each.name
            for each in self.executions
            if each.status == "RUNNING" and not each.name.startswith(BY_HAND)
        ]

    @property
    def by_hand(self) -> list[str]:
        return [each.name for each in self.executions if each.name.startswith(BY_HAND)]

    def start_by_hand(self) -> None:
        """Start an execution with the dataset that is there, as a person can."""
        name = f"{BY_HAND}-{next(self._numbers)}"
        given = {"run_id": name, "datasets": [self.versions[0].dataset]}
        self.client("stepfunctions").start_execution(
            stateMachineArn=MACHINE, name=name, input=json.dumps(given)
        )
        self._take_up_executions()

    def execution(self, name: str) -> Any:
        return next((each for each in self.executions if each.name == name), None)

    def end(
        self, name: str, status: str, output: Any = None, error: str = "", cause: str = ""
    ) -> None:
        """End an execution; EventBridge tells of it."""
        execution = self.execution(name)
        if execution is None or execution.status != "RUNNING":
            return
        execution.status = status
        execution.stop_date = self.clock.now()
        execution.output = json.dumps(output) if output is not None else None
        execution.error, execution.cause = error or None, cause or None
        self.players.pop(name, None)
        self.log.append(f"  execution {name} {status} {error} {cause[:120]}")
        event = {
            "detail-type": "Step Functions Execution Status Change",
            "detail": {
                "executionArn": execution.execution_arn,
                "stateMachineArn": MACHINE,
                "name": name,
                "status": status,
                "stopDate": int(execution.stop_date.timestamp() * 1000),
                "input": execution.execution_input,
                "output": execution.output,
                "error": execution.error,
                "cause": execution.cause,
            },
        }
        self.ends.append(event)
        self.notices += [Notice(event, self.clock.seconds) for _ in range(self.ends_told)]

    def delete(self, name: str) -> None:
        """Let an execution be gone, as when its state machine is deleted."""
        self.executions.remove(self.execution(name))
        self.players.pop(name, None)

    def invoke(self, name: str, event: dict[str, Any], about: str) -> Told:
        """Invoke a function as AWS does: JSON in, JSON out, one process."""
        before = wires.Current.wire, self.invocation, self.event
        self.invocation, self.event = about, (name, event)
        wire = wires.Current.wire = wires.Wire(self.tamperer, self.late)
        try:
            with _own_process(self.functions[name]), contextlib.redirect_stdout(io.StringIO()):
                handler = self.functions[name].handler
                answer = json.loads(json.dumps(handler(json.loads(json.dumps(event)), CONTEXT)))
            told = Told(answer)
        except HostLostError:
            told = Told(error="Lambda.AWSLambdaException", cause="The host was lost.")
        except KilledError:
            told = Told(error="Runtime.ExitError", cause="Runtime exited without a reason")
        except AssertionError:
            raise
        except Exception as error:
            cause = {"errorMessage": str(error), "errorType": type(error).__name__}
            told = Told(error=type(error).__name__, cause=json.dumps(cause))
            if not isinstance(error, _EXPECTED):
                self.log.append(traceback.format_exc())
        finally:
            wires.Current.wire, self.invocation, self.event = before
        self.log.append(f"{about}: {len(wire.calls)} calls: {told.error or str(told.answer)[:160]}")
        for check in self.checks:
            check()
        return told

    def invoke_start(self, event: dict[str, Any], about: str) -> Told:
        told = self.invoke("start_retraining", event, f"start_retraining ({about})")
        self._take_up_executions()
        return told

    def _take_up_executions(self) -> None:
        for execution in self.executions:
            is_new = execution.name not in self.players
            if execution.status == "RUNNING" and is_new:
                execution.chaos_started_at = self.clock.now().isoformat()
                self.players[execution.name] = self.play(self, execution.name)

    # --- the course of things

    def come_to_rest(self) -> None:
        """Do what is to be done, step by step, until nothing more happens by itself."""
        self._quiet_ticks = 0
        for _ in range(_MOST_STEPS):
            if self._step():
                continue
            if self.late:
                self.arrive_late()
                self._quiet_ticks = 0
                continue
            if self._quiet_ticks >= self._enough_ticks:
                return
            self._pass_time()
        raise AbandonedError(f"no rest after {_MOST_STEPS} steps")

    @property
    def _enough_ticks(self) -> int:
        """How many times the schedule must come in vain until the world is at rest."""
        decision = self.item("DECISION", "last") or {}
        on_its_way = self.queue or self.notices or self.timed
        if on_its_way or str(decision.get("action")) == "wait":
            return _MOST_STEPS
        return _TICKS_WITH_LOCK if self.item("LOCK", "retrain") else _QUIET_TICKS

    def arrive_late(self) -> None:
        """Let calls of dead processes arrive."""
        while self.late:
            self.late.pop(0)()
            self.log.append("  a call of a dead process arrives")
        self._take_up_executions()

    def _pass_time(self) -> None:
        due = [each.visible_at for each in self.queue] + [each.due for each in self.notices]
        due += [moment for moment, _ in self.timed]
        self.clock.seconds = max(self.clock.seconds, min([*due, self._tick_at]))
        if self.clock.seconds >= self._tick_at:
            self._tick_at = self.clock.seconds + SCHEDULE_SECONDS
            self.tell_schedule()

    def _step(self) -> bool:
        """Do one thing that is due; returns whether there was one."""
        self._let_people_act()
        if not (self.batch or self.due_notices or self.players):
            return False
        self.tamperer.between()
        is_quiet = not (self.batch or self.players or self.timed) and all(
            each.event["detail-type"] == "Scheduled Event" for each in self.due_notices
        )
        lines = len(self.log)
        if self.batch:
            self._deliver(self.batch)
        elif self.due_notices:
            self._notify(self.due_notices[0])
        elif self.players:
            self._go_on()
        # One line: the schedule came, and nothing went wrong meanwhile.
        is_quiet = is_quiet and len(self.log) == lines + 1
        self._quiet_ticks = self._quiet_ticks + 1 if is_quiet else 0
        return True

    @property
    def batch(self) -> list[Message]:
        """The messages that can be received now."""
        return [each for each in self.queue if each.visible_at <= self.clock.seconds][:100]

    @property
    def due_notices(self) -> list[Notice]:
        """The events that arrive now."""
        return [each for each in self.notices if each.due <= self.clock.seconds]

    def _let_people_act(self) -> None:
        due = [each for each in self.timed if each[0] <= self.clock.seconds]
        for each in due:
            self.timed.remove(each)
            each[1]()

    def _deliver(self, batch: Sequence[Message]) -> None:
        for each in batch:
            each.receives += 1
            each.visible_at = self.clock.seconds + VISIBILITY_SECONDS
        told = self.invoke_start(records(batch), "uploads")
        failed = {each.identifier for each in batch}
        if not told.error:
            failed = {each["itemIdentifier"] for each in told.answer["batchItemFailures"]}
        for each in batch:
            if each.identifier not in failed:
                self.queue.remove(each)
            elif each.receives >= MOST_RECEIVES:
                self.queue.remove(each)
                self.dead_letters.append(each)

    def deliver_now(self) -> None:
        """Bring the newest message at once."""
        self._deliver(self.queue[-1:])

    def notify_now(self) -> None:
        """Bring the newest event at once."""
        self._notify(self.notices[-1])

    def _notify(self, notice: Notice) -> None:
        self.notices.remove(notice)
        told = self.invoke_start(notice.event, notice.event["detail-type"])
        if told.error and notice.attempts < len(ASYNC_RETRY_SECONDS):
            delay = ASYNC_RETRY_SECONDS[notice.attempts]
            self.notices.append(
                Notice(notice.event, self.clock.seconds + delay, notice.attempts + 1)
            )

    def _go_on(self) -> None:
        name, player = next(iter(self.players.items()))
        try:
            state = next(player)
        except StopIteration:
            self.players.pop(name, None)
        else:
            if name in self.running:
                self.state = state
            self.log.append(f"  {name} at {state}")
            if name in self.running:
                self.at_states.pop(state, lambda: None)()


_FUNCTIONS = (
    "start_retraining",
    "unpack_archives",
    "validate_dataset",
    "check_images",
    "finish_validation",
    "plan_training",
    "judge_candidate",
    "register_model",
    "explain_failure",
)


class _Process:
    """What there is once in a process: the functions keep their clients for ever."""

    moto: Any = None
    functions: ClassVar[dict[str, types.ModuleType]] = {}


@cache
def _client(name: str) -> Any:
    return boto3.Session().client(name)  # type: ignore[call-overload]


class _Context:
    function_name = "function"
    memory_limit_in_mb = 1024
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


CONTEXT = _Context()


def _expected_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


_EXPECTED = _expected_errors()


@contextlib.contextmanager
def _own_process(module: types.ModuleType) -> Iterator[None]:
    """Give an invocation what would be its process's own: a batch under way."""
    processor = vars(module).get("PROCESSOR")
    if processor is None:
        yield
        return
    module.PROCESSOR = type(processor)(  # type: ignore[attr-defined]
        event_type=processor.event_type, raise_on_entire_batch_failure=False
    )
    try:
        yield
    finally:
        module.PROCESSOR = processor  # type: ignore[attr-defined]


def records(batch: Sequence[Message]) -> dict[str, Any]:
    """Write messages as Lambda hands them to a function."""
    return {
        "Records": [
            {
                "messageId": each.identifier,
                "receiptHandle": each.identifier,
                "body": each.body,
                "attributes": {"ApproximateReceiveCount": str(each.receives)},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:ocr-retrain-uploads",
                "awsRegion": REGION,
            }
            for each in batch
        ]
    }


def _object_created(stored: Any, size: int, sequencer: str) -> str:
    described = {
        "key": stored.name,
        "size": size,
        "etag": stored.etag.strip('"'),
        "version-id": stored.version_id,
        "sequencer": sequencer,
    }
    return json.dumps(
        {
            "version": "0",
            "id": sequencer,
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": ACCOUNT,
            "time": "2026-11-22T10:15:30Z",
            "region": REGION,
            "resources": [f"arn:aws:s3:::{BUCKET}"],
            "detail": {"version": "0", "bucket": {"name": BUCKET}, "object": described},
        }
    )
