"""The variants that are compared: a name, and what differs from the default recipe."""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT = "default"

# One line per variant. A hyperparameter that the trainer does not know fails that variant alone.
VARIANTS: Mapping[str, Mapping[str, object]] = {
    DEFAULT: {},
    "no replay": {"generic_lines": 0, "replay_ratio": 1},
    "replay 1:1": {"replay_ratio": 0.5},
    "no blend": {"blend": "false"},
    "distillation 1": {"distillation": 1},
    "distillation 1, new too": {"distillation": 1, "distillation_new": 1},
    "l2-sp 10": {"l2_sp": 10},
    "no practice lines": {"practice_lines": 0},
    "twice as long": {"presentations": 6000, "most_epochs": 24},
    "no augmentation": {"augment": "false"},
    "all outputs": {"head_outputs": 0},
    "depth head": {"recipe": "head"},
    "depth partial": {"recipe": "partial"},
    "depth full": {"recipe": "full"},
}
