"""Characters that a job adds to its champion's dictionary or takes from it, and their lines."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetuning.fonts import Face, cjk_faces, latin_faces
from finetuning.labels import Label
from finetuning.rendering import RenderedLine, draw_line
from finetuning.samples import Sample
from recognition.dictionary import CharacterDictionary

NEW_CHARACTERS = "new_characters.txt"

_SIZE = 40
_LINES_PER_CHARACTER = 12
_MOST_PRACTICE = 900
_MOST_REPEATS = 8
_LONGEST = 24


def listed_characters(labels: Path, train: Sequence[Label]) -> tuple[str, ...]:
    """Return what the job's list of new characters names and a train line holds, in its order.

    A character without a line could not be learnt and would only be able to do harm.
    Raises DictionaryError when the list cannot be read.
    """
    path = labels / NEW_CHARACTERS
    if not path.is_file() or not path.read_bytes().strip(b"\r\n"):
        return ()
    used = {character for label in train for character in label.text}
    listed = dict.fromkeys(CharacterDictionary.read(path).characters)
    return tuple(each for each in listed if each in used)


@dataclass(frozen=True)
class Support:
    """How many lines each added character is learnt from."""

    lines: dict[str, int]

    @classmethod
    def of(cls, added: Sequence[str], samples: Sequence[Sample]) -> Support:
        """Count lines, each once per character."""
        counts = Counter(character for sample in samples for character in set(sample.text))
        return cls({character: counts[character] for character in added})

    @property
    def least(self) -> tuple[str, int]:
        """The character with the fewest lines; an empty one when nothing was added."""
        return min(self.lines.items(), key=lambda item: item[1], default=("", 0))


def repeats_per_epoch(
    samples: Sequence[Sample], support: Support, presentations: int, epochs: int
) -> tuple[int, ...]:
    """Return how often each line is shown per epoch, so that rare added characters are seen enough.

    Every added character should be shown `presentations` times in all; no line is shown more than
    eight times per epoch, since it would then be learnt by heart.
    """
    wanted = presentations / max(1, epochs)
    factor = {
        character: min(_MOST_REPEATS, math.ceil(wanted / lines))
        for character, lines in support.lines.items()
        if lines
    }
    return tuple(
        max(1, *(factor.get(character, 1) for character in sample.text)) for sample in samples
    )


@dataclass(frozen=True)
class PracticeLines:
    """Rendered lines of added characters, where the packaged fonts can draw them.

    Half repeat texts of the new lines, half are strings in which every added character is as
    frequent as the others, so that rare ones are seen in more than the few lines that hold them.
    """

    dictionary: CharacterDictionary
    added: tuple[str, ...]
    texts: tuple[str, ...]
    seed: int

    def wanted(self, asked: int | None) -> int:
        """Return how many lines to draw when the job may decide."""
        if asked is not None:
            return asked
        return min(_MOST_PRACTICE, _LINES_PER_CHARACTER * len(self.added))

    def lines(self, count: int) -> Iterator[RenderedLine]:
        """Yield at most that many lines; none when no font draws any of the characters."""
        faces = (*latin_faces(_SIZE), *cjk_faces(_SIZE))
        usable = {
            character: tuple(face for face in faces if face.draws(character))
            for character in self.added
        }
        drawn = tuple(character for character, by in usable.items() if by)
        texts = tuple(text for text in self.texts if set(text) & set(drawn))
        for number in range(count if drawn else 0):
            rng = np.random.default_rng((self.seed, number))
            character = drawn[number % len(drawn)]
            face = usable[character][rng.integers(len(usable[character]))]
            text = self._text(character, texts, drawn, face, rng)
            if not self.dictionary.unknown(text):
                yield RenderedLine(text, draw_line(text, face, rng))

    def _text(
        self,
        character: str,
        texts: Sequence[str],
        drawn: Sequence[str],
        face: Face,
        rng: np.random.Generator,
    ) -> str:
        if texts and rng.random() < 0.5:
            text = texts[int(rng.integers(len(texts)))][:_LONGEST].strip()
            if text and face.draws(text):
                return text
        others = [each for each in drawn if face.draws(each)]
        length = int(rng.integers(2, 9))
        mixed = [others[int(rng.integers(len(others)))] for _ in range(length)]
        mixed[int(rng.integers(length))] = character
        return "".join(mixed)
