"""The first layer: every function, every call it makes, every fault; in one process."""

from __future__ import annotations

import gc
import os
import random
import time
import traceback
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos import invariants, people, retrain
from tests.chaos.explorer import Explorer
from tests.chaos.faults import Fault
from tests.chaos.forks import Forks
from tests.chaos.report import Failure, Tally
from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.world import Tamperer, World

_SECONDS_PER_STORY = 120.0
_SECONDS_PER_GROUP = 7200.0
_LOG_LINES = 80
# One in so many copies gets more faults later on.
_MORE_FAULTS_IN = 2
# How many there are on average, as the campaign measured itself.
_FAULTS_PER_STORY = 2.3
_POINTS_PER_SCENARIO = 1800


@dataclass(frozen=True)
class _Share:
    """Which of all faults are taken: those whose hash lies between two fractions.

    ``match`` takes those instead whose description holds a text.
    """

    seed: int
    begin: float
    end: float
    deadline: float
    match: str = ""

    def has(self, scenario: str, number: int, about: str) -> bool:
        if self.match:
            return self.match in about and time.monotonic() < self.deadline
        hashed = zlib.crc32(f"{self.seed} {scenario} {number}".encode()) / 2**32
        return self.begin <= hashed < self.end and time.monotonic() < self.deadline


def run(seed: int, faults: int, *, deadline: float, only: str = "", match: str = "") -> Tally:
    """Inject about so many faults, spread evenly over everything that can go wrong.

    ``deadline`` is one of time.monotonic, ``only`` a part of the names of scenarios; ``match``
    takes all faults whose description holds it.
    """
    tally = Tally()
    scenarios = [each for each in SCENARIOS if only in each.name]
    if match:
        for group in _groups(scenarios):
            tally.merge(_in_a_process(group, _Share(seed, 0, 0, deadline, match)))
        return tally
    begin = 0.0
    while (missing := faults - tally.injected.total()) > 0 and begin < 1:
        points = _POINTS_PER_SCENARIO * len(scenarios)
        end = min(1.0, begin + max(0.001, missing / _FAULTS_PER_STORY / points))
        share = _Share(seed, begin, end, deadline)
        for group in _groups(scenarios):
            tally.merge(_in_a_process(group, share))
        begin = end
        if tally.failures or time.monotonic() > deadline:
            break
    return tally


def _groups(scenarios: Sequence[Scenario]) -> list[list[Scenario]]:
    """Put together what has the same settings: the functions read them once in a process."""
    groups: dict[str, list[Scenario]] = {}
    for each in scenarios:
        groups.setdefault(str(sorted(each.settings.items())), []).append(each)
    return list(groups.values())


def _in_a_process(group: Sequence[Scenario], share: _Share) -> Tally:
    """Explore some scenarios in a process of their own."""
    told: list[Any] = []
    forks = Forks(1, _SECONDS_PER_GROUP, lambda _, heard: told.append(heard))
    if forks.spawn(""):
        forks.tell(_explore_all(group, share).as_json())
    forks.finish()
    if told[0] is None:
        return Tally(failures=[Failure(group[0].name, ["?"], "the explorer did not end", [])])
    return Tally.from_json(told[0])


def _explore_all(group: Sequence[Scenario], share: _Share) -> Tally:
    tally = Tally()
    # What is loaded and remembered once is loaded before the copies are made.
    world = World(share.seed, group[0].settings)
    _ending(world, group[0], Explorer(world, lambda number, where, kind: False))
    gc.freeze()
    for scenario in group:
        forks = Forks(1, _SECONDS_PER_GROUP, lambda name, told: tally.add(told, name))
        if forks.spawn(scenario.name):
            forks.tell(_explore(scenario, share))
        forks.finish()
    return tally


def _explore(scenario: Scenario, share: _Share) -> list[Any]:
    """Tell a story with each of the chosen faults; gives what became of them."""
    results: list[Any] = []
    forks = Forks(
        os.cpu_count() or 1, _SECONDS_PER_STORY, lambda about, told: results.append((about, told))
    )
    world = World(share.seed, scenario.settings)
    is_copy: list[bool] = []

    def take(number: int, where: str, kind: Fault) -> bool:
        if not share.has(scenario.name, number, f"{where}: {kind}"):
            return False
        if not forks.spawn([where, str(kind)]):
            return False
        is_copy.append(True)
        gc.disable()
        if number % _MORE_FAULTS_IN == 0:
            explorer.more = random.Random(f"{share.seed} {number}")
        return True

    explorer = Explorer(world, take)
    why = _ending(world, scenario, explorer)
    about = {
        "why": why,
        "harmed": explorer.harmed,
        "log": world.log[-_LOG_LINES:] if why else [],
        "waits": world.had_to_wait and bool(is_copy),
    }
    if is_copy:
        forks.tell(about)
    forks.finish()
    results.append((["unharmed", ""], about))
    return results


def _ending(world: World, scenario: Scenario, explorer: Explorer) -> str:
    """Tell a story to its end; gives what did not hold, or ""."""
    try:
        _tell(world, scenario, explorer)
    except AssertionError as error:
        return str(error) or traceback.format_exc()
    except Exception:
        return traceback.format_exc()
    return ""


def _tell(world: World, scenario: Scenario, explorer: Explorer) -> None:
    world.play = retrain.play
    world.checks.append(lambda: invariants.check_always(world))
    world.tamperer = explorer
    if scenario.has_model:
        people.approve_a_model(world)
    for part in (scenario.tell, *scenario.later):
        part(world)
        world.come_to_rest()
        invariants.check_at_rest(world, unusable=scenario.unusable)
    if scenario.has_model:
        _go_on_unharmed(world, scenario)


def _go_on_unharmed(world: World, scenario: Scenario) -> None:
    """Whatever still waits after failed runs is trained with the next upload."""
    world.had_to_wait = bool(invariants.waiting_for_a_person(world))
    if not world.had_to_wait:
        return
    world.tamperer = Tamperer()
    world.jobs_to_break.clear()
    world.at_states.clear()
    people.upload(world, "afterwards")
    world.come_to_rest()
    invariants.check_at_rest(world, unusable=scenario.unusable)
    left = set(invariants.waiting_for_a_person(world)) - invariants.given_up(world)
    assert not left, f"{sorted(left)} were not taken along by the next run"
