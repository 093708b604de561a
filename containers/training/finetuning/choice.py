"""Which recipe a job uses when nobody names one, and how large its parts are."""

from __future__ import annotations

from dataclasses import dataclass

from finetuning.device import Device
from finetuning.families.family import Depth, Family
from finetuning.hyperparameters import HyperparameterError, Hyperparameters
from finetuning.networks import Network
from finetuning.recipes import Recipe, read_recipe

_SMALL_NETWORK = 500_000
# Lines that a processor trains on per second, measured with PP-OCRv4 mobile on two of them.
_LINES = {Depth.PARTIAL: 15.0, Depth.FULL: 5.3}
# The rest of a job's time goes into starting, encoding, blending and the export.
_SHARE_OF_TIME = 0.7
# Nobody who names no budget waits for much more than the head would take.
_UNASKED_MINUTES = 15.0


@dataclass(frozen=True)
class Choice:
    """A recipe that may leave open what depends on the material; `why` explains it in the log."""

    recipe: Recipe
    why: str


def choose_recipe(
    wanted: Hyperparameters,
    family: Family,
    network: Network,
    device: Device,
    new_lines: int,
    processes: int = 1,
) -> Choice:
    """Decide what the hyperparameters leave open, with so many processes like this one.

    Raises HyperparameterError when the family cannot be trained as the recipe asks for.
    """
    name, why = _name(wanted, family, network, device, new_lines, processes)
    recipe = read_recipe(name, wanted.overrides)
    if recipe.depth not in family.depths:
        possible = ", ".join(sorted(family.depths))
        raise HyperparameterError(
            f"The recipe {name!r} trains {recipe.depth} of the network, but of {family.name} only "
            f"{possible} can be trained; use recipe auto."
        )
    return Choice(recipe, why)


def _name(
    wanted: Hyperparameters,
    family: Family,
    network: Network,
    device: Device,
    new_lines: int,
    processes: int,
) -> tuple[str, str]:
    if wanted.recipe != "auto":
        return wanted.recipe, "asked for by hyperparameter"
    if Depth.FULL not in family.depths:
        return "head", f"the backbone of {family.name} cannot be trained here"
    if is_small(network):
        return "small", f"the network is small ({_parameters(network)} weights)"
    if device.is_gpu:
        return "full", "a GPU trains all weights in little time"
    allowed = wanted.max_minutes or _UNASKED_MINUTES
    for name in ("full", "partial") if wanted.max_minutes else ("partial",):
        processors = device.processors * processes
        minutes = minutes_on_cpu(read_recipe(name, wanted.overrides), new_lines, processors)
        if minutes <= allowed * _SHARE_OF_TIME:
            return name, _estimate(minutes, new_lines, allowed)
    return "head", f"more would take too long: {_estimate(minutes, new_lines, allowed)}"


def _estimate(minutes: float, new_lines: int, allowed: float) -> str:
    return f"{new_lines} lines take about {minutes:.0f} minutes of {allowed:g} on this CPU"


def minutes_on_cpu(recipe: Recipe, new_lines: int, processors: int) -> float:
    """Return about how long the steps of a deep recipe take with a mobile network."""
    epochs = recipe.completed(new_lines).epochs or 1
    return epochs * new_lines / recipe.replay_ratio / (_LINES[recipe.depth] * processors) / 60.0


def is_small(network: Network) -> bool:
    """Whether the network is so small that training all of it costs next to nothing."""
    return _parameters(network) <= _SMALL_NETWORK


def _parameters(network: Network) -> int:
    return sum(int(parameter.size) for parameter in network.parameters())


def replay_lines_wanted(new_lines: int, new_share: float) -> int:
    """Return how many old lines make new ones the given share of the mix."""
    return round(new_lines * (1.0 - new_share) / new_share)


def generic_lines_wanted(wanted: int | None, replay_target: int, replay_lines: int) -> int:
    """Return how many rendered lines to add when the job may decide.

    They fill what earlier datasets leave open, and at least half of the replay: earlier datasets
    are special too, and say nothing about the general text a base model knows.
    """
    if wanted is not None:
        return wanted
    return max(replay_target - replay_lines, replay_target // 2)
