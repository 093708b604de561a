"""Repair: JSONata in Step Functions.

moto parses JSONata definitions but ships no engine (its source expects a JVM), declares variables
without escaping them, has stand-ins for AWS's own functions, and calls an expression that fails a
runtime error. AWS evaluates JSONata 2 with ``$states``, the workflow's variables and
``$partition``, ``$range``, ``$hash``, ``$random``, ``$uuid`` and ``$parse``, refuses ``$eval``, and
fails with ``States.QueryEvaluationError``. Here jsonata-python evaluates the same expressions.
"""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import jsonata
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as moto_functions
from moto.stepfunctions.parser.asl.eval import states as moto_states
from moto.stepfunctions.parser.asl.eval import variable_store as moto_variables
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

from localcloud.context import CloudContext
from localcloud.timestamps import iso_milliseconds
from localcloud.untyped import Json, Moto

_ENGINE_FUNCTIONS = ("$uuid", "$hash", "$parse")


def install(context: CloudContext) -> None:
    """Give moto's interpreter an engine."""
    del context
    for name in _ENGINE_FUNCTIONS:
        moto_functions._DECLARATION_BY_VARIABLE_REFERENCE.pop(name, None)
    moto_jsonata._eval_jsonata = evaluate
    # `$` and `$$` are legal inside predicates and function bodies; moto refuses them anywhere.
    moto_jsonata._ILLEGAL_VARIABLE_REFERENCES = frozenset()
    for module in (moto_jsonata, moto_states, moto_variables):
        module.encode_jsonata_variable_declarations = declare_variables
    StringJSONata._eval_body = _naming_failures(StringJSONata._eval_body)


def evaluate(expression: str) -> Json:
    """Return the JSON value of an expression, None when it is null or undefined.

    Raises moto's JSONataException when it cannot be parsed or evaluated.
    """
    try:
        engine = jsonata.Jsonata(expression)
        engine.register_lambda("uuid", lambda: str(uuid.uuid4()))
        engine.register_lambda("hash", _hash)
        engine.register_lambda("parse", json.loads)
        engine.register_lambda("eval", _refuse_eval)
        return json.loads(json.dumps(engine.evaluate(None)))
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


def declare_variables(bindings: Mapping[str, Any]) -> str:
    """Return JSONata source that binds each variable to its JSON value."""
    return "".join(f"{name}:={_literal(name, value)};" for name, value in bindings.items())


def _naming_failures(original: Callable[[Moto, Moto], None]) -> Callable[[Moto, Moto], None]:
    def evaluate_string(self: Moto, env: Moto) -> None:
        try:
            original(self, env)
        except moto_jsonata.JSONataException as error:
            raise FailureEventException(_failure(self, env, error)) from error

    return evaluate_string


def _failure(expression: Moto, env: Moto, error: Moto) -> Moto:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    cause = (
        f"The JSONata expression '{expression.expression}' "
        f"threw an error during evaluation. {error.details}"
    )
    details = EventDetails(
        evaluationFailedEventDetails=EvaluationFailedEventDetails(
            error=name.error_name, cause=cause
        )
    )
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.EvaluationFailed,
        event_details=details,
    )


def _literal(name: str, value: Json) -> str:
    if name == "$states" and isinstance(value, dict) and "context" in value:
        value = {**value, "context": _as_aws_writes_it(value["context"])}
    return json.dumps(value, ensure_ascii=False, default=_date)


def _as_aws_writes_it(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context object with AWS's dates, and a retry count in every state."""
    described = copy.deepcopy(dict(context))
    state = described.get("State")
    if state is not None:
        state.setdefault("RetryCount", 0)
        entered = state.get("EnteredTime")
        if isinstance(entered, str):
            state["EnteredTime"] = iso_milliseconds(datetime.fromisoformat(entered))
    return described


def _date(value: object) -> str:
    return iso_milliseconds(value) if isinstance(value, datetime) else str(value)


def _hash(data: str, algorithm: str) -> str:
    return hashlib.new(algorithm.replace("-", "").lower(), data.encode()).hexdigest()


def _refuse_eval(*_: object) -> None:
    raise ValueError("Step Functions does not support $eval; use $parse for JSON.")
