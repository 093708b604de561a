"""Recipes: which part of the network is trained, for how long and how hard."""

from __future__ import annotations

import math
from dataclasses import dataclass

from finetuning.device import Device
from finetuning.hyperparameters import Hyperparameters
from finetuning.networks import Network

_SMALL_NETWORK = 500_000
_PRESENTATIONS = 3000
_MOST_EPOCHS = 12
_LEAST_EPOCHS = 2
_MOST_VIEWS = 8
_LEAST_VIEWS = 2
_VIEWED_LINES = 2000
_HEAD_RATE = 5e-4
_FULL_RATE = 3e-4
_SMALL_NETWORK_RATE = 2e-3


@dataclass(frozen=True)
class Recipe:
    """How a job trains; `why` explains the choice to whoever reads the log."""

    name: str
    why: str
    learning_rate: float
    epochs: int
    views: int


def choose_recipe(
    wanted: Hyperparameters, network: Network, device: Device, new_lines: int
) -> Recipe:
    """Decide what the hyperparameters leave open."""
    name, why = _name(wanted, network, device)
    small = is_small(network)
    rate = _HEAD_RATE if name == "head" else _SMALL_NETWORK_RATE if small else _FULL_RATE
    needed = math.ceil(_PRESENTATIONS / max(1, new_lines))
    epochs = wanted.epochs or min(_MOST_EPOCHS, max(_LEAST_EPOCHS, needed))
    views = math.ceil(_VIEWED_LINES / max(1, new_lines))
    return Recipe(
        name=name,
        why=why,
        learning_rate=wanted.learning_rate or rate,
        epochs=epochs,
        views=min(epochs, _MOST_VIEWS, max(_LEAST_VIEWS, views)),
    )


def _name(wanted: Hyperparameters, network: Network, device: Device) -> tuple[str, str]:
    if wanted.recipe != "auto":
        return wanted.recipe, "asked for by hyperparameter"
    if device.is_gpu:
        return "full", "a GPU trains all weights in little time"
    if is_small(network):
        return "full", f"the network is small ({_parameters(network)} weights)"
    return "head", "on a CPU a frozen backbone needs to run only once per picture"


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
