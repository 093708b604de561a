"""What goes wrong on purpose, by name."""

from __future__ import annotations

from enum import StrEnum


class CallFault(StrEnum):
    """What may happen to one call that a function makes to AWS.

    Those ``once`` are seen by the SDK only, which asks again. The others last until the SDK gives
    up.
    """

    THROTTLED_ONCE = "throttled once"
    THROTTLED = "throttled until the SDK gives up"
    ERROR_ONCE = "server error (500) once"
    ERROR = "server error (500) until the SDK gives up"
    UNAVAILABLE = "service unavailable (503) for the rest of the invocation"
    NO_CONNECTION = "connection timeout before the request"
    ANSWER_LOST_ONCE = "done, answer lost once (sent again)"
    ANSWER_LOST = "done, answers lost until the SDK gives up"
    KILLED_BEFORE = "function killed before the call"
    KILLED_AFTER = "function killed after the call"
    KILLED_IN_FLIGHT = "function killed, the call arrives later"
    HOST_LOST = "host lost after the call (AWS invokes the function again)"
    CONFLICT = "write conflict once"
    CONFLICTS = "write conflicts for the rest of the invocation"
    OVERTAKEN = "the same event handled by another function in between"
    UPLOAD_MEANWHILE = "a new version uploaded and announced in between"
    ABORT_MEANWHILE = "the run aborted and its end told in between"


class StepFault(StrEnum):
    """What may happen between two invocations."""

    UPLOADS_TENFOLD = "upload events ten times, in random order"
    ENDS_TENFOLD = "end events ten times"
    EVENTS_REORDERED = "events in the opposite order"
    EVENTS_DELAYED = "events half an hour late"
    UPLOADS_LOST = "upload events lost"
    END_LOST = "end event lost"
    STARTED_BY_HAND = "an execution started by hand"
    SCHEDULE_FIRST = "schedule arrives first"
    RUN_ABORTED = "execution aborted"
    RUN_TIMED_OUT = "execution timed out"
    RUN_DELETED = "execution deleted"
    TRAINING_FAILED = "training job fails"
    TRAINING_STOPPED = "training job stopped"
    EVALUATION_FAILED = "evaluation job fails"
    EVALUATION_STOPPED = "evaluation job stopped"
    UPLOAD_OF_ANOTHER = "another dataset uploaded"
    UPLOAD_OF_A_VERSION = "a new version uploaded"
    UPLOAD_OF_THE_SAME = "the same content uploaded again"
    PAUSED = "runs paused for half an hour"


Fault = CallFault | StepFault
KILLS = frozenset({CallFault.KILLED_BEFORE, CallFault.KILLED_AFTER, CallFault.KILLED_IN_FLIGHT})
_WRITES = frozenset(
    {
        "PutItem",
        "UpdateItem",
        "DeleteItem",
        "TransactWriteItems",
        "StartExecution",
        "CreateModelPackage",
        "UpdateModelPackage",
    }
)


class KilledError(BaseException):
    """The process was ended here; nothing in it may catch this."""


class HostLostError(KilledError):
    """The machine below the function was lost: AWS itself invokes the function again."""


def faults_of_call(service: str, operation: str, *, run_is_active: bool) -> list[CallFault]:
    """Tell what may happen to a call."""
    left_out: set[CallFault] = set()
    if operation not in _WRITES:
        left_out |= {CallFault.KILLED_IN_FLIGHT, CallFault.CONFLICT, CallFault.CONFLICTS}
    if service != "dynamodb":
        left_out |= {CallFault.CONFLICT, CallFault.CONFLICTS}
    if not run_is_active:
        left_out.add(CallFault.ABORT_MEANWHILE)
    return [each for each in CallFault if each not in left_out]
