"""Makes labels that look the same be the same text, by rules that a person chooses. Pure."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from retraining.lines import Line

_NOTHING = "none"
_IDEOGRAPHIC_SPACE = "\u3000"


class Rule(StrEnum):
    """One choice; the rules are applied in this order, so that doing it twice changes nothing."""

    LIGATURES = "ligatures"
    WIDTH = "width"
    SPACES = "spaces"
    COMPOSE = "compose"


@dataclass(frozen=True)
class Normalized:
    """A text after normalisation, and the rules that changed it."""

    text: str
    changed_by: tuple[Rule, ...]


@dataclass(frozen=True)
class Normalization:
    """The rules that are in force."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def parse(cls, given: str) -> "Normalization":
        """Read a comma-separated choice of rules, or ``none``.

        Raises ValueError that names what can be chosen.
        """
        names = [each.strip() for each in given.split(",")]
        if names == [_NOTHING]:
            return cls()
        known = [rule.value for rule in Rule]
        if not set(names) <= set(known):
            raise ValueError(f"{given!r}: choose from {', '.join(sorted(known))}, or {_NOTHING}")
        return cls(tuple(rule for rule in Rule if rule.value in names))

    def apply(self, text: str) -> Normalized:
        """Normalise a text and tell which rules changed it."""
        if text.isascii():
            return Normalized(text, ())
        changed_by: list[Rule] = []
        for rule in self.rules:
            changed = _STEPS[rule](text)
            if changed != text:
                changed_by.append(rule)
            text = changed
        return Normalized(text, tuple(changed_by))

    def text(self, text: str) -> str:
        """Normalise a text."""
        return self.apply(text).text

    def line(self, line: Line) -> Line:
        """Normalise the text of a line, also of one that earlier rules have been applied to."""
        return replace(line, text=self.text(line.text))

    def lines(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """Normalise the texts of lines."""
        return tuple(self.line(line) for line in lines)


# --- ligatures: Latin and Armenian presentation forms, and the Dutch ones; fonts put them in texts
_LIGATURES = str.maketrans(
    {
        code: unicodedata.normalize("NFKC", chr(code))
        for code in (*range(0xFB00, 0xFB07), *range(0xFB13, 0xFB18), 0x0132, 0x0133)
    }
)


def _without_ligatures(text: str) -> str:
    return text.translate(_LIGATURES)


# --- width: full-width ASCII, half-width katakana with their sound marks and punctuation
_FULL_WIDTH = str.maketrans(
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {0x3000: " "}
)
# With the full-width letter before it, which the first sound mark may belong to.
_HALF_WIDTH_RUN = re.compile("[\u3041-\u3096\u30a1-\u30fa]?[\uff61-\uff9f]+")
# A sound mark after a character that cannot carry it stays a sign of its own.
_SOUND_MARKS = str.maketrans({"\u3099": "\u309b", "\u309a": "\u309c"})


def _with_usual_width(text: str) -> str:
    return _HALF_WIDTH_RUN.sub(_full_katakana, text.translate(_FULL_WIDTH))


def _full_katakana(run: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", run.group()).translate(_SOUND_MARKS)


# --- spaces: everything that Unicode calls a space, line or paragraph separator
def _with_usual_spaces(text: str) -> str:
    return "".join(" " if _is_unusual_space(each) else each for each in text)


def _is_unusual_space(character: str) -> bool:
    return character != _IDEOGRAPHIC_SPACE and unicodedata.category(character)[0] == "Z"


# --- compose
def _composed(text: str) -> str:
    """Join letters and their separate accents (NFC), but never change a single character.

    NFC also replaces characters that stand alone (U+2126 OHM SIGN by omega) and takes some apart
    (Devanagari, Bengali and Hebrew letters with a dot). PaddleOCR's dictionaries hold such
    characters: a model that writes them must not be told that they are wrong.
    """
    if unicodedata.is_normalized("NFC", text):
        return text
    runs = ((alone, "".join(run)) for alone, run in groupby(text, _is_replaced_alone))
    return "".join(
        run if alone or len(run) == 1 else unicodedata.normalize("NFC", run) for alone, run in runs
    )


def _is_replaced_alone(character: str) -> bool:
    return (
        unicodedata.normalize("NFC", character) != character
        and unicodedata.category(character)[0] != "M"
    )


_STEPS: Mapping[Rule, Callable[[str], str]] = {
    Rule.LIGATURES: _without_ligatures,
    Rule.WIDTH: _with_usual_width,
    Rule.SPACES: _with_usual_spaces,
    Rule.COMPOSE: _composed,
}
