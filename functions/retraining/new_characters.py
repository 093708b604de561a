"""Decides which characters that the champion cannot write are learnt. Pure.

A character becomes an output of the model when enough train lines hold it; a line with any other
unknown character is set aside. Setting lines aside leaves fewer lines for their other characters,
so this is repeated until nothing changes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from retraining.characters import refusal
from retraining.dictionary import Dictionary


@dataclass(frozen=True)
class Growth:
    """Whether the dictionary may grow, and how many train lines a new character needs."""

    allowed: bool
    needed: int


@dataclass(frozen=True)
class Choice:
    """What was decided.

    ``new`` and ``rare`` give the usable train lines of each character, ``refused`` why it is never
    learnt, however many lines hold it.
    """

    dictionary: Dictionary
    growth: Growth
    new: Mapping[str, int] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def faults(self, text: str) -> dict[str, str]:
        """Tell which characters keep a line from being used, and why; {} when it can be used."""
        if self.dictionary.knows(text):
            return {}
        refused = _refused(self.dictionary, text)
        return {
            each: refused.get(each) or self._too_rare(each)
            for each in self.dictionary.unknown(text)
            if each in refused or each not in self.new
        }

    def _too_rare(self, character: str) -> str:
        if not self.growth.allowed:
            return "GrowDictionary is off"
        lines = self.rare.get(character, 0)
        holds = "1 usable train line holds" if lines == 1 else f"{lines} usable train lines hold"
        return f"{holds} it, {self.growth.needed} are needed"


def choose(
    train: Iterable[str], others: Iterable[str], dictionary: Dictionary, growth: Growth
) -> Choice:
    """Decide on the unknown characters of the train lines and of the ``others`` (holdouts).

    Both are gone through once; what is kept grows with the different sets of unknown characters
    that lines hold together, not with the lines.
    """
    reasons: dict[str, tuple[str, str]] = {}
    undecided: set[str] = set()
    usable: Counter[str] = Counter()
    for text, is_train in chain(
        ((each, True) for each in train), ((each, False) for each in others)
    ):
        if dictionary.knows(text):
            continue
        refused = _refused(dictionary, text)
        # Why a mark is refused depends on its text: one of them speaks for all, always the same.
        reasons |= {
            each: max(reasons.get(each, ("", "")), (text, why)) for each, why in refused.items()
        }
        unknown = [each for each in dictionary.unknown(text) if each not in refused]
        undecided.update(unknown)
        if is_train and unknown and not refused:
            usable["".join(sorted(unknown))] += 1
    told = {each: why for each, (_, why) in reasons.items()}
    if not growth.allowed:
        return Choice(dictionary, growth, refused=told)
    rare: dict[str, int] = {}
    while True:
        counts = _count(usable)
        too_few = {each: counts[each] for each in undecided if counts[each] < growth.needed}
        if not too_few:
            return Choice(dictionary, growth, _ordered(counts), _ordered(rare), told)
        rare |= too_few
        undecided -= too_few.keys()
        usable = Counter(
            {each: lines for each, lines in usable.items() if too_few.keys().isdisjoint(each)}
        )


def offer(train: Iterable[str], growth: Growth) -> dict[str, int]:
    """Tell which characters have enough train lines, for a model whose dictionary is not known."""
    if not growth.allowed:
        return {}
    nothing = Dictionary()
    counts: Counter[str] = Counter()
    for text in train:
        counts.update(frozenset(nothing.unknown(text)) - _refused(nothing, text).keys())
    return _ordered({each: lines for each, lines in counts.items() if lines >= growth.needed})


def format_characters(characters: Iterable[str]) -> str:
    """Write the file the training job reads: one character per line, always in the same order."""
    return "".join(f"{each}\n" for each in sorted(characters))


def parse_characters(content: str) -> tuple[str, ...]:
    """Read a file that ``format_characters`` wrote."""
    return tuple(row for row in content.split("\n") if row)


def _refused(dictionary: Dictionary, text: str) -> dict[str, str]:
    reasons = {each: refusal(each, text) for each in dictionary.unknown(text)}
    return {each: why for each, why in reasons.items() if why}


def _count(lines: Mapping[str, int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for characters, count in lines.items():
        for each in characters:
            counts[each] += count
    return counts


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
