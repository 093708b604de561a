"""Sets lines aside that the model can neither write nor learn to write. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from retraining.character_findings import CharacterFindings
from retraining.characters import listed, named
from retraining.dictionary import Dictionary
from retraining.new_characters import Growth, choose, offer
from retraining.problems import Problem


@dataclass(frozen=True)
class NotKnown:
    """The champion's characters cannot be told; ``why`` is a sentence."""

    why: str


KnownCharacters = Dictionary | NotKnown


class TextLine(Protocol):
    """A line of a drop, as far as its characters matter."""

    @property
    def text(self) -> str:
        """What is written."""

    @property
    def place(self) -> str:
        """Where the label file says so."""


AnyLine = TypeVar("AnyLine", bound=TextLine)


@dataclass(frozen=True)
class Checked:
    """What was found, and what is to be learnt.

    ``new`` is what the training job adds as far as its model lacks it.
    """

    findings: CharacterFindings
    new: tuple[str, ...]


@dataclass(frozen=True)
class CharacterCheck:
    """How to check: the champion's characters, and which may be added."""

    known: KnownCharacters
    growth: Growth

    def run(
        self,
        train: Iterable[str],
        others: Iterable[str],
        lines: Iterable[AnyLine],
        set_aside: Callable[[AnyLine, Problem], None],
    ) -> Checked:
        """Decide on the characters of all datasets of a run together.

        ``train`` and ``others`` (holdouts) are the texts of ``lines``. Each is gone through once,
        so that there may be any number. Lines that cannot be used are handed to ``set_aside``.
        """
        if isinstance(self.known, NotKnown):
            offered = offer(train, self.growth)
            findings = CharacterFindings.unchecked(self.known.why, offered, self.growth)
            return Checked(findings, tuple(offered))
        choice = choose(train, others, self.known, self.growth)

        def faults() -> Iterator[Mapping[str, str]]:
            for line in lines:
                found = choice.faults(line.text)
                if found:
                    set_aside(line, _problem(line.place, found))
                    yield found

        return Checked(CharacterFindings.of(choice, faults()), tuple(choice.new))


def _problem(where: str, faults: Mapping[str, str]) -> Problem:
    characters = listed((f"{named(each)}: {why}" for each, why in faults.items()), "; ", "; and ")
    return Problem("unknown_character", where, f"the model cannot write {characters}")
