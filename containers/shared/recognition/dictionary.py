"""The characters a model can write, in the order of its outputs, and CTC greedy decoding."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

BLANK = 0
# What keeps its order within a line that is read from right to left, and anything else, alone:
# PaddleOCR's BaseRecLabelDecode.pred_reverse.
_RUN = re.compile(r"[a-zA-Z0-9 :*./%+-]+|.", re.DOTALL)


class DictionaryError(ValueError):
    """The dictionary file cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Reading:
    """What a model read in one line; confidence is the mean probability of its characters, 0..1."""

    text: str
    confidence: float


@dataclass(frozen=True)
class CharacterDictionary:
    """Characters in output order; output 0 is CTC's blank, so character i is output i + 1."""

    characters: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> CharacterDictionary:
        """Read PaddleOCR's format: UTF-8, one character per line (one space on a line is a space).

        Raises DictionaryError when the file is absent, not UTF-8 or empty.
        """
        try:
            content = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise DictionaryError(
                f"The dictionary {path.name} cannot be read: {error.strerror}."
            ) from error
        except UnicodeDecodeError as error:
            raise DictionaryError(
                f"The dictionary {path.name} is not UTF-8; save it as UTF-8."
            ) from error
        lines = content.split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        characters = tuple(line.rstrip("\r") for line in lines)
        if not any(characters):
            raise DictionaryError(f"The dictionary {path.name} is empty.")
        return cls(characters)

    def write(self, path: Path) -> None:
        """Write the file that `read` reads; every character ends with a line feed."""
        text = "".join(f"{character}\n" for character in self.characters)
        path.write_bytes(text.encode("utf-8"))

    def __len__(self) -> int:
        return len(self.characters)

    @property
    def classes(self) -> int:
        """Outputs of the network: the characters and CTC's blank."""
        return len(self.characters) + 1

    @cached_property
    def right_to_left(self) -> bool:
        """Whether lines are read from right to left, which only the letters tell.

        True when letters that run so (Arabic, Hebrew, Persian, ...) outnumber all others but ASCII,
        which every dictionary of PaddleOCR holds. PaddleOCR itself goes by the dictionary's file
        name, which a packaged model has lost.
        """
        letters = [c for character in self.characters for c in character if not c.isascii()]
        leftward = sum(map(runs_leftward, letters))
        return leftward > sum(unicodedata.bidirectional(letter) == "L" for letter in letters)

    def _turned(self, text: str) -> str:
        """Return text as it stands in the picture, or from there as it is read: both are one."""
        return "".join(reversed(_RUN.findall(text))) if self.right_to_left else text

    def fitted_to(self, classes: int) -> CharacterDictionary:
        """Return the dictionary of a network with that many outputs.

        PaddleOCR's `use_space_char` adds a space that the file does not list.
        Raises DictionaryError when the numbers cannot be reconciled.
        """
        if classes == self.classes:
            return self
        if classes == self.classes + 1 and " " not in self.characters:
            return CharacterDictionary((*self.characters, " "))
        raise DictionaryError(
            f"The network has {classes} outputs but the dictionary has {len(self)} characters "
            f"(expected {self.classes} outputs); the two files do not belong together."
        )

    @cached_property
    def _outputs(self) -> dict[str, int]:
        # The first of repeated characters is the one that PaddleOCR's label encoder would not pick,
        # but CTC training only ever sees one of them: keep PaddleOCR's choice, the last.
        return {character: index for index, character in enumerate(self.characters, start=1)}

    def unknown(self, text: str) -> list[str]:
        """Return the characters of the text that the dictionary lacks, each once, in order."""
        return [character for character in dict.fromkeys(text) if character not in self._outputs]

    def encode(self, text: str) -> list[int]:
        """Return the outputs that spell the text, in the order of the picture from left to right.

        Characters the dictionary lacks are left out.
        """
        return [
            self._outputs[character]
            for character in self._turned(text)
            if character in self._outputs
        ]

    def decode(self, outputs: Iterable[int]) -> str:
        """Return the text of a CTC path: repeats merged, blanks dropped."""
        text: list[str] = []
        previous = BLANK
        for output in outputs:
            if output not in (previous, BLANK):
                text.append(self.characters[output - 1])
            previous = output
        return self._turned("".join(text))

    def read_probabilities(self, probabilities: npt.NDArray[np.float32]) -> list[Reading]:
        """Greedy CTC decoding of [lines, steps, classes] probabilities, as PaddleOCR does it."""
        best = probabilities.argmax(axis=2)
        certainty = probabilities.max(axis=2)
        return [self._reading(path, scores) for path, scores in zip(best, certainty, strict=True)]

    def _reading(self, path: npt.NDArray[np.int64], certainty: npt.NDArray[np.float32]) -> Reading:
        written = np.ones(len(path), dtype=bool)
        written[1:] = path[1:] != path[:-1]
        written &= path != BLANK
        if not written.any():
            return Reading("", 0.0)
        text = "".join(self.characters[output - 1] for output in path[written])
        return Reading(self._turned(text), float(certainty[written].mean()))


def runs_leftward(letter: str) -> bool:
    """Tell whether a letter is of a script that runs from right to left (Unicode's R and AL)."""
    return unicodedata.bidirectional(letter) in ("R", "AL")


def required_steps(outputs: Sequence[int]) -> int:
    """Return how many time steps CTC needs to spell the outputs (repeats need a blank between)."""
    repeats = sum(1 for left, right in zip(outputs, outputs[1:], strict=False) if left == right)
    return len(outputs) + repeats
