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
from tests.chaos.points import Point
from tests.chaos.report import Failure, Tally
from tests.chaos.scenarios import SCENARIOS, Scenario
from tests.chaos.world import Tamperer, World

_SECONDS_PER_STORY = 600.0
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
    has_dues: bool = False

    def has(self, scenario: Scenario, number: int, point: Point, known: set[str]) -> bool:
        """Tell whether a fault is taken; ``known`` are those that had to be, so far."""
        if time.monotonic() >= self.deadline:
            return False
        if self.match:
            return self.match in f"{point.where}: {point.kind}"
        if self.has_dues and not known.issuperset(must := point.due(scenario.gone_through)):
            known.update(must)
            return True
        hashed = zlib.crc32(f"{self.seed} {scenario.name} {number}".encode()) / 2**32
        return self.begin <= hashed < self.end


@dataclass(frozen=True)
class Wanted:
    """How many faults at least, until when (of time.monotonic), and which.

    ``only`` is a part of the names of scenarios; ``match`` takes all faults whose description holds
    it. A ``sample`` leaves all to chance.
    """

    faults: int
    deadline: float
    only: str = ""
    match: str = ""
    sample: bool = False


def run(seed: int, wanted: Wanted) -> Tally:
    """Inject what must not be left to chance, then more, spread evenly over all there is."""
    tally = Tally()
    deadline = wanted.deadline
    scenarios = [each for each in SCENARIOS if wanted.only in each.name]
    if wanted.match:
        share = _Share(seed, 0, 0, deadline, match=wanted.match)
        return _explore_groups(scenarios, share)
    if not wanted.sample:
        through = [each for each in scenarios if each.gone_through]
        tally = _explore_groups(through, _Share(seed, 0, 0, deadline, has_dues=True))
    begin = 0.0
    while (missing := wanted.faults - tally.injected.total()) > 0 and begin < 1:
        points = _POINTS_PER_SCENARIO * len(scenarios)
        end = min(1.0, begin + max(0.001, missing / _FAULTS_PER_STORY / points))
        share = _Share(seed, begin, end, deadline)
        tally.merge(_explore_groups(scenarios, share))
        begin = end
        if tally.failures or time.monotonic() > deadline:
            break
    return tally


def _explore_groups(scenarios: Sequence[Scenario], share: _Share) -> Tally:
    tally = Tally()
    for group in _groups(scenarios):
        tally.merge(_in_a_process(group, share))
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
    known: set[str] = set()

    def take(number: int, where: str, kind: Fault) -> bool:
        if not share.has(scenario, number, Point(where, kind), known):
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
    _look_at_golden_sets(world)


def _look_at_golden_sets(world: World) -> None:
    """Whatever happened, the next look of the schedule registers all golden sets."""
    world.tamperer = Tamperer()
    world.invoke_start({"detail-type": "Scheduled Event"}, "schedule in the end")
    for name in {key.split("/")[1] for key in world.keys("golden/")}:
        found = world.item("GOLDEN", name)
        assert found, f"the golden set {name} is not known"
        assert found["state"] == "registered", f"the golden set {name}: {found}"


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
