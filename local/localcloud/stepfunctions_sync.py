"""Repair: tasks that wait for what they started (``.sync`` and ``.sync:2``).

moto polls twice a second, cannot be interrupted, and forgets the job when the task times out or
the execution is stopped. AWS then cancels it: the training job or nested execution is stopped too.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.asl.component.common.retry.max_attempts_decl import (
    MaxAttemptsOutcome,
)
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.retry.retrier_outcome import RetrierOutcome
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (  # noqa: E501
    StateTaskServiceSfn,
)

from localcloud.clients import Clients
from localcloud.context import CloudContext
from localcloud.untyped import Json, Moto

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2


def install(context: CloudContext) -> None:
    """Make waiting tasks and retries end with their execution, and cancel what they wait for."""
    stepfunctions = Clients.of(context)

    def stop_nested(self: Moto, submitted: dict[str, Any]) -> None:
        del self
        stepfunctions.get("stepfunctions").stop_execution(executionArn=submitted["ExecutionArn"])

    StateTaskServiceCallback._eval_integration_pattern = _remember_submission(
        StateTaskServiceCallback._eval_integration_pattern
    )
    StateTaskServiceCallback._eval_sync = _eval_sync
    StateTaskServiceSfn.cancel = stop_nested
    RetrierDecl._eval_body = _eval_retrier


def _remember_submission(original: Callable[..., None]) -> Callable[..., None]:
    def evaluate(self: Moto, env: Moto, **arguments: Moto) -> None:
        self.submitted = env.stack[-1]
        original(self, env=env, **arguments)

    return evaluate


def _eval_sync(
    self: Moto,
    env: Moto,
    sync_resolver: Callable[[], Any],
    **_: object,
) -> Json:
    while env.is_running():
        result = sync_resolver()
        if result:
            return result
        _rest(env, _POLL_SECONDS)
    cancel = getattr(self, "cancel", None)
    if cancel is not None:
        # What was started may have ended in this very moment.
        with contextlib.suppress(Exception):
            cancel(self.submitted)
            _LOG.info("%s ended: what it waited for was stopped", self.name)
    return None


def _eval_retrier(self: Moto, env: Moto) -> None:
    """Do what moto does, but wake up when the execution is stopped."""
    self.error_equals.eval(env)
    if not env.stack.pop():
        env.stack.append(RetrierOutcome.Skipped)
        return
    self.max_attempts.eval(env=env)
    if env.stack.pop() == MaxAttemptsOutcome.EXHAUSTED:
        env.stack.append(RetrierOutcome.Failed)
        return
    for part in (
        self.interval_seconds,
        self.backoff_rate,
        self.max_delay_seconds,
        self.jitter_strategy,
    ):
        part.eval(env=env)
    _rest(env, float(env.stack.pop()))
    env.stack.append(RetrierOutcome.Executed)


def _rest(env: Moto, seconds: float) -> None:
    """Wait, but no longer than the execution or task runs."""
    # moto sets and at once clears its event, so a waiter may miss it: look at the state as well.
    event: threading.Event = env.program_state_event
    remaining = seconds
    while remaining > 0 and env.is_running():
        step = min(remaining, 0.5)
        if event.wait(step):
            return
        remaining -= step
