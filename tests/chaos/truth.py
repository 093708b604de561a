"""What the invariants look at: the same for the world in one process and for the local cloud."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# What a person's uploads come to, once a run has judged a candidate.
BY_HAND = "by-hand"
JUDGED = frozenset({"Promoted", "Awaiting approval", "Rejected"})


@dataclass(frozen=True)
class Version:
    """One content of a dataset's labels, as a person uploaded it; no text occurs in another."""

    dataset: str
    number: int
    texts: frozenset[str]


@dataclass(frozen=True)
class Execution:
    """One execution of Retrain."""

    name: str
    status: str
    datasets: tuple[str, ...]
    outcome: str

    @property
    def by_hand(self) -> bool:
        """Tell an execution that a person started beside the event path."""
        return self.name.startswith(BY_HAND)

    @classmethod
    def of(cls, name: str, status: str, given: str, output: str | None) -> Execution:
        """Read an execution from what Step Functions says of it."""
        told = json.loads(output or "{}") if status == "SUCCEEDED" else {}
        datasets = json.loads(given)["datasets"]
        return cls(name, status, tuple(datasets), str(told.get("outcome", "")))


class Truth(Protocol):
    """Bucket, ledger, registry, queue and state machine, as they are."""

    @property
    def versions(self) -> Sequence[Version]:
        """What people uploaded, in that order."""

    @property
    def history(self) -> Sequence[Execution]:
        """All executions of Retrain, in the order of their starts."""

    @property
    def packages(self) -> Sequence[str]:
        """The descriptions of all model packages."""

    @property
    def undelivered(self) -> Sequence[str]:
        """The bodies of the messages in the queue."""

    @property
    def dead(self) -> Sequence[str]:
        """The bodies of the dead letters."""

    def item(self, pk: str, sk: str) -> dict[str, Any] | None:
        """One item of the ledger."""

    def keys(self, prefix: str) -> list[str]:
        """The keys of all objects below a prefix."""

    def get(self, key: str) -> str:
        """The text of an object."""
