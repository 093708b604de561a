"""Tables of what was measured, and how many times better ours is."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.serving.load import Load
from benchmarks.tables import MISSING, markdown

OURS = "ours"


@dataclass(frozen=True)
class Measurement:
    """One load on one server; `cpu_seconds` is what the server's processes used meanwhile."""

    contender: str
    kind: str
    clients: int
    round: int
    load: Load
    cpu_seconds: float


def report(
    measured: Sequence[Measurement], startup: Mapping[str, float], memory: Mapping[str, float]
) -> str:
    """Return all tables as Markdown."""
    servers = [
        [name, f"{startup[name]:.1f}", f"{memory[name]:.0f}"] for name in dict.fromkeys(startup)
    ]
    return "\n\n".join(
        [
            markdown(("server", "start, s", "memory, MB"), servers),
            _loads(measured),
            _ratios(measured),
        ]
    )


def _loads(measured: Sequence[Measurement]) -> str:
    header = (
        *("images", "clients", "server", "per second", "p50, ms", "p99, ms"),
        *("CPU ms each", "lines right", "errors"),
    )
    rows = []
    for kind, clients, name in dict.fromkeys((m.kind, m.clients, m.contender) for m in measured):
        those = [m for m in measured if (m.kind, m.clients, m.contender) == (kind, clients, name)]
        loads = [m.load for m in those]
        whole = Load(
            elapsed=sum(load.elapsed for load in loads),
            seconds=[each for load in loads for each in load.seconds],
        )
        failures = sum(len(load.failures) for load in loads)
        if not whole.seconds:
            rows.append([f"{kind}s", str(clients), name, *[MISSING] * 5, str(failures)])
            continue
        right = sum(load.right for load in loads) / sum(load.read for load in loads)
        cpu = sum(m.cpu_seconds for m in those) / len(whole.seconds)
        rows.append(
            [
                *(f"{kind}s", str(clients), name, f"{whole.throughput:.1f}"),
                *(f"{1000 * whole.percentile(share):.0f}" for share in (0.5, 0.99)),
                *(f"{1000 * cpu:.0f}", f"{right:.1%}", str(failures)),
            ]
        )
    return markdown(header, rows)


def _ratios(measured: Sequence[Measurement]) -> str:
    header = ("images", "clients", "ours against", "throughput", "p50", "CPU")
    rows = []
    for kind, clients in dict.fromkeys((m.kind, m.clients) for m in measured):
        for rival in dict.fromkeys(m.contender for m in measured if m.contender != OURS):
            pairs = [
                (mine, other)
                for mine in measured
                for other in measured
                if (mine.contender, other.contender) == (OURS, rival)
                and (mine.kind, mine.clients, mine.round) == (kind, clients, other.round)
                and (other.kind, other.clients) == (kind, clients)
                and mine.load.seconds
                and other.load.seconds
            ]
            rows.append(
                [
                    *(f"{kind}s", str(clients), rival),
                    _times([a.load.throughput / b.load.throughput for a, b in pairs]),
                    _times([b.load.percentile(0.5) / a.load.percentile(0.5) for a, b in pairs]),
                    _times([_cost(b) / _cost(a) for a, b in pairs if _cost(a)]),
                ]
            )
    return markdown(header, rows)


def _cost(measurement: Measurement) -> float:
    return measurement.cpu_seconds / len(measurement.load.seconds)


def _times(ratios: Sequence[float]) -> str:
    """Return the median over the rounds with its range, e.g. `2.1x (1.9-2.2)`."""
    if not ratios:
        return MISSING
    return f"{statistics.median(ratios):.1f}x ({min(ratios):.1f}-{max(ratios):.1f})"
