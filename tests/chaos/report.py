"""Counts what was injected and survived, and says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


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

    def add(self, results: list[Any] | None, scenario: str) -> None:
        """Take in what became of the faults of a scenario."""
        if results is None:
            self.failures.append(Failure(scenario, ["?"], "the explorer did not end", []))
            return
        for (where, kind), told in results:
            self.stories += 1
            harmed = told["harmed"] if told else [f"{where}: {kind}"]
            why = told["why"] if told else "the story hangs, or its process ended"
            for each in harmed:
                self.injected[each.rpartition(": ")[2]] += 1
            self.waiting += bool(told and told["waits"])
            if why:
                self.failures.append(Failure(scenario, harmed, why, told["log"] if told else []))
                for each in harmed:
                    self.lost[each.rpartition(": ")[2]] += 1

    def as_json(self) -> dict[str, Any]:
        """Give what another process can read."""
        return {**vars(self), "failures": [vars(each) for each in self.failures]}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Tally:
        """Read what another process has told."""
        failures = [Failure(**each) for each in told["failures"]]
        injected, lost = Counter(told["injected"]), Counter(told["lost"])
        return cls(injected, lost, failures, told["waiting"], told["stories"])

    def merge(self, other: Tally) -> None:
        """Add another layer's counts."""
        self.injected += other.injected
        self.lost += other.lost
        self.failures += other.failures
        self.waiting += other.waiting
        self.stories += other.stories

    def table(self) -> str:
        """Give a table for people."""
        width = max((len(each) for each in self.injected), default=10)
        rows = [f"{'what went wrong':<{width}}  injected  survived  not survived"]
        for kind, count in sorted(self.injected.items()):
            rows.append(_row(kind, width, count, self.lost[kind]))
        rows.append(_row("all", width, self.injected.total(), self.lost.total()))
        return "\n".join(rows)


def _row(kind: str, width: int, injected: int, lost: int) -> str:
    return f"{kind:<{width}}  {injected:>8}  {injected - lost:>8}  {lost:>12}"
