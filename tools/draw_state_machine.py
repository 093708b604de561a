"""Print a state machine as a Mermaid graph, as README.md shows it.

    python tools/draw_state_machine.py statemachine/retrain.asl.yaml

Failure edges are left out: every task has one, and all of them lead to the same place.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def mermaid(definition: Mapping[str, Any]) -> str:
    """The graph as Mermaid text: tasks as boxes, questions as diamonds, ends rounded."""
    states: Mapping[str, Mapping[str, Any]] = definition["States"]
    shown = reachable(states, definition["StartAt"])
    ids = {name: f"s{number}" for number, name in enumerate(shown)}
    lines = ["flowchart TD"]
    lines += [f"    {ids[name]}{box(name, states[name]['Type'])}" for name in shown]
    for name in shown:
        for target, label in edges(states[name]):
            arrow = f"-->|{label}|" if label else "-->"
            lines.append(f"    {ids[name]} {arrow} {ids[target]}")
    return "\n".join(lines) + "\n"


def reachable(states: Mapping[str, Mapping[str, Any]], start: str) -> list[str]:
    """Names of the states on the way without failures, in the order of the file."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [target for target, _ in edges(states[name])]
    return [name for name in states if name in seen]


def edges(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Targets of one state with the label of the edge: yes for a rule, no for the default."""
    choices = state.get("Choices", [])
    for rule in choices:
        yield rule["Next"], "yes" if len(choices) == 1 else ""
    if "Default" in state:
        yield state["Default"], "no" if len(choices) == 1 else ""
    if "Next" in state:
        yield state["Next"], ""


def box(name: str, kind: str) -> str:
    """One node's shape and text."""
    shapes = {"Choice": '{{"%s"}}', "Succeed": '(["%s"])', "Fail": '(["%s"])', "Wait": '("%s")'}
    return shapes.get(kind, '["%s"]') % name


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    sys.stdout.write(mermaid(yaml.safe_load(text)))
