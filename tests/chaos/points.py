"""Where something may go wrong, and what must not be left to chance there."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.chaos.faults import CallFault, Fault, StepFault

# "start_retraining (uploads): call 3 dynamodb.GetItem" and "step 7 in `Plan training`".
_CALL = re.compile(r"(\w+) \((.*)\): call (\d+) (\w+\.\w+)")
_STEP = re.compile(r"step \d+ in `(.+)`")
_KILLS = frozenset({CallFault.KILLED_AFTER})
IN_EVERY_STATE = frozenset(
    {
        StepFault.UPLOAD_OF_ANOTHER,
        StepFault.UPLOAD_OF_A_VERSION,
        StepFault.UPLOAD_OF_THE_SAME,
        StepFault.RUN_ABORTED,
    }
)


@dataclass(frozen=True)
class Point:
    """One fault at one place of a story."""

    where: str
    kind: Fault | str

    @classmethod
    def of(cls, harmed: str) -> Point:
        """Read how the log tells it."""
        where, _, kind = harmed.rpartition(": ")
        return cls(where, kind)

    @property
    def call(self) -> tuple[str, str, str] | None:
        """Give the function, its call as the story has it, and the operation of AWS."""
        found = _CALL.fullmatch(self.where)
        return (found[1], f"{found[2]} {found[3]}", found[4]) if found else None

    @property
    def state(self) -> str:
        """Give the state of the run under way, or ""."""
        found = _STEP.fullmatch(self.where)
        return found[1] if found else ""

    def due(self, functions: frozenset[str]) -> set[str]:
        """Name what of this must happen once in a story that goes through some functions."""
        if not functions:
            return set()
        if self.state:
            return {f"{self.state}: {self.kind}"} if self.kind in IN_EVERY_STATE else set()
        if self.call is None or self.call[0] not in functions:
            return set()
        function, number, operation = self.call
        due = {f"{function} {operation}: {self.kind}"}
        if self.kind in _KILLS:
            due.add(f"{function} {number} {operation}: {self.kind}")
        return due
