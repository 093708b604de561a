"""Repair: JSONata in Step Functions.

moto parses JSONata definitions but ships no engine (its source expects a JVM), declares variables
without escaping them, and has stand-ins for AWS's own functions. AWS evaluates JSONata 2 with
``$states``, the workflow's variables and ``$partition``, ``$range``, ``$hash``, ``$random``,
``$uuid`` and ``$parse``, and refuses ``$eval``. Here jsonata-python evaluates the same expressions.
"""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jsonata
from moto.stepfunctions.parser.asl.component.intrinsic import jsonata as moto_functions
from moto.stepfunctions.parser.asl.eval import states as moto_states
from moto.stepfunctions.parser.asl.eval import variable_store as moto_variables
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

from localcloud.context import CloudContext
from localcloud.timestamps import iso_milliseconds
from localcloud.untyped import Json

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
