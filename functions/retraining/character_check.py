"""Sets lines aside that the model can neither write nor learn to write. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retraining.character_findings import CharacterFindings
from retraining.characters import listed, named
from retraining.dictionary import Dictionary
from retraining.holdout import Split
from retraining.label_files import Problem
from retraining.new_characters import Growth, choose, offer


@dataclass(frozen=True)
class NotKnown:
    """The champion's characters cannot be told; ``why`` is a sentence."""

    why: str


KnownCharacters = Dictionary | NotKnown


@dataclass(frozen=True)
class Checked:
    """The lines that can be used, what is wrong with the others, and what is to be learnt.

    ``new`` is what the training job adds as far as its model lacks it.
    """

    parts: tuple[Split, ...]
    problems: tuple[Problem, ...]
    findings: CharacterFindings
    new: tuple[str, ...]


def check_characters(parts: Sequence[Split], known: KnownCharacters, growth: Growth) -> Checked:
    """Decide on the characters of all datasets of a run together."""
    train = [line.text for each in parts for line in each.train]
    if isinstance(known, NotKnown):
        offered = offer(train, growth)
        findings = CharacterFindings.unchecked(known.why, offered, growth)
        return Checked(tuple(parts), (), findings, tuple(offered))
    choice = choose(train, [line.text for each in parts for line in each.holdout], known, growth)
    lines = [line for each in parts for line in (*each.train_lines, *each.holdout_lines)]
    faults = [(line, found) for line in lines if (found := choice.faults(line.line.text))]
    unusable = {line for line, _ in faults}
    return Checked(
        parts=tuple(each.only(lambda line: line not in unusable) for each in parts),
        problems=tuple(_problem(line.where, found) for line, found in faults),
        findings=CharacterFindings.of(choice, [found for _, found in faults]),
        new=tuple(choice.new),
    )


def _problem(where: str, faults: Mapping[str, str]) -> Problem:
    characters = listed((f"{named(each)}: {why}" for each, why in faults.items()), "; ", "; and ")
    return Problem("unknown_character", where, f"the model cannot write {characters}")
