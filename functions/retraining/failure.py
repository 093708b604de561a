"""Turns what Step Functions knows about a failure into one line for a person. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST_REASON = 400
_DEEPEST = 5
_STATUS_IN_WORDS = {
    "ABORTED": "The nested execution was stopped by hand.",
    "TIMED_OUT": "The nested execution took longer than its time limit.",
}
_ERROR_IN_WORDS = {
    "States.Timeout": "A step took longer than its time limit.",
    "States.HeartbeatTimeout": "A step stopped giving signs of life.",
    "Lambda.Unknown": "A function ended without saying why; mostly it lacks time or memory.",
    "States.Permissions": "The state machine's role lacks a permission.",
}
# SageMaker wraps the script's own words: "AlgorithmError: <words>, exit code: 1".
_WRAPPING = re.compile(r"^(AlgorithmError|ClientError|InternalServerError):\s*")
_EXIT_CODE = re.compile(r",?\s*exit code:\s*-?\d+\.?\s*$", re.IGNORECASE)
# AWS SDK errors end with "(Service: SageMaker, Status Code: 400, Request ID: ...)".
_SDK_TAIL = re.compile(r"\s*\((Service|SDK Attempt Count): [^()]*\)")
_PAYLOAD = re.compile(r"Returned payload:\s*(\{.*\})\s*$", re.DOTALL)
# Causes are cut at 32,768 characters, so the JSON around the reason may be broken.
_CUT_REASON = re.compile(r'"(?:FailureReason|errorMessage)"\s*:\s*"((?:[^"\\]|\\.)+)')
_KILLED = re.compile(r"exit code:\s*137\b", re.IGNORECASE)
_KILLED_IN_WORDS = (
    "The container was killed (exit code 137), mostly for lack of memory; "
    "lower the batch size or take a larger instance."
)
_POINTLESS = re.compile(r"(?i)see (the )?(job )?logs? for more (information|details)")


@dataclass(frozen=True)
class Explanation:
    """``reason`` is one line; ``detail`` is everything that was known."""

    reason: str
    detail: str


def explain(error: str, cause: str) -> Explanation:
    """Find the line in an error and its cause that tells a person what went wrong."""
    reason = _reason(error or "", cause or "", _DEEPEST)
    return Explanation(reason, (cause or error or "").strip())


def _reason(error: str, cause: str, depth: int) -> str:
    known = _json_object(cause)
    if known is not None and depth > 0:
        found = _from_object(known, depth)
        if found:
            return found
    cut = _CUT_REASON.search(cause)
    if cut:
        return _informative_line(_unescape(cut.group(1)))
    line = _informative_line(cause)
    return line or _ERROR_IN_WORDS.get(error) or (f"{error}." if error else "No reason was given.")


def _from_object(known: Mapping[str, Any], depth: int) -> str:
    if "errorMessage" in known:
        return _informative_line(str(known["errorMessage"])) or str(known.get("errorType", ""))
    if "FailureReason" in known or "ExitMessage" in known:
        return _from_job(known)
    if "ExecutionArn" in known:
        return _from_execution(known, depth)
    return ""


def _from_job(known: Mapping[str, Any]) -> str:
    said = [
        _informative_line(str(known.get(key) or "")) for key in ("ExitMessage", "FailureReason")
    ]
    # A processing job's FailureReason mostly just points at the logs; ExitMessage has the words.
    telling = [each for each in said if each and not _POINTLESS.search(each)]
    words = next(iter(telling or [each for each in said if each]), "")
    job = str(known.get("TrainingJobName") or known.get("ProcessingJobName") or "")
    return f"{job}: {words}" if job and words else words


def _from_execution(known: Mapping[str, Any], depth: int) -> str:
    error, cause = str(known.get("Error") or ""), str(known.get("Cause") or "")
    if error or cause:
        return _reason(error, cause, depth - 1)
    output = _json_object(str(known.get("Output") or "")) or {}
    told = _informative_line(str(output.get("reason") or ""))
    return told or _STATUS_IN_WORDS.get(str(known.get("Status")), "")


def _informative_line(text: str) -> str:
    """Take the last line that says something, without what SageMaker and SDKs wrap around it."""
    rows = [row.strip() for row in text.strip().splitlines() if row.strip()]
    if not rows:
        return ""
    cleaned = [_SDK_TAIL.sub("", _EXIT_CODE.sub("", _WRAPPING.sub("", row))) for row in rows]
    line = next((each for each in reversed(cleaned) if each.strip(" ,.")), "").strip()
    if not line:
        line = _KILLED_IN_WORDS if _KILLED.search(text) else rows[-1]
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."


def _json_object(text: str) -> Mapping[str, Any] | None:
    payload = _PAYLOAD.search(text)
    try:
        value = json.loads(payload.group(1) if payload else text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unescape(fragment: str) -> str:
    try:
        return str(json.loads(f'"{fragment}"'))
    except ValueError:
        return fragment
