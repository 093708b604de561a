"""What a validation found about characters, for validation.json and in one line each. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from retraining.characters import listed, named
from retraining.new_characters import Choice, Growth


@dataclass(frozen=True)
class CharacterFindings:
    """Characters the model is to learn, and those that keep lines from being used.

    ``new`` and ``rare`` give usable train lines, ``refused`` why a character is never learnt,
    ``set_aside`` the lines that a character kept from being used and ``reasons`` why in any case.
    ``note`` says what could not be checked, or is "".
    """

    new: Mapping[str, int] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    needed: int = 0
    set_aside: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def of(cls, choice: Choice, faults: Iterable[Mapping[str, str]]) -> Self:
        """Sum up a choice and the faults of every line that was set aside because of it."""
        lines: Counter[str] = Counter()
        reasons: dict[str, str] = {}
        for each in faults:
            lines.update(each.keys())
            reasons |= each
        return cls(
            new=choice.new,
            rare=choice.rare,
            refused=choice.refused,
            needed=choice.growth.needed,
            set_aside=dict(lines.most_common()),
            reasons=reasons,
        )

    @classmethod
    def unchecked(cls, why: str, offered: Mapping[str, int], growth: Growth) -> Self:
        """Say why nothing was checked, and what the training job makes of it."""
        if offered:
            then = (
                f"The training job adds what its model lacks of the {len(offered)} characters in "
                f"at least {growth.needed} train lines and sets lines with others aside."
            )
        else:
            then = "The training job sets lines aside that its model cannot write."
        return cls(needed=growth.needed, note=f"{why} {then}")

    def as_json(self) -> dict[str, Any]:
        """Give the part of validation.json that is about characters."""
        return {
            "new_characters": dict(self.new),
            "rare_characters": {
                each: {"lines": lines, "needed": self.needed} for each, lines in self.rare.items()
            },
            "refused_characters": dict(self.refused),
            "unknown_characters": dict(self.set_aside),
        }

    def sentences(self) -> list[str]:
        """Say it to people: at most one line each about new ones, others, and what is not known."""
        return [each for each in (self._new(), self._set_aside(), self.note) if each]

    def _new(self) -> str:
        if not self.new:
            return ""
        least = min(self.new, key=lambda each: (self.new[each], each))
        return (
            f"{_count(self.new, 'new character')}: {listed(named(each) for each in self.new)}; "
            f"{named(least)} has the fewest train lines ({self.new[least]})."
        )

    def _set_aside(self) -> str:
        if not self.set_aside:
            return ""
        each_with_why = (f"{named(each)} ({self.reasons[each]})" for each in self.set_aside)
        return f"{_count(self.set_aside, 'character')} not learnt: {listed(each_with_why)}."


def _count(characters: Mapping[str, object], singular: str) -> str:
    return f"{len(characters)} {singular}{'' if len(characters) == 1 else 's'}"
