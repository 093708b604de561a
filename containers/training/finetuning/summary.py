"""What a training tells about itself: lines for the log, and metrics for the manifest."""

from __future__ import annotations

from collections.abc import Sequence

from finetuning.alphabet import Support
from finetuning.device import Device
from finetuning.interpolation import Blend
from finetuning.material import Material
from finetuning.progress import announce
from finetuning.recipes import Recipe
from finetuning.samples import SetAside
from finetuning.scoring import Score

Metrics = dict[str, float | int | str | None]


def announce_material(
    recipe: Recipe,
    why: str,
    material: Material,
    set_aside: SetAside,
    device: Device,
    processes: int,
) -> None:
    """Print which recipe was chosen and why, and what it trains on."""
    for sentence in set_aside.sentences():
        announce(sentence)
    announce(
        f"recipe={recipe.name} because {why}; device={device.name} processes={processes} "
        f"epochs={recipe.epochs} views={recipe.views} peak_learning_rate={recipe.learning_rate}"
    )
    announce(
        f"new_lines={len(material.new)} practice_lines={len(material.practice)} "
        f"replay_lines={len(material.replay)} generic_lines={len(material.generic)} "
        f"dev_lines={len(material.dev)} guard_lines={len(material.guard)}"
    )


def announce_alphabet(support: Support, removed: Sequence[str]) -> None:
    """Print which characters were added, from how many lines, and which were removed."""
    if support.lines:
        character, lines = support.least
        announce(
            f"new_characters={len(support.lines)} {''.join(support.lines)} "
            f"least_lines={lines} least_character={character!r}"
        )
    if removed:
        announce(f"removed_characters={len(removed)} {''.join(removed)}")


def metrics_of(
    recipe: Recipe,
    material: Material,
    set_aside: SetAside,
    support: Support,
    before: Score,
    blend: Blend,
    removed: Sequence[str],
) -> Metrics:
    """Return what the manifest keeps of a training; shares are 0..1."""
    return {
        "recipe": recipe.name,
        "learning_rate": recipe.learning_rate,
        "epochs": recipe.epochs,
        "views": recipe.views,
        "new_lines": len(material.new),
        "practice_lines": len(material.practice),
        "replay_lines": len(material.replay),
        "generic_lines": len(material.generic),
        "new_characters": len(support.lines),
        "removed_characters": len(removed),
        "new_character_least_lines": support.least[1],
        "dev_lines": len(material.dev),
        "dev_exact_match_before": round(before.dev, 4),
        "dev_exact_match": round(blend.score.dev, 4),
        "guard_lines": len(material.guard),
        "guard_exact_match_before": round(before.guard, 4),
        "guard_exact_match": round(blend.score.guard, 4),
        "blend": blend.share,
        "set_aside": set_aside.total,
        **{f"set_aside_{reason}": count for reason, count in set_aside.counts.items()},
    }
