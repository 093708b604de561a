"""Counts what was injected and survived, and says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.faults import CallFault, StepFault
from tests.chaos.points import IN_EVERY_STATE, Point


@dataclass
class Failure:
    """What was not survived: where, what, and what did not hold."""

    scenario: str
    harmed: list[str]
    why: str
    log: list[str]


@dataclass
class Tally:
    """Faults by kind."""

    injected: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    waiting: int = 0
    stories: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    by_operation: Counter[str] = field(default_factory=Counter)
    killed_after: set[str] = field(default_factory=set)

    def add(self, results: list[Any] | None, scenario: str) -> None:
        """Take in what became of the faults of a scenario."""
        if results is None:
            self.failures.append(Failure(scenario, ["?"], "the explorer did not end", []))
            return
        for (where, kind), told in results:
            self.stories += 1
            harmed = told["harmed"] if told else [f"{where}: {kind}"]
            why = told["why"] if told else "the story hangs, or its process ended"
            for each in map(Point.of, harmed):
                self.note(each)
            self.waiting += bool(told and told["waits"])
            if why:
                self.failures.append(Failure(scenario, harmed, why, told["log"] if told else []))
                for each in harmed:
                    self.lost[each.rpartition(": ")[2]] += 1

    def note(self, point: Point) -> None:
        """Count one fault of the first layer, by kind and by place."""
        self.injected[str(point.kind)] += 1
        if point.state and point.kind in IN_EVERY_STATE:
            self.by_state[f"{point.state}: {point.kind}"] += 1
        if point.call:
            function, number, operation = point.call
            self.by_operation[operation] += 1
            if point.kind == CallFault.KILLED_AFTER:
                self.killed_after.add(f"{function}: {number} {operation}")

    def as_json(self) -> dict[str, Any]:
        """Give what another process can read."""
        told = {"failures": [vars(each) for each in self.failures]}
        return {**vars(self), **told, "killed_after": sorted(self.killed_after)}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Tally:
        """Read what another process has told."""
        failures = [Failure(**each) for each in told["failures"]]
        injected, lost = Counter(told["injected"]), Counter(told["lost"])
        return cls(
            injected,
            lost,
            failures,
            told["waiting"],
            told["stories"],
            Counter(told["by_state"]),
            Counter(told["by_operation"]),
            set(told["killed_after"]),
        )

    def merge(self, other: Tally) -> None:
        """Add another layer's counts."""
        self.injected += other.injected
        self.lost += other.lost
        self.failures += other.failures
        self.waiting += other.waiting
        self.stories += other.stories
        self.by_state += other.by_state
        self.by_operation += other.by_operation
        self.killed_after |= other.killed_after

    def table(self) -> str:
        """Give a table for people."""
        width = max((len(each) for each in self.injected), default=10)
        rows = [f"{'what went wrong':<{width}}  injected  survived  not survived"]
        for kind, count in sorted(self.injected.items()):
            rows.append(_row(kind, width, count, self.lost[kind]))
        rows.append(_row("all", width, self.injected.total(), self.lost.total()))
        return "\n".join(rows)

    def places(self) -> str:
        """Tell where faults were injected: per state of a run, call and function."""
        states = sorted({each.rpartition(": ")[0] for each in self.by_state})
        rows = ["in each state of a run: uploads, aborted"]
        for state in states:
            aborted = self.by_state[f"{state}: {StepFault.RUN_ABORTED}"]
            uploads = sum(self.by_state[f"{state}: {kind}"] for kind in IN_EVERY_STATE) - aborted
            rows.append(f"  {state}: {uploads}, {aborted}")
        rows.append("at calls to AWS")
        rows += [f"  {name}: {count}" for name, count in sorted(self.by_operation.items())]
        killed = Counter(each.partition(": ")[0] for each in self.killed_after)
        rows.append("different calls after which a function was killed")
        rows += [f"  {name}: {count}" for name, count in sorted(killed.items())]
        return "\n".join(rows)


def _row(kind: str, width: int, injected: int, lost: int) -> str:
    return f"{kind:<{width}}  {injected:>8}  {injected - lost:>8}  {lost:>12}"
