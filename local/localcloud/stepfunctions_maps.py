"""Repair: Distributed Maps whose items fail.

moto counts failed items and goes on with null in their place. AWS fails the map with
``States.ExceedToleratedFailureThreshold`` as soon as more items failed than the state tolerates,
and it tolerates none unless the state says so.
"""

from __future__ import annotations

from collections.abc import Callable

from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
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
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (  # noqa: E501
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from localcloud.context import CloudContext
from localcloud.untyped import Moto

_CAUSE = "The specified tolerated failure threshold was exceeded"


def install(context: CloudContext) -> None:
    """Make maps fail with their items."""
    del context
    DistributedIterationComponent._map_run = _failing(DistributedIterationComponent._map_run)


def too_many_failed(failed: int, total: int, tolerated: int, tolerated_percent: float) -> bool:
    """Tell whether a map with that many failed items fails; either limit may be exceeded first."""
    if not failed:
        return False
    return failed > max(tolerated, total * tolerated_percent / 100)


def _failing(original: Callable[..., None]) -> Callable[..., None]:
    def map_run(self: Moto, env: Moto, eval_input: Moto) -> None:
        original(self, env, eval_input)
        record = eval_input.map_run_record
        items = record.item_counter
        failed = items.failed.get() + items.timed_out.get()
        if env.is_running() and too_many_failed(
            failed,
            items.total.get(),
            record.tolerated_failure_count,
            record.tolerated_failure_percentage,
        ):
            env.stack.pop()
            raise FailureEventException(_failure(env))

    return map_run


def _failure(env: Moto) -> Moto:
    name = StatesErrorName(typ=StatesErrorNameType.StatesExceedToleratedFailureThreshold)
    details = MapRunFailedEventDetails(error=name.error_name, cause=_CAUSE)
    return FailureEvent(
        env=env,
        error_name=name,
        event_type=HistoryEventType.MapRunFailed,
        event_details=EventDetails(mapRunFailedEventDetails=details),
    )
