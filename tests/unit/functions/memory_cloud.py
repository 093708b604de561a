"""A DynamoDB table and a state machine in memory, fast enough for thousands of random histories.

They answer what boto3 answers, as far as the ledger and the reconciler ask, and can be told to
fail at any call. test_ledger.py runs the same tests on this table and on moto's.
"""

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

Item = dict[str, Any]
_TOKEN = re.compile(r"\(|\)|,|\+|<>|<=|>=|=|<|>|[#:]?\w+")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD)\b")
_MISSING = object()


class KilledError(BaseException):
    """The process was ended here."""


class Fault(StrEnum):
    """What may happen to a call."""

    THROTTLED = "throttled"
    CONFLICT = "conflict"
    ANSWER_LOST = "answer lost"
    SENT_TWICE = "sent twice"
    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    LATE = "late"


@dataclass
class Faults:
    """Which of the next calls fail, and how; ``calls`` are the names of those that were made.

    ``late`` calls are still on their way when the process that made them is dead.
    """

    planned: dict[int, Fault] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    late: list[Callable[[], Any]] = field(default_factory=list)

    def plan(self, planned: Mapping[int, Fault]) -> None:
        self.planned, self.calls = dict(planned), []

    def call(self, name: str, work: Callable[[], Any]) -> Any:
        fault = self.planned.get(len(self.calls))
        self.calls.append(name)
        if fault is Fault.LATE:
            self.late.append(work)
        if fault in {Fault.KILLED_BEFORE, Fault.LATE}:
            raise KilledError
        if fault is Fault.THROTTLED:
            raise refusal("ThrottlingException", name)
        if fault is Fault.CONFLICT and name in WRITES:
            raise conflict(name)
        answer = work()
        if fault is Fault.SENT_TWICE and name in WRITES - {"TransactWriteItems"}:
            return work()
        if fault is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url="https://aws")
        if fault is Fault.KILLED_AFTER:
            raise KilledError
        return answer

    def arrive_late(self) -> None:
        """Let the calls that were on their way arrive; nobody hears their answers."""
        while self.late:
            with suppress(ClientError):
                self.late.pop(0)()


WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}


def refusal(code: str, operation: str, **more: Any) -> ClientError:
    about: Any = {"Error": {"Code": code, "Message": code}, **more}
    about["ResponseMetadata"] = {"HTTPStatusCode": 400}
    return ClientError(about, operation)


def conflict(operation: str) -> ClientError:
    if operation != "TransactWriteItems":
        return refusal("TransactionConflictException", operation)
    reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
    return refusal("TransactionCanceledException", operation, CancellationReasons=reasons)


class MemoryTable:
    """What boto3's Table does for ConditionalTable."""

    name = "ledger"

    def __init__(self, faults: Faults | None = None) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.faults = faults or Faults()
        self.meta = self
        self.client = self

    def get_item(self, *, Key: Item, ConsistentRead: bool) -> Item:
        assert ConsistentRead
        found = self.faults.call("GetItem", lambda: self.items.get(_key(Key)))
        return {"Item": copy.deepcopy(found)} if found else {}

    def put_item(self, *, Item: Item) -> Item:
        put = {"Put": {"Item": Item}}
        return dict(self.faults.call("PutItem", lambda: self._write([put])))

    def update_item(self, *, ReturnValues: str, **update: Any) -> Item:
        assert ReturnValues == "ALL_NEW"
        self.faults.call("UpdateItem", lambda: self._write_one({"Update": update}))
        return {"Attributes": copy.deepcopy(self.items[_key(update["Key"])])}

    def delete_item(self, **delete: Any) -> Item:
        return dict(self.faults.call("DeleteItem", lambda: self._write_one({"Delete": delete})))

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:
        assert len(TransactItems) <= 100
        keys = [_key(_target(each)) for each in TransactItems]
        assert len(keys) == len(set(keys)), "DynamoDB refuses two writes of one item"
        return dict(self.faults.call("TransactWriteItems", lambda: self._write(TransactItems)))

    def query(self, *, ConsistentRead: bool, **query: Any) -> Item:
        assert ConsistentRead
        found = self.faults.call("Query", lambda: list(self._query(**query)))
        return {"Items": copy.deepcopy(found)}

    def _query(self, KeyConditionExpression: Any, FilterExpression: Any = None) -> Iterator[Item]:
        for _, item in sorted(self.items.items()):
            if _holds(KeyConditionExpression, item) and (
                FilterExpression is None or _holds(FilterExpression, item)
            ):
                yield item

    def _write_one(self, write: Item) -> Item:
        try:
            return self._write([write])
        except ClientError as error:
            raise refusal("ConditionalCheckFailedException", error.operation_name) from error

    def _write(self, writes: list[Item]) -> Item:
        results: dict[tuple[str, str], Item | None] = {}
        reasons = []
        for write in writes:
            ((kind, what),) = write.items()
            key = _key(_target(write))
            item = self.items.get(key, {})
            values = what.get("ExpressionAttributeValues", {})
            expressions = _Expressions(item, values, what.get("ExpressionAttributeNames", {}))
            held = expressions.condition(what.get("ConditionExpression", ""))
            reasons.append({"Code": "None" if held else "ConditionalCheckFailed"})
            if kind == "Put":
                results[key] = dict(what["Item"])
            elif kind == "Delete":
                results[key] = None
            else:
                results[key] = {**what["Key"], **expressions.update(what["UpdateExpression"])}
            expressions.check_that_all_was_used()
        if any(each["Code"] != "None" for each in reasons):
            raise refusal(
                "TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons
            )
        for key, result in results.items():
            if result is None:
                self.items.pop(key, None)
            else:
                self.items[key] = copy.deepcopy(result)
        return {}


class _Expressions:
    """Reads the update and condition expressions of one write."""

    def __init__(self, item: Item, values: Item, names: Mapping[str, str]) -> None:
        self._item, self._values, self._names = item, values, names
        self._used: set[str] = set()
        self._tokens: list[str] = []

    def check_that_all_was_used(self) -> None:
        assert self._used == {*self._values, *self._names}, "DynamoDB refuses what is not used"

    def condition(self, text: str) -> bool:
        if not text:
            return True
        self._tokens = _TOKEN.findall(text)
        held = self._either()
        assert not self._tokens, text
        return held

    def update(self, text: str) -> Item:
        changed = dict(self._item)
        pieces = _CLAUSE.split(text)[1:]
        for clause, body in zip(pieces[::2], pieces[1::2], strict=True):
            self._tokens = _TOKEN.findall(body)
            while self._tokens:
                name = self._name(self._next())
                if clause == "REMOVE":
                    changed.pop(name, None)
                elif clause == "ADD":
                    changed[name] = self._item.get(name, 0) + self._operand()
                else:
                    assert self._next() == "="
                    changed[name] = self._sum()
                if self._tokens:
                    assert self._next() == ","
        return changed

    def _sum(self) -> Any:
        value = self._operand()
        if self._tokens[:1] == ["+"]:
            self._next()
            value += self._operand()
        assert value is not _MISSING, "DynamoDB refuses to copy what is not there"
        return value

    def _either(self) -> bool:
        held = self._both()
        while self._tokens[:1] == ["OR"]:
            self._next()
            held = self._both() or held
        return held

    def _both(self) -> bool:
        held = self._one()
        while self._tokens[:1] == ["AND"]:
            self._next()
            held = self._one() and held
        return held

    def _one(self) -> bool:
        if self._tokens[0] == "(":
            self._next()
            held = self._either()
            assert self._next() == ")"
            return held
        if self._tokens[0] in {"attribute_exists", "attribute_not_exists"}:
            wanted = self._next() == "attribute_exists"
            assert self._next() == "("
            there = self._name(self._next()) in self._item
            assert self._next() == ")"
            return there is wanted
        left, operator, right = self._operand(), self._next(), self._operand()
        return _compare(left, operator, right)

    def _operand(self) -> Any:
        token = self._next()
        if token == "if_not_exists":
            assert self._next() == "("
            name = self._name(self._next())
            assert self._next() == ","
            otherwise = self._operand()
            assert self._next() == ")"
            return self._item.get(name, otherwise)
        if token.startswith(":"):
            self._used.add(token)
            return self._values[token]
        return self._item.get(self._name(token), _MISSING)

    def _name(self, token: str) -> str:
        if not token.startswith("#"):
            return token
        self._used.add(token)
        return self._names[token]

    def _next(self) -> str:
        return self._tokens.pop(0)


def _compare(left: Any, operator: str, right: Any) -> bool:
    if _MISSING in (left, right):
        return operator == "<>"
    if operator in {"=", "<>"}:
        return bool((left == right) is (operator == "="))
    assert operator in {"<", "<="}
    return bool(left < right or (operator == "<=" and left == right))


def _holds(condition: Any, item: Item) -> bool:
    told = condition.get_expression()
    operator, values = told["operator"], told["values"]
    if operator in {"AND", "OR"}:
        results = [_holds(each, item) for each in values]
        return all(results) if operator == "AND" else any(results)
    here = item.get(values[0].name, _MISSING)
    if operator.startswith("attribute_"):
        return (here is not _MISSING) is (operator == "attribute_exists")
    other = values[1]
    other = item.get(other.name, _MISSING) if hasattr(other, "name") else other
    if operator == "begins_with":
        return str(here).startswith(str(other))
    return _compare(here, operator, other)


def _key(key: Item) -> tuple[str, str]:
    return key["pk"], key["sk"]


def _target(write: Item) -> Item:
    ((_, what),) = write.items()
    target: Item = what.get("Key") or what["Item"]
    return target


@dataclass
class MemoryExecutions:
    """What boto3's client of Step Functions does for Executions.

    ``hidden`` executions run but are not told of yet: new ones at first, where looking is
    ``slow``.
    """

    faults: Faults = field(default_factory=Faults)
    found: dict[str, Item] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    slow: bool = False

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> Item:
        assert stateMachineArn
        return dict(self.faults.call("StartExecution", lambda: self._start(name, input)))

    def describe_execution(self, *, executionArn: str) -> Item:
        name = executionArn.rpartition(":")[2]
        return dict(self.faults.call("DescribeExecution", lambda: self._describe(name)))

    def _start(self, name: str, given: str) -> Item:
        if name in self.deleted:
            # A name is granted once in 90 days.
            raise refusal("ExecutionAlreadyExists", "StartExecution")
        known = self.found.get(name)
        if known and (known["status"] != "RUNNING" or known["input"] != given):
            raise refusal("ExecutionAlreadyExists", "StartExecution")
        if not known:
            self.found[name] = {"name": name, "status": "RUNNING", "input": given}
            self.hidden |= {name} if self.slow else set()
        return {}

    def _describe(self, name: str) -> Item:
        if name not in self.found or name in self.hidden:
            raise refusal("ExecutionDoesNotExist", "DescribeExecution")
        return self.found[name]

    def end(self, name: str, status: str, now: datetime, outcome: str = "") -> None:
        output = json.dumps({"outcome": outcome, "reason": "because", "package_arn": "p/1"})
        self.found[name] |= {
            "status": status,
            "stopDate": now.astimezone(UTC),
            **({"output": output} if status == "SUCCEEDED" else {"error": "E", "cause": "broken"}),
        }

    def delete(self, name: str) -> None:
        del self.found[name]
        self.deleted.add(name)

    @property
    def running(self) -> list[str]:
        return [name for name, each in self.found.items() if each["status"] == "RUNNING"]

    def datasets(self, name: str) -> list[str]:
        given: list[str] = json.loads(self.found[name]["input"])["datasets"]
        return given
