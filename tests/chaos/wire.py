"""The wire between the functions and AWS: every call passes here, and may be harmed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber
from tests.chaos import refusals
from tests.chaos.faults import CallFault, HostLostError, KilledError

_F = CallFault
_REFUSALS = {
    _F.THROTTLED: refusals.throttled,
    _F.THROTTLED_ONCE: refusals.throttled,
    _F.ERROR: refusals.broken,
    _F.ERROR_ONCE: refusals.broken,
    _F.UNAVAILABLE: refusals.unavailable,
}
_ONCE = frozenset({_F.THROTTLED_ONCE, _F.ERROR_ONCE, _F.ANSWER_LOST_ONCE, _F.CONFLICT})
_DEADLY_AFTER = {_F.KILLED_AFTER: KilledError, _F.HOST_LOST: HostLostError}
_MEANWHILE = frozenset({_F.OVERTAKEN, _F.UPLOAD_MEANWHILE, _F.ABORT_MEANWHILE})
_CONFLICTING = frozenset({"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"})


@dataclass(frozen=True)
class Call:
    """One call of a function to AWS: the n-th of its invocation."""

    number: int
    service: str
    operation: str

    def __str__(self) -> str:
        return f"call {self.number} {self.service}.{self.operation}"


class Chooser(Protocol):
    """Decides whether something happens to a call, and does what happens beside it."""

    def choose(self, call: Call) -> CallFault | None:
        """Tell what happens to a call, or None."""

    def meanwhile(self, fault: CallFault) -> None:
        """Do what happens in between."""


@dataclass
class Wire:
    """The calls of one invocation; nested invocations have wires of their own."""

    chooser: Chooser
    late: list[Callable[[], None]]
    calls: list[Call] = field(default_factory=list)
    fault: CallFault | None = None
    lasting: tuple[CallFault, str] | None = None
    attempts: int = 0
    death: KilledError | None = None

    def begin_call(self, service: str, operation: str) -> None:
        """Begin a call: the SDK's attempts follow."""
        if self.death:
            # Threads of a dead process do nothing more.
            raise self.death
        call = Call(len(self.calls) + 1, service, operation)
        self.calls.append(call)
        self.attempts = 0
        self.fault = self._lasting_fault(call) or self.chooser.choose(call)
        if self.fault in {_F.UNAVAILABLE, _F.CONFLICTS}:
            self.lasting = (self.fault, service)
        elif self.fault is _F.KILLED_BEFORE:
            self._die(KilledError())
        elif self.fault in _MEANWHILE:
            fault, self.fault = self.fault, None
            self.chooser.meanwhile(fault)

    def _lasting_fault(self, call: Call) -> CallFault | None:
        if not self.lasting or self.lasting[1] != call.service:
            return None
        if self.lasting[0] is _F.CONFLICTS and call.operation not in _CONFLICTING:
            return None
        return self.lasting[0]

    def send(self, event_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """Answer one attempt."""
        self.attempts += 1
        fault = self.fault
        if fault in _ONCE and self.attempts > 1:
            fault = None
        call = self.calls[-1]
        if fault in _REFUSALS:
            return _REFUSALS[fault](call.service, request)
        if fault in {_F.CONFLICT, _F.CONFLICTS}:
            return refusals.conflict(call.operation, request)
        if fault is _F.NO_CONNECTION:
            raise ConnectTimeoutError(endpoint_url=request.url)
        if fault is _F.KILLED_IN_FLIGHT:
            self.late.append(lambda: _ignore(_answer(event_name, request)))
            self._die(KilledError())
        answer = _answer(event_name, request)
        if fault in {_F.ANSWER_LOST, _F.ANSWER_LOST_ONCE}:
            raise ReadTimeoutError(endpoint_url=request.url)
        if fault in _DEADLY_AFTER:
            self._die(_DEADLY_AFTER[fault]())
        return answer

    def _die(self, death: KilledError) -> None:
        self.death = death
        raise death


_answers: dict[tuple[str, str], tuple[int, Any, bytes]] = {}


def _answer(event_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
    """Let moto answer; what carries a token is done once, as AWS promises and moto does not."""
    operation = event_name.rpartition(".")[2]
    token = _token(operation, request)
    if not token:
        return _moto(event_name, request)
    key = (operation, token)
    if key not in _answers:
        answer = _moto(event_name, request)
        assert answer is not None
        if answer.status_code != 200:
            return answer
        _answers[key] = (answer.status_code, answer.headers, answer.content)
    status, headers, body = _answers[key]
    return AWSResponse(request.url, status, headers, MockRawResponse(body))


def _moto(event_name: str, request: AWSPreparedRequest) -> AWSResponse | None:
    answer: AWSResponse | None = botocore_stubber(event_name, request)
    return answer


def forget_tokens() -> None:
    """Begin anew."""
    _answers.clear()


def _token(operation: str, request: AWSPreparedRequest) -> str:
    if operation not in {"TransactWriteItems", "CreateModelPackage"}:
        return ""
    body: Any = request.body
    given = json.loads(body or "{}")
    return str(given.get("ClientRequestToken") or given.get("ClientToken") or "")


def _ignore(answer: AWSResponse | None) -> None:
    """Nobody is there to hear it."""


class Current:
    """The wire of the invocation under way in this process, if there is one."""

    wire: Wire | None = None


def connect() -> boto3.Session:
    """Make a session whose clients send everything through the current wire."""
    session = boto3.Session()
    session.events.unregister("before-send", botocore_stubber)

    def before_call(model: Any, **_: Any) -> None:
        wire = Current.wire
        if wire:
            service = model.service_model.service_name
            wire.begin_call(service, model.name)

    def before_send(event_name: str, request: AWSPreparedRequest, **_: Any) -> Any:
        wire = Current.wire
        return wire.send(event_name, request) if wire else _moto(event_name, request)

    session.events.register_first("before-call", before_call)
    session.events.register_first("before-send", before_send)
    return session
