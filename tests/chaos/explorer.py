"""Goes through a story and, at every point where something may go wrong, lets it go wrong.

The process is copied there: the copy takes the fault and goes on to the end of the story, the
original goes on unharmed to the next point.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos import people, retrain
from tests.chaos.faults import CallFault, Fault, StepFault, faults_of_call
from tests.chaos.wire import Call
from tests.chaos.world import Notice, Tamperer, World

# One in so many points of a copy with more than one fault, and how many it gets at most.
_NEXT_FAULT_EVERY = 12
_MOST_FAULTS = 5
_HALF_AN_HOUR = 1800.0


@dataclass
class Explorer(Tamperer):
    """Offers every fault that may happen to ``take``, which tells whether this process has it."""

    world: World
    take: Callable[[int, str, Fault], bool]
    count: int = 0
    harmed: list[str] = field(default_factory=list)
    more: random.Random | None = None
    _steps: int = 0
    _quiet: bool = False

    # --- points

    def choose(self, call: Call) -> CallFault | None:
        kinds = faults_of_call(call.service, call.operation, run_is_active=bool(self.world.running))
        fault = self._offer(f"{self.world.invocation}: {call}", kinds)
        return fault if isinstance(fault, CallFault) else None

    def between(self) -> None:
        self._steps += 1
        state = f" in `{self.world.state}`" if self.world.running else ""
        fault = self._offer(f"step {self._steps}{state}", step_faults(self.world))
        if isinstance(fault, StepFault):
            self.quietly(lambda: do(fault, self.world))

    def _offer(self, where: str, kinds: Sequence[Fault]) -> Fault | None:
        if self._quiet:
            return None
        if self.harmed:
            return self._next(where, kinds)
        for kind in kinds:
            self.count += 1
            if self.take(self.count - 1, where, kind):
                self._note(where, kind)
                return kind
        return None

    def _next(self, where: str, kinds: Sequence[Fault]) -> Fault | None:
        if self.more is None or len(self.harmed) >= _MOST_FAULTS or not kinds:
            return None
        if self.more.randrange(_NEXT_FAULT_EVERY):
            return None
        kind = self.more.choice(list(kinds))
        self._note(where, kind)
        return kind

    def _note(self, where: str, kind: Fault) -> None:
        self.harmed.append(f"{where}: {kind}")
        self.world.log.append(f"!! {where}: {kind}")

    # --- what happens in between

    def quietly(self, work: Callable[[], None]) -> None:
        """Do something to which nothing happens."""
        before, self._quiet = self._quiet, True
        try:
            work()
        finally:
            self._quiet = before

    def meanwhile(self, fault: CallFault) -> None:
        self.quietly(lambda: self._meanwhile(fault))

    def _meanwhile(self, fault: CallFault) -> None:
        world = self.world
        if fault is CallFault.OVERTAKEN:
            name, event = world.event
            if name == "start_retraining":
                world.invoke_start(event, "the same again")
            else:
                world.invoke(name, event, f"{name} (a second time)")
        elif fault is CallFault.UPLOAD_MEANWHILE:
            people.upload(world, world.versions[0].dataset)
            world.deliver_now()
        else:
            world.end(world.running[0], "ABORTED")
            world.notify_now()
        world.invoke_start({"detail-type": "Scheduled Event"}, "schedule in between")


def step_faults(world: World) -> list[StepFault]:
    """Tell what may happen between two invocations now."""
    kinds = [
        StepFault.SCHEDULE_FIRST,
        StepFault.UPLOAD_OF_ANOTHER,
        StepFault.UPLOAD_OF_A_VERSION,
        StepFault.UPLOAD_OF_THE_SAME,
        StepFault.UPLOADS_TENFOLD,
    ]
    if not world.timed:
        kinds.append(StepFault.PAUSED)
    if len(world.queue) + len(world.notices) > 1:
        kinds.append(StepFault.EVENTS_REORDERED)
    if world.queue or world.notices:
        kinds.append(StepFault.EVENTS_DELAYED)
    if world.queue:
        kinds.append(StepFault.UPLOADS_LOST)
    if not world.by_hand:
        kinds.append(StepFault.STARTED_BY_HAND)
    if world.ends:
        kinds.append(StepFault.ENDS_TENFOLD)
    if any(each.event in world.ends for each in world.notices):
        kinds.append(StepFault.END_LOST)
    if world.running:
        kinds += [StepFault.RUN_ABORTED, StepFault.RUN_TIMED_OUT, StepFault.RUN_DELETED]
        kinds += [each for each in StepFault if retrain.job_state(each) == world.state]
    return kinds


def do(fault: StepFault, world: World) -> None:
    """Let it happen."""
    if fault in _TO_RUNS:
        _do_to_run(fault, world)
    elif fault in _TO_EVENTS:
        _TO_EVENTS[fault](world)
    elif retrain.job_state(fault):
        world.jobs_to_break[retrain.job_state(fault)] = fault
    else:
        _TO_UPLOADS[fault](world)


def _do_to_run(fault: StepFault, world: World) -> None:
    (name,) = world.running
    if fault is StepFault.RUN_DELETED:
        world.delete(name)
    else:
        world.end(name, _TO_RUNS[fault])


def _uploads_tenfold(world: World) -> None:
    events = world.announced * 10
    world.rng.shuffle(events)
    for each in events:
        world.send(each)


def _ends_tenfold(world: World) -> None:
    world.notices += [Notice(each, world.clock.seconds) for each in world.ends for _ in range(10)]


def _reorder(world: World) -> None:
    world.queue.reverse()
    world.notices.reverse()


def _delay(world: World) -> None:
    for message in world.queue:
        message.visible_at += _HALF_AN_HOUR
    for notice in world.notices:
        notice.due += _HALF_AN_HOUR


def _lose_ends(world: World) -> None:
    world.notices = [each for each in world.notices if each.event not in world.ends]


def _lose_uploads(world: World) -> None:
    world.queue.clear()


def _schedule_first(world: World) -> None:
    world.invoke_start({"detail-type": "Scheduled Event"}, "schedule first")


_TO_RUNS = {
    StepFault.RUN_ABORTED: "ABORTED",
    StepFault.RUN_TIMED_OUT: "TIMED_OUT",
    StepFault.RUN_DELETED: "",
}
_TO_EVENTS: dict[StepFault, Callable[[World], None]] = {
    StepFault.UPLOADS_TENFOLD: _uploads_tenfold,
    StepFault.ENDS_TENFOLD: _ends_tenfold,
    StepFault.EVENTS_REORDERED: _reorder,
    StepFault.EVENTS_DELAYED: _delay,
    StepFault.UPLOADS_LOST: _lose_uploads,
    StepFault.END_LOST: _lose_ends,
    StepFault.STARTED_BY_HAND: lambda world: world.start_by_hand(),
    StepFault.SCHEDULE_FIRST: _schedule_first,
    StepFault.PAUSED: lambda world: world.pause(minutes=30),
}
_TO_UPLOADS: dict[StepFault, Callable[[World], None]] = {
    StepFault.UPLOAD_OF_ANOTHER: lambda world: people.upload(world, "another"),
    StepFault.UPLOAD_OF_A_VERSION: lambda world: people.upload(world, world.versions[0].dataset),
    StepFault.UPLOAD_OF_THE_SAME: lambda world: people.upload_the_same_again(
        world, world.versions[0].dataset
    ),
}
