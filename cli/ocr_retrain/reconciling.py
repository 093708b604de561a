"""Letting the stack look for something to start now, instead of at its next schedule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ocr_retrain.errors import UserError

if TYPE_CHECKING:
    from ocr_retrain.connection import Cloud


def reconcile(cloud: Cloud) -> str:
    """Do what the schedule does, and say in one sentence what came of it.

    Raises UserError when the function failed.
    """
    answer = cloud.lambda_.invoke(
        FunctionName=cloud.stack.start_function,
        Payload=json.dumps({"detail-type": "Scheduled Event", "source": "ocr-retrain"}).encode(),
    )
    if answer.get("FunctionError"):
        raise UserError(
            f"{cloud.stack.start_function} failed: {_message(answer['Payload'].read())}. "
            "The schedule tries again."
        )
    lock = cloud.ledger.lock()
    if lock:
        return f"Run {lock.run_id} goes on; `ocr-retrain watch` shows it."
    decided = cloud.ledger.last_decision()
    return decided.reason if decided else "Nothing new has arrived."


def _message(payload: bytes) -> str:
    try:
        found = json.loads(payload)
    except ValueError:
        return "no reason was given"
    message = found.get("errorMessage", "") if isinstance(found, dict) else ""
    return str(message).rstrip(".") or "no reason was given"
